#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/slurm on a real Slurm: munged, slurmctld and slurmd on the loopback, an array of three and the merge that waits
# for it. Skipped where Slurm is not installed, or for another user than root, whose daemons could not start jobs.
# shellcheck source=tests/cli/common.bash
examples=$(cd "$(dirname "$0")/../../examples/slurm" && pwd)
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_SIGNING_KEY SOURCE_DATE_EPOCH

skip() { echo "skipped: $*" >&2; exit 77; }
for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || skip "there is no $program (Debian: slurmctld, slurmd, slurm-client, munge)"
done
[ "$(id -u)" -eq 0 ] || skip "only root's slurmd can start jobs"

host=$(hostname -s)
mapfile -t ports < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])')
mkdir munge state spool
head -c 128 /dev/urandom >munge.key
chmod 400 munge.key
cat >slurm.conf <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$work/munge/socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf

# Only what this test started, by the numbers that it wrote down.
stop() {
  local file
  for file in slurmd.pid slurmctld.pid munge/pid; do
    [ -s "$file" ] && kill "$(cat "$file")" 2>/dev/null
  done
  sleep 0.5
  rm -rf "$work"
}
trap stop EXIT

chmod 755 "$work"
munged --force --socket="$work/munge/socket" --key-file="$work/munge.key" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed" --num-threads=1 2>munged.err || skip "munged does not start here: $(cat munged.err)"
slurmctld -c -f slurm.conf 2>ctld.err || skip "slurmctld does not start here: $(cat ctld.err)"
slurmd -c -f slurm.conf 2>slurmd.err || skip "slurmd does not start here: $(cat slurmd.err)"
for _ in $(seq 120); do
  grep -qx idle <<<"$(sinfo -h -o %T 2>/dev/null)" && break
  sleep 0.5
done
grep -qx idle <<<"$(sinfo -h -o %T)" || skip "the node does not come up here: $(tail -n 3 slurmd.log slurmctld.log)"

cat >m.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "n": [80, 96, 112, 128], "k": 96, "groups": 3}]}
JSON
expect 0 "$sinter" key generate --out key
export PATH=$build/bin:$PATH TMPDIR=$work
export KERNELS="--manifest $work/m.json --arch x86-64-v3" SHARDS=$work/shards BUNDLES=$work/bundles NAME=moe SIGN=$work/key
expect 0 "$examples/submit" 0-2
merge=$(cat out)
for _ in $(seq 600); do
  [ -z "$(squeue -h)" ] && break
  ! grep -q DependencyNeverSatisfied <<<"$(squeue -h -o %r)" || break
  sleep 0.5
done
logs() { cat sinter-*.log; tail -n 20 slurmctld.log; }
[ -s bundles/moe-x86-64-v3.sinter ] || die "job $merge wrote no bundle: $(logs)"
[ "$(grep -l 'kernels: ' sinter-prebuild-*.log | wc -l)" -eq 3 ] || die "three tasks were expected: $(logs)"
grep -q 'JobState=COMPLETED' <<<"$(scontrol -o show job "$merge")" || die "the merge did not complete: $(logs)"

# What the cluster built is what one machine builds.
expect 0 "$sinter" prebuild --manifest m.json --arch x86-64-v3 --cache whole --out one --name moe --sign key
diff -r one bundles || die "the cluster built other bundles than one machine"
SINTER_BUNDLES=$work/bundles expect 0 "$sinter" coverage --manifest m.json --arch x86-64-v3 --cache none
