#!/usr/bin/env bash
# Holds every form that a run is exported in against a program that is not ours.
#
#   tests/exports.sh BINARY DIR
#
# Makes three small trainings and a small search of the embedded pictures in DIR, which takes a minute or two with an optimised
# BINARY. `ZONAS_PYTHON` names the Python; what it has not installed (onnx, onnxruntime, tensorboard, torch, safetensors, numpy,
# pandas, pillow) is skipped, and said. The exit code is 1 where a check fails.
set -u
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
python=${ZONAS_PYTHON:-python3}
images=$here/../assets/fashion-mnist-mini/t10k-images-idx3-ubyte.gz
labels=$here/../assets/fashion-mnist-mini/t10k-labels-idx1-ubyte.gz
failed=0
rm -rf "$out/runs" "$out/board"

zonas() { "$binary" --runs "$out/runs" "$@"; }
has() { "$python" -c "import $1" 2>/dev/null; }
bad() { echo "FAILED: $*"; failed=1; }
skip() { echo "skipped: $*"; }
# Runs a command whose failure is one of the checks.
check() { echo "- $*" | sed "s|$out/||g; s|$here/||g"; "$@" || bad "$*"; }
# A command that must refuse, with exit code 2 and a sentence that has these words.
refuses() {
  local words=$1
  shift
  local said
  said=$(zonas "$@" 2>&1 >/dev/null </dev/null)
  local code=$?
  { [ $code = 2 ] && [[ $said == *"$words"* ]]; } || bad "$*: exit $code, $said"
}

genotype="Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), ('sep_conv_5x5', 1), \
('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), \
('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), \
('skip_connect', 1)], reduce_concat=[3, 4, 5])"
long="Genotype(normal=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 0), ('sep_conv_7x7', 2), ('conv_1x1', 1)], normal_concat=[3], \
reduce=[('conv_7x1_1x7', 0), ('max_pool_5x5', 1), ('nor_conv_3x3', 0), ('conv_7x1_1x7', 2)], reduce_concat=[2, 3])"
arch="|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_1x1~2|"
small=(--device cpu --foreground --set data.limit=1000)
zonas train "$genotype" --name cell --preset demo "${small[@]}" --set train.epochs=2 --set train.channels=4 \
  --set run.tensorboard=true >"$out/cell.log" 2>&1 || bad "the training: $(tail -1 "$out/cell.log")"
zonas train "$long" --name long --preset demo "${small[@]}" --set train.epochs=2 --set train.channels=4 >"$out/long.log" 2>&1 ||
  bad "the training of other operations: $(tail -1 "$out/long.log")"
zonas train "$arch" --name arch --preset nas_bench_201_demo "${small[@]}" --set train.epochs=2 >"$out/arch.log" 2>&1 ||
  bad "the training of NAS-Bench-201: $(tail -1 "$out/arch.log")"
zonas run --name search --preset demo --yes "${small[@]}" --set cut.source='"random"' --set search.epochs=2 --set search.channels=4 \
  --set run.tensorboard=true >"$out/search.log" 2>&1 || bad "the search: $(tail -1 "$out/search.log")"

for run in cell long arch; do
  zonas export $run --as safetensors --out "$out/$run.safetensors" || bad "weights of $run"
  zonas export $run --as logits --out "$out/$run.logits" || bad "logits of $run"
  zonas export $run --as onnx --out "$out/$run.onnx" || bad "ONNX of $run"
  zonas export $run --as script --out "$out/$run.py" || bad "script of $run"
  if has onnx && has onnxruntime && has safetensors; then
    check "$python" "$here/onnx_check.py" "$out/$run.onnx" "$out/$run.logits" "$images"
  else
    skip "ONNX of $run: no onnx, onnxruntime and safetensors"
  fi
  if has torch && has safetensors; then
    check "$python" "$here/script_check.py" "$out/$run.py" "$out/$run.safetensors" "$out/$run.logits" "$images" "$labels"
  else
    skip "the script of $run: no torch and safetensors"
  fi
done

zonas export search --as supernet --out "$out/search.supernet" || bad "the supernet"
if has safetensors; then
  check "$python" "$here/supernet_check.py" "$out/search.supernet"
else
  skip "the supernet: no safetensors"
fi

for run in cell arch search; do
  zonas tail $run --no-follow --output json >"$out/$run.jsonl" || bad "the journal of $run"
  zonas export $run --as tensorboard --out "$out/board/$run" 2>/dev/null || bad "TensorBoard of $run"
  if has tensorboard; then
    check "$python" "$here/tensorboard_check.py" "$out/board/$run" "$out/$run.jsonl"
    # What was written as the run went is the same.
    [ -d "$out/runs/$run/tensorboard" ] &&
      check "$python" "$here/tensorboard_check.py" "$out/runs/$run/tensorboard" "$out/$run.jsonl"
  fi
done
if has tensorboard; then
  check "$python" "$here/hparams_check.py" "$out/board"
else
  skip "TensorBoard: no tensorboard"
fi

for what in losses alphas scores memory cut; do
  zonas export search --as csv --what $what >"$out/search.$what.csv" 2>"$out/said" ||
    { [ $what = scores ] || bad "the table of $what: $(cat "$out/said")"; }
done
zonas export cell --as csv --what losses --out "$out/cell.losses.csv" || bad "the table of a training"
if has pandas; then
  check "$python" "$here/tables_check.py" "$out" "$out/search.jsonl" "$out/cell.jsonl"
else
  skip "tables: no pandas"
fi

for form in python json dot svg; do
  zonas export search --as $form --out "$out/search.$form" || bad "the genotype as $form"
done
zonas export search --as png --out "$out/search.png" 2>"$out/said" ||
  { grep -q "no sans-serif font" "$out/said" && skip "PNG: no font"; } || bad "PNG: $(cat "$out/said")"
check "$python" "$here/forms_check.py" "$out" search

for width in 85mm 17cm 3.3in 240pt; do
  for what in cut search cell; do
    zonas export search --as svg --what $what --width $width --out "$out/$what-$width.svg" || bad "$what, $width wide"
    zonas export search --as pdf --what $what --width $width --out "$out/$what-$width.pdf" 2>"$out/said" ||
      { grep -q "no sans-serif font" "$out/said" && skip "PDF: no font"; } || bad "$what as PDF: $(cat "$out/said")"
  done
done
if command -v pdfinfo >/dev/null; then
  # 85 mm are 240.94 points.
  pdfinfo "$out/cell-85mm.pdf" | grep -Eq "Page size: +240\.9" || bad "a PDF of 85 mm is none: $(pdfinfo "$out/cell-85mm.pdf")"
else
  skip "sizes of PDF: no pdfinfo"
fi

refuses "searches, and an ONNX model is made of trained weights" export search --as onnx
refuses "searches, and a script is made of trained weights" export search --as script
refuses "trains a genotype from scratch: it has no supernet" export cell --as supernet
refuses "name one with --out DIR" export cell --as tensorboard
refuses "say which with --what; cell has losses, memory" export cell --as csv
refuses "it has no alphas and will have none" export cell --as csv --what alphas
refuses "--width is that of a figure" export cell --as onnx --width 85mm
refuses "from 60 to 400 mm" export search --as svg --width 2in
refuses "85mm, 3.3in" export search --as svg --width wide

[ $failed = 0 ] && echo "all forms are as they should be"
exit $failed
