#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119
# A fleet: 16 processes on 2 nodes with one Redis compile each kernel once. When Redis is stopped in the middle, or
# stands still, nothing fails.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/servers.bash
source "$(dirname "$0")/servers.bash"
need redis-server redis-cli python3

# manifest N...: a kernel for each.
manifest() {
  python3 - "$@" <<'PY' >m.json
import json, sys
print(json.dumps({"kernels": [{"family": "grouped_gemm", "quant": "none", "n": int(n), "k": 64, "groups": 2} for n in sys.argv[1:]]}))
PY
}

# fleet: starts 8 processes on each of two nodes; wait_for_fleet: all of them must end well.
fleet() {
  local i
  pids=()
  mkdir -p node0 node1
  for i in $(seq 16); do
    node "node$((i % 2))" "$sinter" prebuild --manifest m.json --arch host --json >"out$i" 2>"err$i" &
    pids+=($!)
  done
}
wait_for_fleet() {
  local i
  for i in $(seq 16); do
    wait "${pids[$((i - 1))]}" || { cat "out$i" "err$i" >&2; die "process $i failed"; }
  done
}
compiles() { cat node0/worker.log node1/worker.log 2>/dev/null | grep -c '"outcome":"ok"'; }

start_redis
export SINTER_REMOTE=redis://sinter:$password_in_url@127.0.0.1:$redis_port
manifest 16 32 48
fleet
wait_for_fleet
[ "$(compiles)" -eq 3 ] || { cat node?/worker.log err* >&2; die "$(compiles) compiles of 3 kernels"; }
[ "$(redis --scan --pattern '*:entry' | wc -l)" -eq 3 ] || die "the server has: $(redis --scan)"
[ -z "$(redis --scan --pattern '*:lease')" ] || die "a lease was left behind"
for name in node0 node1; do
  expect 0 node "$name" "$sinter" cache list --json
  [ "$(json 'len(d["entries"])')" -eq 3 ] || die "$name: $(cat out)"
  expect 0 node "$name" "$sinter" cache verify
done
# What a node got from the other one says so.
expect 0 node node0 "$sinter" cache list --json
shown=$(for key in $(json '" ".join(e["key"] for e in d["entries"])'); do
  for name in node0 node1; do node "$name" "$sinter" cache show "$key" --json; done
done | grep -c "\"origin\": \"remote 127.0.0.1:$redis_port\"")
[ "$shown" -eq 3 ] || die "$shown entries came from the other node, not 3"

# Stopped in the middle: as soon as the first new kernel is on the server.
manifest 80 96 112
export SINTER_REMOTE_TIMEOUT_MS=300
fleet
for _ in $(seq 600); do
  [ "$(redis --scan --pattern '*:entry' | wc -l)" -gt 3 ] && break
  sleep 0.05
done
kill -9 "$redis_pid"
wait_for_fleet

# A server that stands still, as one whose machine hangs does.
start_redis
export SINTER_REMOTE=redis://sinter:$password_in_url@127.0.0.1:$redis_port
kill -STOP "$redis_pid"
manifest 144 160
fleet
wait_for_fleet
kill -CONT "$redis_pid"
