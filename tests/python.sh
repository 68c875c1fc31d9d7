#!/usr/bin/env bash
# The way from a clean clone into Python, by one command: installs the package into a fresh environment, runs the demo and a short
# training with the command that it brought, and has each thing that was found read by something that is not ours.
#
#     tests/python.sh [--light] [--python python3.12] [--keep FOLDER]
#
# --light leaves out PyTorch (200 MB to fetch), so that what needs it is skipped, and said to be, and searches for two epochs
# alone. Ends with 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

light=no python=python3 keep=
while [ $# -gt 0 ]; do
    case $1 in
    --light) light=yes; shift ;;
    --python) python=${2:?--python needs a command}; shift 2 ;;
    --keep) keep=${2:?--keep needs a folder}; shift 2 ;;
    -h | --help) sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
    *) echo "error: $1 is no option of this script; --help tells those that are" >&2; exit 2 ;;
    esac
done
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    work=$(cd "$keep" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
log=$work/log
mkdir -p "$log"
verdicts=()

# Runs a step, keeps what it prints, and goes on whatever comes of it; 77 is "skipped".
step() {
    local name=$1 begun=$SECONDS code=0
    shift
    printf '== %s\n' "$name"
    "$@" >"$log/${name// /_}.txt" 2>&1 || code=$?
    case $code in
    0) verdict=ok ;;
    77) verdict=skipped ;;
    *) verdict="FAILED ($code)"; tail -n 30 "$log/${name// /_}.txt" ;;
    esac
    tail -n 1 "$log/${name// /_}.txt" | cut -c1-110
    verdicts+=("$(printf '%-34s %-12s %4d s' "$name" "$verdict" $((SECONDS - begun)))")
    [ "$code" -eq 0 ] || [ "$code" -eq 77 ]
}

installed() { "$work/venv/bin/python" -c "import $1" 2>/dev/null; }
needs() { installed "$1" || { echo "skipped: $1 is not installed"; return 77; }; }

environment() { "$python" -m venv "$work/venv"; }
package() { "$work/venv/bin/pip" install . && "$work/venv/bin/zonas" --version; }
others() { "$work/venv/bin/pip" install pytest numpy pandas pillow safetensors onnx onnxruntime tensorboard; }
# The small build without CUDA alone: that of PyPI takes 6 GB.
pytorch() {
    if [ "$light" = yes ]; then
        echo "skipped: --light"
        return 77
    fi
    "$work/venv/bin/pip" install --retries 0 --timeout 20 torch --index-url https://download.pytorch.org/whl/cpu ||
        { echo "skipped: PyTorch's builds for the CPU can't be reached"; return 77; }
}
demo() {
    local less=()
    [ "$light" = no ] || less=(--set search.epochs=2)
    zonas run --preset demo "${less[@]}" --yes --foreground --runs "$work/runs" --name demo
}
training() {
    zonas train demo --preset demo --set train.epochs=1 --set data.limit=2000 --foreground --runs "$work/runs" --name trained
}
other_space() {
    zonas train '|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|' \
        --preset nas_bench_201_demo --set train.epochs=1 --set data.limit=2000 --foreground --runs "$work/runs" --name trained201
}
package_tests() { ZONAS_RUNS=$work/runs python -m pytest -q python/tests/test_zonas.py; }
torch_tests() { needs torch || return; python -m pytest -q -rs python/tests/test_torch*.py; }
load() {
    python - "$work/runs" <<'PY'
import sys, zonas
run = zonas.load("demo", sys.argv[1])
print(run.losses.tail(1)[["epoch", "train_loss", "valid_loss", "valid_accuracy"]].to_string(index=False))
print(run.genotype, zonas.count(run.genotype).parameters, "parameters")
PY
}
exports() { ZONAS_PYTHON=$work/venv/bin/python tests/exports.sh "$work/venv/bin/zonas" "$work/exports"; }

step environment environment || exit 1
step "pip install ." package || exit 1
export PATH=$work/venv/bin:$PATH ZONAS=$work/venv/bin/zonas
step "other packages" others || true
step PyTorch pytorch || true
failed=0
step demo demo || failed=1
step "a training" training || failed=1
step "a training, NAS-Bench-201" other_space || failed=1
step "load in Python" load || failed=1
step "tests of the package" package_tests || failed=1
step "zonas.torch" torch_tests || failed=1
step "exports read by others" exports || failed=1
printf '\n'
printf '%s\n' "${verdicts[@]}"
exit $failed
