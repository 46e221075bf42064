#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nodes share kernels through nginx, in the layout of Bazel's remote cache, with a user and with TLS.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
# shellcheck source=tests/cli/servers.bash
source "$(dirname "$0")/servers.bash"
need nginx openssl python3

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "quant": "none", "n": 80, "k": 96, "groups": 3}]}
JSON
make_certificates
printf 'sinter:%s\n' "$(openssl passwd -apr1 "$password")" >htpasswd
http_port=$(free_port)
https_port=$(free_port)
mkdir -p store/ac store/cas
cat >nginx.conf <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
$([ "$(id -u)" -ne 0 ] || echo "user $(id -un);")
events {}
http {
  access_log off;
  client_body_temp_path $work/body;
  proxy_temp_path $work/proxy;
  fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi;
  scgi_temp_path $work/scgi;
  server {
    listen 127.0.0.1:$http_port;
    listen 127.0.0.1:$https_port ssl;
    ssl_certificate $work/server.pem;
    ssl_certificate_key $work/server.key;
    auth_basic kernels;
    auth_basic_user_file $work/htpasswd;
    client_max_body_size 17m;
    location /kernels/ {
      alias $work/store/;
      dav_methods PUT;
    }
    location /read/ {
      alias $work/store/;
      limit_except GET { deny all; }
    }
  }
}
CONF
nginx -c "$work/nginx.conf" -p "$work" >nginx.out 2>&1 &
servers+=($!)
wait_for_port "$http_port"
user=sinter:$password_in_url

export SINTER_REMOTE=http://$user@127.0.0.1:$http_port/kernels
expect_origin a compiled
[ "$(find store -type f | wc -l)" -eq 2 ] || die "stored: $(find store -type f; cat nginx.log)"
contents=$(find store/cas -type f)
[ "$(sha256sum <"$contents" | cut -d' ' -f1)" = "$(basename "$contents")" ] || die "$contents is not named by its SHA-256"
grep -aq "$(basename "$contents")" store/ac/* || die "what is under ac does not name the contents"
key=$(basename store/ac/*)
expect_origin b remote
expect 0 node b "$sinter" cache show "$key" --json
[ "$(json 'd["origin"]')" = "remote 127.0.0.1:$http_port" ] || die "provenance: $(cat out)"
expect 0 node b "$sinter" cache verify
SINTER_REMOTE=https://$user@localhost:$https_port/kernels/ SSL_CERT_FILE=$work/ca.pem expect_origin tls remote
SINTER_REMOTE=https://$user@localhost:$https_port/kernels SINTER_LOG=warn expect_origin untrusted compiled

# Where only GET is allowed, and with a wrong password.
SINTER_REMOTE=http://$user@127.0.0.1:$http_port/read expect_origin reader remote
SINTER_REMOTE=http://sinter:wrong@127.0.0.1:$http_port/kernels expect_origin wrong-password compiled
err_has 'gave the status 401'

# Contents that went, or are not what their name says.
rm "$contents"
expect_origin without-contents compiled
contents=$(find store/cas -type f)  # with other times, and so under another name
[ -s "$contents" ] || die "the contents were not written again"
expect_origin with-contents-again remote
printf 'not what was there' | dd of="$contents" bs=1 seek=3000 conv=notrunc 2>/dev/null
expect_origin damaged compiled
err_has "the remote cache at 127.0.0.1:$http_port failed"
