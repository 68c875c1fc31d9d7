#!/usr/bin/env bash
# All that needs a GPU, by one command, on a machine that has one:
#
#     tests/gpu.sh [--device cuda:N] [--data CIFAR-10] [--no-torch] [--out FOLDER]
#
# 1. builds the program with CUDA and has it say what it finds;
# 2. runs the tests on the GPU: searches and trainings against the CPU's numbers and against the reference tensors, in float32
#    and with maps kept as bf16, both memory policies, two runs bit for bit, memory that runs out, a run that is taken up on the
#    other device;
# 3. has the demo searched on the CPU, twice on the GPU and once with bf16, and compares the genotypes; has what was found
#    trained for two epochs on the GPU;
# 4. with --data, runs the published search on CIFAR-10 for one epoch, and trains the published cell at full size for one;
# 5. measures a search step against PyTorch with cuDNN, in turn (makes its environment the first time, about 6 GB).
#
# Everything printed also goes to files in FOLDER (target/gpu). Ends with 0 only if all that was asked for went well.
set -euo pipefail
cd "$(dirname "$0")/.."

device=cuda data="" torch=yes out=target/gpu
while [ $# -gt 0 ]; do
    case $1 in
    --device) device=${2:?--device needs cuda or cuda:N}; shift 2 ;;
    --data) data=${2:?--data needs a path to CIFAR-10}; shift 2 ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    --no-torch) torch=no; shift ;;
    -h | --help) sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
    *) echo "error: $1 is no option of this script; --help tells those that are" >&2; exit 2 ;;
    esac
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
failed=()
step() { printf '\n== %s\n' "$*"; }

# Runs a command, shows what it prints, keeps that in a file, and goes on whatever comes of it.
kept() {
    local name=$1
    shift
    local code=0
    "$@" 2>&1 | tee "$out/$name.txt" || code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || failed+=("$name")
    return 0
}

step "build"
cargo build --release --features cuda
zonas=$PWD/target/release/zonas

step "what there is"
if [ -z "${ZONAS_NVRTC:-}" ] && ! "$zonas" doctor </dev/null | grep -q 'kernel compiler NVRTC'; then
    # The driver's CUDA decides which compiler fits.
    major=$("$zonas" doctor </dev/null | sed -n 's/.*for CUDA \([0-9]*\)\..*/\1/p' | head -1)
    if [ "${major:-12}" -ge 13 ]; then wheel=nvidia-cuda-nvrtc folder=cu13/lib/libnvrtc.so.13; else
        wheel="nvidia-cuda-nvrtc-cu12==12.1.105" folder=cuda_nvrtc/lib/libnvrtc.so.12; fi
    python3 -m pip install --quiet --no-deps --target "$PWD/target/nvrtc" "$wheel"
    export ZONAS_NVRTC="$PWD/target/nvrtc/nvidia/$folder"
fi
kept doctor "$zonas" doctor </dev/null
if ! grep -q 'compute capability' "$out/doctor.txt"; then
    echo "error: there is no GPU to test on; the lines above say why" >&2
    exit 1
fi

step "tests on the GPU"
export ZONAS_TEST_DEVICE=$device
kept tests cargo test --release --features cuda --test cuda --test levels --test nvrtc -- --test-threads 1 --show-output

step "the demo on the CPU and twice on the GPU"
runs=$out/runs
rm -rf "$runs"
for name in cpu gpu gpu-again; do
    where=$device
    [ "$name" = cpu ] && where=cpu
    kept "demo-$name" "$zonas" --runs "$runs" run --preset demo --device "$where" --yes --foreground --name "$name"
done
# Two runs on one device are equal to the last bit: losses and alphas of every epoch, and the genotype.
numbers() {
    python3 - "$runs/$1/events.jsonl" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["event"] == "epoch_ended":
        print({k: v for k, v in e.items() if k not in ("v", "seq", "time", "seconds")})
PY
}
if [ -n "$(numbers gpu)" ] && [ "$(numbers gpu)" = "$(numbers gpu-again)" ]; then
    echo "both runs on the GPU are equal, bit for bit"
else
    echo "the two runs on the GPU differ"
    failed+=("determinism")
fi
if cmp -s "$runs/cpu/genotype.json" "$runs/gpu/genotype.json"; then
    echo "CPU and GPU found the same genotype"
else
    echo "CPU and GPU found different genotypes: rounding grows over a search; the tests above compare single steps"
fi

step "the demo with maps kept as bf16"
kept demo-bf16 "$zonas" --runs "$runs" run --preset demo --device "$device" --precision bf16 --yes --foreground --name bf16
for name in gpu bf16; do
    echo "$name: $(numbers $name | tail -1)"
done

step "the demo of NAS-Bench-201 on the GPU, and its cell from scratch"
kept demo-nb201 "$zonas" --runs "$runs" run --preset nas_bench_201_demo --device "$device" --yes --foreground --name nb201
kept training-nb201 "$zonas" --runs "$runs" train nb201 --preset nas_bench_201_demo --device "$device" --foreground \
    --name training-nb201 --set train.epochs=1

step "a training on the GPU"
kept training "$zonas" --runs "$runs" train gpu --preset demo --device "$device" --foreground --name training \
    --set train.epochs=2
"$zonas" --runs "$runs" show training | tee -a "$out/training.txt"

if [ -n "$data" ]; then
    step "the published search on CIFAR-10, one epoch"
    kept cifar "$zonas" --runs "$runs" run --preset darts --data "$data" --device "$device" --yes --foreground --name cifar \
        --set search.epochs=1
    "$zonas" --runs "$runs" show cifar | tee -a "$out/cifar.txt"

    step "the published cell on CIFAR-10 at full size, one epoch"
    kept cifar-training "$zonas" --runs "$runs" train DARTS_V2 --preset darts --data "$data" --device "$device" --foreground \
        --name cifar-training --set train.epochs=1
    "$zonas" --runs "$runs" show cifar-training | tee -a "$out/cifar-training.txt"
fi

if [ $torch = yes ]; then
    step "against PyTorch with cuDNN"
    kept compare benches/compare/run.sh --device "$device" --json "$out/compare.json"
fi

step "summary"
grep -h 'cuda:\|driver \|kernel compiler' "$out/doctor.txt" || true
grep -h '^test result' "$out/tests.txt" || true
grep -h 'search step\|leave-one-out' "$out/compare.txt" 2>/dev/null || true
if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}; what they printed is in $out"
    exit 1
fi
echo "all went well; what was printed is in $out"
