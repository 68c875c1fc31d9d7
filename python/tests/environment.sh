#!/usr/bin/env bash
# Makes a virtual environment with all that the tests of zonas.torch need: python/tests/environment.sh DIR [PYTHON]
set -euo pipefail
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: python/tests/environment.sh DIR [PYTHON]" >&2
    exit 2
fi
dir=$1 python=${2:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$python is older than Python 3.10" >&2; exit 1; }
"$python" -m venv "$dir"
pip=("$dir/bin/python" -m pip install --quiet --disable-pip-version-check)
# The small build without CUDA where its index can be reached, else that of PyPI, which takes 6 GB.
"${pip[@]}" --retries 0 torch --index-url https://download.pytorch.org/whl/cpu 2>/dev/null || "${pip[@]}" torch
"${pip[@]}" mypy numpy pillow pytest safetensors
echo "made: $dir/bin/python -m pytest python/tests/test_torch.py"
