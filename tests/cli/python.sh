#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Python package on the host device. What needs torch or a GPU says so and is skipped where it is not.
package=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../python" && pwd)
# shellcheck source=tests/cli/common.bash
source "$(dirname "$0")/common.bash"

# Debian's, whose packages scripts/bootstrap installs, where another one comes first.
python=
for candidate in python3 /usr/bin/python3; do
  "$candidate" -c 'import numpy, pytest' 2>err && python=$candidate && break
done
[ -n "$python" ] || { cat err; exit 77; }
export SINTER_LIBRARY=$build/lib/libsinter.so.0 PYTHONPATH=$package PYTHONDONTWRITEBYTECODE=1 SINTER_HOST_THREADS=2
expect 0 "$python" -m pytest -q -rs -p no:cacheprovider "$package/tests"
cat out
