#!/usr/bin/env bash
# Puts every diff of docs/extending.md into a copy of the tree, and looks whether what comes of it compiles and works.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root"/{Cargo.toml,Cargo.lock,src,python,tests,benches,examples,assets,docs,README.md,LICENSE} "$work"
awk '/^```diff$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/docs/extending.md" >"$work/all.diff"
cd "$work"
count=$(grep -c '^--- ' all.diff)
patch --quiet -p1 --fuzz=0 <all.diff
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
# Its own code without much optimisation: what it says is looked at, not its speed.
cargo build --quiet --release --config profile.release.package.zonas.opt-level=1
zonas=$CARGO_TARGET_DIR/release/zonas
# The operation, the space and the setting, as a user meets them.
"$zonas" spaces | grep -q '^bottleneck '
"$zonas" config --help run.note | grep -q 'before the new cut'
sed 's/"skip_connect", "sep_conv_3x3"/"skip_connect", "half_conv_3x3"/; s/"small"/"halves"/' docs/small_space.toml >halves.toml
for space in bottleneck halves.toml; do
    "$zonas" --runs "$work/runs" run --preset demo --space "$space" --set data.limit=200 --set search.epochs=1 \
        --set search.channels=2 --set search.batch=16 --set run.note='for a look' --yes >"$work/out"
    grep -q '^for a look$' "$work/out" && grep -q '^Genotype(' "$work/out"
done
echo "docs/extending.md: $count changes of files apply, compile and run"
