#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/kubernetes: the file is YAML, has the fields that the API knows where it knows them, and its commands do what
# they say when each pod's index is in the environment. No cluster is needed.
# shellcheck source=tests/cli/common.bash
examples=$(cd "$(dirname "$0")/../../examples/kubernetes" && pwd)
source "$(dirname "$0")/common.bash"
unset SINTER_BUNDLES SINTER_SIGNATURES SINTER_SHARED_CACHE_DIR SOURCE_DATE_EPOCH
python3 -c 'import yaml' 2>/dev/null || { echo 'skipped: there is no python3-yaml' >&2; exit 77; }

python3 - "$examples/prebuild.yaml" <<'PY' || die "the file is not what the API expects"
import sys, yaml

documents = {(d['kind'], d['metadata']['name']): d for d in yaml.safe_load_all(open(sys.argv[1]))}
assert len(documents) == 3, documents.keys()

# The fields that are used here and their types, from the reference of batch/v1 and v1.
POD = {'restartPolicy': str, 'containers': list, 'volumes': list}
CONTAINER = {'name': str, 'image': str, 'command': list, 'args': list, 'env': list, 'resources': dict, 'volumeMounts': list}
JOB = {'completionMode': str, 'completions': int, 'parallelism': int, 'backoffLimit': int, 'template': dict}
MOUNT = {'name': str, 'mountPath': str, 'readOnly': bool}

def check(value, fields, where):
    for name, part in value.items():
        assert name in fields, f'{where}: unknown field {name}'
        assert type(part) is fields[name], f'{where}.{name} is {part!r}'

for (kind, name), d in documents.items():
    assert set(d) == {'apiVersion', 'kind', 'metadata', 'spec'}, d.keys()
    assert d['apiVersion'] == {'Job': 'batch/v1', 'PersistentVolumeClaim': 'v1'}[kind]
    if kind != 'Job':
        assert d['spec']['accessModes'] == ['ReadWriteMany']
        continue
    check(d['spec'], JOB, name)
    pod = d['spec']['template']['spec']
    check(pod, POD, name)
    assert pod['restartPolicy'] in ('OnFailure', 'Never')
    volumes = {v['name'] for v in pod['volumes']}
    for c in pod['containers']:
        check(c, CONTAINER, name)
        assert all(type(word) is str for word in c['command'] + c['args'])
        assert all(set(e) == {'name', 'value'} and type(e['value']) is str for e in c['env']), c['env']
        for mount in c['volumeMounts']:
            check(mount, MOUNT, name)
            assert mount['name'] in volumes, mount
job = documents['Job', 'sinter-prebuild']['spec']
assert job['completionMode'] == 'Indexed'
for name in ('sinter-prebuild', 'sinter-merge'):
    container = documents['Job', name]['spec']['template']['spec']['containers'][0]
    env = {e['name']: e['value'] for e in container['env']}
    assert env['SHARD_COUNT'] == str(job['completions']), env
    # What a pod would run, with its volumes here.
    script = container['args'][0]
    for path in ('/declared', '/scratch', '/kernels'):
        script = script.replace(path, '$WORK' + path)
    with open(f'{name}.sh', 'w') as out:
        out.write(''.join(f'export {k}={v}\n' for k, v in env.items()) + script)
    assert container['command'] == ['/bin/sh', '-euc']
PY

mkdir declared kernels
cat >declared/moe.json <<'JSON'
{"kernels": [{"family": "grouped_gemm", "n": [80, 96, 112], "k": 96, "groups": 3, "tile": "64x64x64", "vskip": "off"},
             {"family": "quantize", "k": [128, 256, 384, 512]}]}
JSON
export WORK=$work PATH=$build/bin:$PATH
for index in 0 1 2 3; do
  JOB_COMPLETION_INDEX=$index expect 0 /bin/sh -eu sinter-prebuild.sh
  rm -rf scratch  # each pod has its own
  # The merge fails until the last shard is there.
  [ "$index" -eq 3 ] || expect 1 /bin/sh -eu sinter-merge.sh
done
expect 0 /bin/sh -eu sinter-merge.sh
expect 0 "$sinter" prebuild --manifest declared/moe.json --arch gfx942,sm_90a --cache whole --out one --name moe
diff -r one kernels/bundles || die "the pods built other bundles than one machine"
