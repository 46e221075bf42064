#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The metrics of an embedding process are what Prometheus' own reader takes.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
program=$build/tests/test-capi
[ -x "$program" ] || { echo "SKIPPED: $program was not built"; exit 77; }
SINTER_TEST_METRICS_FILE=$work/text expect 0 "$program" 'counters and times are to be had as text for Prometheus'
[ -s text ] || die "no text was written"
python=$(for candidate in python3 /usr/bin/python3; do "$candidate" -c 'import prometheus_client' 2>/dev/null && { echo "$candidate"; break; }; done)
if command -v promtool >/dev/null; then
  promtool check metrics <text || die "promtool complains"
elif [ -z "$python" ]; then
  echo "SKIPPED: there is neither promtool nor the Python module prometheus_client"
  exit 77
fi
[ -z "$python" ] || "$python" - <<'PY' || die "prometheus_client reads something else: $(cat text)"
from prometheus_client.parser import text_string_to_metric_families
families = {family.name: family for family in text_string_to_metric_families(open("text").read())}
assert families["sinter_compiles"].type == "counter" and families["sinter_compiles"].samples[0].value == 1
assert {s.labels["layer"] for s in families["sinter_cache_hits"].samples} == {"memory", "local", "bundle", "remote"}
for name in ("lookup", "queue", "compile", "load"):
    family = families[f"sinter_{name}_seconds"]
    assert family.type == "histogram"
    buckets = [s for s in family.samples if s.name.endswith("_bucket")]
    values = [s.value for s in buckets]
    assert buckets[-1].labels["le"] == "+Inf" and values == sorted(values)
    bounds = [float(s.labels["le"]) for s in buckets]
    assert bounds == sorted(bounds)
    assert values[-1] == next(s.value for s in family.samples if s.name.endswith("_count"))
assert next(s.value for s in families["sinter_compile_seconds"].samples if s.name.endswith("_sum")) > 0
PY
