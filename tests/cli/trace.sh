#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker log becomes a trace that Chrome's viewer takes: complete events with times, in rows that do not overlap.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

cat >log <<'JSON'
{"unix_s": 1000.5, "pid": 7, "key": "k1", "spec": "one", "backend": "llvm", "ms": 400, "outcome": "ok", "bytes": 10}
{"unix_s": 1000.6, "pid": 7, "key": "k2", "spec": "two", "backend": "llvm", "ms": 400, "outcome": "ok", "bytes": 20}
{"unix_s": 1001.0, "pid": 7, "key": "k3", "spec": "three", "backend": "llvm", "ms": 100, "outcome": "refused", "bytes": 0}
{"unix_s": 1000.2, "pid": 8, "key": "k4", "spec": "four", "backend": "nvrtc", "ms": 100, "outcome": "ok", "bytes": 30}
not a line of ours
{"unix_s": 1001.0, "pi
JSON
expect 0 "$sinter" trace log
err_has '2 lines'
python3 - <<'PY' || die "the trace is not what the viewer takes: $(cat out)"
import json
trace = json.load(open("out"))
events = trace["traceEvents"]
spans = [e for e in events if e["ph"] == "X"]
assert len(spans) == 4 and all(e["ph"] in "XM" for e in events)
for e in spans:
    assert isinstance(e["name"], str) and isinstance(e["pid"], int) and isinstance(e["tid"], int)
    assert e["ts"] >= 0 and e["dur"] > 0 and e["args"]["outcome"] and isinstance(e["args"]["bytes"], int)
assert min(e["ts"] for e in spans) == 0 and abs(trace["otherData"]["start_unix_s"] - 1000.1) < 1e-6
rows = {}
for e in sorted(spans, key=lambda e: e["ts"]):
    assert rows.get((e["pid"], e["tid"]), 0) <= e["ts"] + 1e-3, e
    rows[e["pid"], e["tid"]] = e["ts"] + e["dur"]
assert {e["name"]: e["tid"] for e in spans} == {"one": 1, "two": 2, "three": 1, "four": 1}
assert {e["pid"] for e in events if e["ph"] == "M"} == {7, 8}
PY
echo '{"kernels": [{"family": "quantize", "k": 256}]}' >m.json
SINTER_WORKER_LOG=$work/real expect 0 "$sinter" prebuild --manifest m.json --arch gfx942
expect 0 "$sinter" trace real --out trace.json
python3 -c "import json; e=[e for e in json.load(open('trace.json'))['traceEvents'] if e['ph']=='X']; assert len(e) == 1 and 'quantize' in e[0]['name'], e" || die "the trace of a prebuild: $(cat trace.json)"
: >nothing
expect 0 "$sinter" trace nothing
expect 2 "$sinter" trace none
