#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page of a cache, empty, small and with 100,000 entries, in a headless browser: it draws, sorts, filters and changes
# its colours without an error, loads nothing, and stays small.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
browser=$(command -v chromium || command -v chromium-browser) || { echo "SKIPPED: there is no chromium"; exit 77; }

# What a user would do on the page; what came of it is left in an attribute of the body.
cat >clicks.html <<'HTML'
<script>
const said = [];
const say = (name, value) => said.push(name + "=" + value);
const cards = [...document.querySelectorAll("section h2")].map(h => h.textContent);
say("cards", cards.join("|"));
say("pictures", document.querySelectorAll("svg").length);
const table = document.getElementById("kernels");
if (table) {
  const head = i => table.querySelectorAll("th button")[i];
  const column = i => [...table.tBodies[0].rows].map(row => row.cells[i].textContent);
  say("rows", table.tBodies[0].rows.length);
  head(1).click();
  const up = column(1);
  say("ascending", table.querySelectorAll("th")[1].getAttribute("aria-sort") === "ascending" && up.every((v, i) => i === 0 || up[i - 1].localeCompare(v, "en", {numeric: true}) <= 0));
  head(1).click();
  say("descending", table.querySelectorAll("th")[1].getAttribute("aria-sort") === "descending");
  const search = document.querySelector("input[type=search]");
  search.value = "fp8_block";
  search.dispatchEvent(new Event("input"));
  say("filtered", column(3).every(mode => mode === "fp8_block"));
}
for (const button of document.querySelectorAll(".pick button")) button.click();
say("theme", document.documentElement.dataset.theme);
const shown = document.querySelector("[data-tip]");
if (shown) {
  shown.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: 10, clientY: 10}));
  say("tip", document.getElementById("tip").textContent.length > 0);
}
say("alert", "none" in window);
document.body.setAttribute("data-said", said.join(";"));
</script>
HTML

# page NAME: draws it and does the clicks; `said` gets what came of it.
page() {
  expect 0 "$sinter" cache report "$1.html"
  sed '/<\/body>/d; /<\/html>/d' "$1.html" >"$1-clicked.html"
  cat clicks.html >>"$1-clicked.html"
  timeout 300 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/profile" --enable-logging=stderr --virtual-time-budget=20000 \
    --dump-dom "file://$work/$1-clicked.html" >"$1.dom" 2>"$1.log" || { tail -5 "$1.log" >&2; die "$browser failed on $1.html"; }
  ! grep -E 'CONSOLE' "$1.log" || die "the page $1 says something on the console"
  said=$(sed -n 's/.*data-said="\([^"]*\)".*/\1/p' "$1.dom" | head -n 1)
  [ -n "$said" ] || die "the script of $1 did not run to its end"
}
says() { [[ ";$said;" == *";$1;"* ]] || die "expected $1 in: $said"; }
size() { stat -c %s "$1.html"; }

# No cache at all, then a small one.
page empty
says 'theme=dark'
[[ $said == *'What is there|Hits and misses|Why they missed|What is not used, and why'* ]] || die "cards of an empty cache: $said"
cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": ["none", "fp8_block"], "n": [80, 96], "k": 96, "groups": 3},
             {"family": "quantize", "k": 256}]}
JSON
expect 0 "$sinter" prebuild --manifest m.json --arch host,gfx942
page small
for fact in 'rows=10' 'ascending=true' 'descending=true' 'filtered=true' 'theme=dark' 'tip=true'; do says "$fact"; done
[[ $said == *'What is there|Compile times|Tile coverage|Hits and misses|Why they missed|Registers|Shared memory|What is not used, and why|Kernels'* ]] || die "cards: $said"
grep -qE '(src|href)="?(https?:)?//' small.html && die "the page loads something"
[ "$(size small)" -lt 100000 ] || die "a page of $(size small) bytes for ten kernels"

# Texts of anybody: a reason that would end the script element, and a line separator.
python3 - <<'PY'
import sqlite3
c = sqlite3.connect("cache/sinter-v2.db", timeout=30)
c.execute("INSERT INTO bad (found_unix_s, reason, digest, spec) VALUES (1, ?, randomblob(32), 'evil')",
          ("</script><script>window.none = 1</script><!-- \u2028",))
one = "FROM entry WHERE rowid = (SELECT min(rowid) FROM entry)"
columns = [row[1] for row in c.execute("PRAGMA table_info(entry)")]
rest = ", ".join(name for name in columns if name not in ("digest", "code", "log", "source"))
c.execute(f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99990)
  INSERT INTO entry (digest, code, log, source, {rest}) SELECT randomblob(32), zeroblob(10), '', '', {rest} FROM n, (SELECT {rest} {one})""")
c.commit()
PY
page large
for fact in 'rows=50' 'ascending=true' 'filtered=true' 'alert=false'; do says "$fact"; done
grep -q '100,000' large.dom || die "the page does not say how many kernels there are"
[ "$(size large)" -lt 3000000 ] || die "a page of $(size large) bytes"
expect 0 "$sinter" cache report few.html --rows 10
[ "$(size few)" -lt 100000 ] || die "a page of $(size few) bytes for ten rows"
expect 2 "$sinter" cache report /proc/nowhere/x.html
