#!/usr/bin/env bash
# Makes the PyTorch environment (once; about 6 GB), builds our side, and runs both in turn. Arguments go to compare.py.
# ZONAS_TORCH names the folder of the environment; else it lies in target/.
set -euo pipefail
cd "$(dirname "$0")/../.."
env=${ZONAS_TORCH:-target/torch}
if [ ! -x "$env/bin/python" ]; then
    python3 -m venv "$env"
    "$env/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
fi
case " $* " in *cuda*) features="--features cuda" ;; *) features="" ;; esac
# shellcheck disable=SC2086
ours=$(cargo bench --bench step $features --no-run --message-format=json 2>/dev/null |
    python3 -c 'import json,sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("executable") and m["target"]["name"] == "step":
        print(m["executable"])')
exec "$env/bin/python" benches/compare/compare.py --ours "$ours" "$@"
