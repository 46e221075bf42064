#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Completion knows every command and option, in bash and, where they are, in zsh and fish; the manual has a page for each
# command that a manual's own checker accepts.
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"
export PATH=$build/bin:$PATH

# complete_line WORD...: what bash offers for the last word.
complete_line() {
  bash --norc -c 'eval "$(sinter completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sinter; printf "%s\n" "${COMPREPLY[@]}"' _ "$@"
}
offers() {
  local wanted=$1
  shift
  grep -qxF -- "$wanted" <<<"$(complete_line "$@")" || die "no '$wanted' for: $*"
}
expect 0 "$sinter" completion bash
bash -n out || die "the script for bash does not parse"
if command -v shellcheck >/dev/null; then shellcheck -s bash out || die "shellcheck"; fi
expect 2 "$sinter" completion tcsh

# Every command that --help lists, at both levels.
"$sinter" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' >commands
"$sinter" cache --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/cache \1/p' >>commands
[ "$(wc -l <commands)" -gt 20 ] || die "commands: $(cat commands)"
while read -r first second; do
  if [ -z "$second" ]; then offers "$first" sinter ''; else offers "$second" sinter "$first" ''; fi
done <commands
offers --older-than sinter cache list --o
offers bytes sinter cache list --sort b
offers zsh sinter completion ''
touch page.html
offers page.html sinter run grouped_gemm --input pa
mkdir kernels
offers kernels sinter cache list --cache ker
expect 0 "$sinter" sample 'a=bf16[40,96]' 'b=bf16[3,16,96]' 'row_offsets=lengths(30,0,10)' --output x.safetensors
expect 0 "$sinter" run grouped_gemm --input x.safetensors --repeat 1
expect 0 "$sinter" cache list --json
offers "$(json 'd["entries"][0]["key"][:12]')" sinter cache show ''

if command -v zsh >/dev/null; then
  "$sinter" completion zsh >_sinter
  zsh -n _sinter || die "the script for zsh does not parse"
  zsh -fc 'autoload -Uz compinit && compinit -u -d .zcompdump && eval "$(sinter completion zsh)" && [[ ${_comps[sinter]} == _sinter ]]' || die "zsh does not take it"
fi
if command -v fish >/dev/null; then
  fish --no-config -c 'sinter completion fish | source; complete -C "sinter cache li"; complete -C "sinter cache list --sort b"; complete -C "sinter cache list --unu"' >offered
  for word in list bytes --unused-for; do grep -q "^$word" offered || die "fish does not offer $word: $(cat offered)"; done
fi

expect 0 "$sinter" manual man
while read -r first second; do
  [ -s "man/sinter-$first${second:+-$second}.1" ] || die "no page for $first $second"
done <commands
grep -q 'SINTER_CACHE_DIR' man/sinter.1 || die "the settings are not in the manual"
if command -v mandoc >/dev/null; then
  mandoc -T lint -W warning man/*.1 || die "mandoc complains"
fi
if command -v man >/dev/null && grep -q -- --warnings <<<"$(man --help 2>&1)"; then
  [ -z "$(MANWIDTH=100 man --warnings -l man/sinter-cache-why.1 2>&1 >rendered)" ] || die "man warns"
  grep -q 'nearest stored kernel' rendered || die "the page says nothing: $(cat rendered)"
fi
expect 2 "$sinter" manual /proc/nowhere
