#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nodes share kernels through a real Redis, with a user, with TLS of its own and by stunnel. Whatever the server says or
# does, every kernel is built; no password is seen.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/servers.bash
source "$(dirname "$0")/servers.bash"
need redis-server redis-cli openssl python3
export XDG_CONFIG_HOME=$work/config

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 80, "k": 96, "groups": 3}]}
JSON
make_certificates
tls_port=$(free_port)
start_redis --tls-port "$tls_port" --tls-cert-file "$work/server.pem" --tls-key-file "$work/server.key" --tls-ca-cert-file "$work/ca.pem" --tls-auth-clients no
plain=redis://sinter:$password_in_url@127.0.0.1:$redis_port

# A key that signs, and that other nodes trust.
expect 0 "$sinter" key generate fleet --json
export SINTER_REMOTE=$plain SINTER_SIGNING_KEY=$work/config/sinter/keys/fleet
expect_origin a compiled
key=$(redis --scan --pattern 'sinter:1:*:entry' | sed 's/.*{\(.*\)}.*/\1/')
[ ${#key} -eq 64 ] || die "the server has: $(redis --scan)"
[ -z "$(redis --scan --pattern '*:lease')" ] || die "a lease was left behind"
expect_origin b remote
[ ! -s b/worker.log ] || die "node b compiled: $(cat b/worker.log)"
expect 0 node b "$sinter" cache show "$key" --json
[ "$(json 'd["origin"]')" = "remote 127.0.0.1:$redis_port" ] || die "provenance: $(cat out)"
expect_origin b disk
expect 0 node b "$sinter" cache verify

# Signatures: what nobody trusts is not used. (The row keeps the signature of who made it.)
unset SINTER_SIGNING_KEY
export SINTER_SIGNATURES=signed
expect_origin c compiled
err_has "and SINTER_SIGNATURES is signed"
expect 0 "$sinter" key trust config/sinter/keys/fleet.pub
# c, which has no key, has not replaced a's kernel; a node that wants no signatures does.
expect_origin d remote
redis DEL "sinter:1:{$key}:entry" >/dev/null
SINTER_SIGNATURES=none expect_origin d-unsigned compiled
expect_origin e compiled
err_has "it is not signed, and SINTER_SIGNATURES is signed"
SINTER_SIGNING_KEY=$work/config/sinter/keys/fleet expect_origin e-signs compiled
SINTER_SIGNATURES=all expect_origin f remote
SINTER_SIGNATURES=all expect_origin f disk
unset SINTER_SIGNATURES

# TLS: with the right authority, and without.
SINTER_REMOTE=rediss://sinter:$password_in_url@127.0.0.1:$tls_port SSL_CERT_FILE=$work/ca.pem expect_origin tls remote
SINTER_REMOTE=rediss://sinter:$password_in_url@127.0.0.1:$tls_port expect_origin tls-untrusted compiled
err_has "the remote cache at 127.0.0.1:$tls_port failed"
if command -v stunnel >/dev/null; then
  tunnel_port=$(free_port)
  printf 'foreground = yes\npid =\n[redis]\naccept = 127.0.0.1:%s\nconnect = 127.0.0.1:%s\ncert = %s/server.pem\nkey = %s/server.key\n' \
    "$tunnel_port" "$redis_port" "$work" "$work" >stunnel.conf
  stunnel stunnel.conf >stunnel.log 2>&1 &
  servers+=($!)
  wait_for_port "$tunnel_port"
  SINTER_REMOTE=rediss://sinter:$password_in_url@localhost:$tunnel_port SSL_CERT_FILE=$work/ca.pem expect_origin stunnel remote
else
  echo 'skipped: there is no stunnel' >&2
fi

# A reader reads; what it may not do is left alone. Nobody writes in read-only mode.
SINTER_REMOTE=redis://reader:$password_in_url@127.0.0.1:$redis_port expect_origin reader remote
redis FLUSHALL >/dev/null
SINTER_REMOTE_READ_ONLY=1 expect_origin read-only compiled
SINTER_REMOTE=redis://reader:$password_in_url@127.0.0.1:$redis_port expect_origin reader-of-nothing compiled
[ -z "$(redis --scan)" ] || die "something was written: $(redis --scan)"

# Wrong password, wrong port, a damaged entry, no helper.
SINTER_REMOTE=redis://sinter:wrong-$password_in_url@127.0.0.1:$redis_port expect_origin wrong-password compiled
err_has WRONGPASS
SINTER_REMOTE=redis://sinter:$password_in_url@127.0.0.1:$(free_port) expect_origin nobody-there compiled
expect_origin again compiled
redis SETRANGE "sinter:1:{$key}:entry" 3000 'not what was there' >/dev/null
expect_origin damaged compiled
err_has "is not used"
mkdir empty
ln -s "$build"/bin/sinter-worker* empty
SINTER_WORKER_DIR=$work/empty expect_origin no-helper compiled
err_has "sinter-remote"
SINTER_REMOTE='not a url' expect_origin no-url compiled

# Nobody sees a password in the list of processes.
(while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '; done >cmdlines 2>/dev/null) &
watcher=$!
expect_origin watched remote
kill "$watcher"
wait "$watcher" 2>/dev/null
! grep -qF -e "$password" -e "$password_in_url" cmdlines || die "a password is in a command line"

# doctor asks, and says what would mend it.
node b "$sinter" doctor >out 2>&1
out_has "redis://***@127.0.0.1:$redis_port, answers in"
SINTER_REMOTE=redis://sinter:wrong@127.0.0.1:$redis_port node b "$sinter" doctor >out 2>&1
out_has 'WRONGPASS'
! grep -q 'sinter:wrong' out || die "doctor shows the password"

# Stopped and gone: nothing fails.
kill "$redis_pid"
wait "$redis_pid" 2>/dev/null
expect_origin gone compiled
