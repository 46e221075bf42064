# SPDX-License-Identifier: Apache-2.0
# Sourced after common.bash by scripts that need servers: real ones, on loopback ports that the kernel chose, ended with
# the script.
# shellcheck shell=bash disable=SC2034,SC2154
unset SINTER_REMOTE SINTER_REMOTE_READ_ONLY SINTER_BUNDLES SINTER_SIGNATURES SINTER_TRUSTED_KEYS SINTER_SIGNING_KEY SSL_CERT_FILE SSL_CERT_DIR
# Time for a loaded machine; what happens when there is none is tested elsewhere.
export SINTER_REMOTE_TIMEOUT_MS=20000
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# need PROGRAM...: the test is skipped, visibly, where one is missing.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "skipped: there is no $program (scripts/bootstrap installs it)"; exit 77; }
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_for_port PORT: until somebody listens there.
wait_for_port() {
  local i
  for i in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  die "nobody listens on port $1"
}

password='s3cr3t/p@ss word'
password_in_url='s3cr3t%2Fp%40ss%20word'

# start_redis [OPTION...]: sets redis_port; its user "sinter" may do what docs/remote.md says, "reader" may only read.
start_redis() {
  redis_port=$(free_port)
  printf 'user default off\nuser sinter on >%s ~sinter:* -@all +get +set +eval +pexpire +del +ping\nuser reader on >%s ~sinter:* -@all +get +ping\nuser admin on >admin ~* &* +@all\n' \
    'placeholder' 'placeholder' >users.acl
  # ACL files separate by spaces: the password travels as its SHA-256.
  sed -i "s/>placeholder/#$(printf %s "$password" | sha256sum | cut -d' ' -f1)/" users.acl
  redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work" --aclfile "$work/users.acl" "$@" >redis.log 2>&1 &
  redis_pid=$!
  servers+=("$redis_pid")
  wait_for_port "$redis_port"
}
redis() { redis-cli -p "$redis_port" --user admin --pass admin --no-auth-warning "$@"; }

# make_certificates: ca.pem, and server.pem with server.key for 127.0.0.1 and localhost.
make_certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem \
    -addext basicConstraints=critical,CA:TRUE 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
  [ -s server.pem ] || die "openssl made no certificate"
}

# node NAME COMMAND...: runs it as on a node of its own, with its own cache and budget.
node() {
  local name=$1
  shift
  SINTER_CACHE_DIR=$work/$name/cache SINTER_RUN_DIR=$work/$name/run SINTER_WORKER_LOG=$work/$name/worker.log "$@"
}
# prebuild NODE: builds what m.json names; all of it must work, and this prints where each came from.
prebuild() {
  mkdir -p "$work/$1"
  expect 0 node "$1" "$sinter" prebuild --manifest "$work/m.json" --arch host --json
  ! grep -qF -e "$password" -e "$password_in_url" out err || die "a password was printed: $(cat out err)"
  json '" ".join(sorted({k["origin"] for k in d["kernels"]}))'
}
expect_origin() {
  local found
  found=$(prebuild "$1") || { printf '%s\n' "$found" >&2; exit 1; }
  [ "$found" = "$2" ] || { cat err >&2; die "on $1: $found instead of $2"; }
}
