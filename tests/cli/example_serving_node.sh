#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/serving_node as it is written, but for passwords, paths and ports: its Redis, and two nodes with its settings.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/servers.bash
source "$(dirname "$0")/servers.bash"
need redis-server redis-cli openssl python3
example=$(cd "$(dirname "$0")/../../examples/serving_node" && pwd)

make_certificates
port=$(free_port)
sed "s|^bind .*|bind 127.0.0.1|; s|^tls-port .*|tls-port $port|; s|/etc/redis/|$work/|" "$example/redis.conf" >redis.conf
sed 's/CHANGE-ME-TOO/reads/; s/CHANGE-ME/writes/' "$example/users.acl" >users.acl
redis-server "$work/redis.conf" --dir "$work" >redis.log 2>&1 &
servers+=($!)
wait_for_port "$port"

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 80, "k": 96, "groups": 3}]}
JSON
mkdir trusted
# settings NODE: the example's, for a node that lives below this directory.
settings() {
  sed "s|CHANGE-ME@cache.example:6380|writes@localhost:$port|; s|/etc/sinter/ca.pem|$work/ca.pem|; s|/etc/sinter/trusted|$work/trusted|; s|/etc/sinter/node.key|$work/$1/node.key|; s|/var/cache/serving|$work/$1/cache|; s|/run/serving|$work/$1/run|" \
    "$example/serving.env"
}
for name in a b c; do
  mkdir "$name"
  expect 0 "$sinter" key generate --out "$name/node.key"
  settings "$name" >"$name/serving.env"
done
# The nodes a and b trust each other; nobody trusts c.
cp a/node.key.pub trusted/a.pub
cp b/node.key.pub trusted/b.pub

on() {
  local name=$1
  shift
  expect 0 env -u SINTER_CACHE_DIR -u SINTER_RUN_DIR sh -c "set -a; . $work/$name/serving.env; set +a; exec \"\$@\"" sh "$@"
}
on a sh -c "'$sinter' doctor; true"
out_has "rediss://***@localhost:$port, answers in"
on c "$sinter" prebuild --manifest m.json --arch host --json
on a "$sinter" prebuild --manifest m.json --arch host --json
[ "$(json 'd["kernels"][0]["origin"]')" = compiled ] || die "a took what nobody trusts: $(cat out)"
err_has 'is not signed by a trusted key'
on b "$sinter" prebuild --manifest m.json --arch host --json
[ "$(json 'd["kernels"][0]["origin"]')" = remote ] || die "b: $(cat out err)"
[ -d b/cache/sinter ] || die "b's cache is elsewhere"
if command -v systemd-analyze >/dev/null; then
  # The service's own program is not here; everything else must be right.
  systemd-analyze verify "$example/serving.service" 2>&1 | grep -v 'serving is not executable' | grep . && die "the unit is not well-formed"
else
  echo 'skipped: there is no systemd-analyze to look at the unit' >&2
fi
exit 0
