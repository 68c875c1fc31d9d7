#!/usr/bin/env bash
# Studies on a real Slurm, started here by cluster.sh: one line for each scenario, with what was expected and what came.
#
#     tests/slurm/run.sh ZONAS [SCENARIO...]     all of them, or those named
#     tests/slurm/run.sh --list                  their names
#
# Ends with 0 if all came as expected, 1 if not, 77 where no Slurm can be started (says why). The folder with all logs is kept
# when something failed, or with KEEP=1. Needs what cluster.sh needs, and python3.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)

# --- scenarios: a name, what has to come; `scenario_NAME` prints what came --------------------------------------------------
names=() expected=()
expect() { names+=("$1") expected+=("$2"); }
expect array "12 done, same"
expect stages "18 done, same"
expect usr1 "requeued once, 4 done, same"
expect limit "requeued, 2 done, same"
expect preempted "requeued once, 4 done, same"
expect preempted_with_grace "requeued once, 4 done, same"
expect stop "none left, 0 requeued, goes on: 4 done, same"
expect scancel "none left, 0 requeued, goes on: 4 done, same"
expect killed "goes on: 4 done, same"
expect node_dies "requeued once, 4 done, same"
expect node_lost "requeued once, 4 done, same"
expect two_users "12 done, 12 done, same, same"
expect stop_of_one_user "the other's: 4 done, same"
expect twice "nothing to submit, 12 tasks, 12 done, same"
expect at_once "12 tasks, 12 done, same"
expect here_too "left to Slurm, 4 done, same"
expect no_sbatch "refused, names what is missing, nothing queued"
expect sbatch_fails "refused, with Slurm's words, nothing queued"
expect no_controller "refused, with Slurm's words"
expect no_requeue "says so, goes on: 4 done, same"

# --- what the scenarios are made of -----------------------------------------------------------------------------------------

# NAME: a study folder of that design, its runs done here without Slurm once for all, to be compared with.
#   short: 12 searches of a second; long: 4 of about ten; longer: 4 of about forty; limit: 2 of those; staged: scores,
#   searches and trainings.
study() {
    local kind=$1 folder=$work/$scenario/${2:-study}
    reference "$kind" >&2
    mkdir -p "$work/$scenario"
    "$zonas" study new "$folder" --from "$work/$kind.toml" >&2
    echo "$folder"
}

design() {
    local seeds=$1 epochs=$2 xi=$3 stages=$4
    cat <<TOML
version = 1
seeds = "$seeds"
stages = [$stages]
preset = "nas_bench_201_demo"
[base]
data.limit = 200
device.kind = "cpu"
search.channels = 4
search.epochs = $epochs
train.epochs = 2
score.draws = 2
score.sample = 40
[factors]
cut.xi = [$xi]
cut.source = [${5:-\"random\"}]
[limits]
threads = 1
TOML
}

designs() {
    design 1..4 2 "0.25, 0.5, 0.75" '"search"' >"$work/short.toml"
    design 1..4 "$epochs" 0.25 '"search"' >"$work/long.toml"
    design 1..4 $((epochs * 4)) 0.25 '"search"' >"$work/longer.toml"
    design 1..2 $((epochs * 4)) 0.25 '"search"' >"$work/limit.toml"
    design 1..2 2 "0.5, 0.75" '"score", "search", "train"' '"scores", "random"' >"$work/staged.toml"
}

reference() {
    [ -e "$work/reference/$1.done" ] && return
    mkdir -p "$work/reference"
    "$zonas" study new "$work/reference/$1" --from "$work/$1.toml"
    "$zonas" study run "$work/reference/$1"
    touch "$work/reference/$1.done"
}

# STUDY OPTIONS...: submits, with 20 minutes for each run.
submit() { submit_within 20 "$@"; }
submit_within() { "$zonas" study run "$2" --on slurm --time "$1" "${@:3}" >&2; }

# Tries a command 5 times a second for N seconds.
within() {
    local tries=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "waited in vain: $*" >&2; squeue >&2; return 1; }
        sleep 0.2
    done
}

arrays() { squeue -h -o %F | sort -un; }
tasks() { squeue -h -r -o '%i' | grep -c . || true; }
none() { [ -z "$(squeue -h -o %i)" ]; }
running() { [ "$(squeue -h -r -t R -o %i | grep -c .)" -ge "$1" ]; }
# Engines of STUDY that have computed a few steps.
under_way() {
    local n
    n=$(grep -lc '"event":"epoch_ended"' "$1"/runs/*/events.jsonl 2>/dev/null | grep -c .) || true
    [ "$n" -ge "$2" ]
}
at_work() { running "$2" && under_way "$1" "$2"; }
# Until Slurm has nothing more.
finish() { within "${1:-120}" none; }

# ARRAY: restart counts of its tasks, least and most.
restarts_of() {
    local counts
    counts=$(squeue -h -r -t all -j "$1" -O RestartCnt: | tr -d ' ' | sort -n)
    echo "$(head -1 <<<"$counts") $(tail -1 <<<"$counts")"
}
requeued() {
    local counts
    counts=$(restarts_of "$1")
    case $counts in
    "1 1") echo "requeued once" ;;
    "0 0") echo "0 requeued" ;;
    *) echo "requeued ${counts/ /...} times" ;;
    esac
}

# STUDY: `12 done`, or whatever else there is.
standing() {
    "$zonas" study status "$1" --json | python3 -c '
import collections, json, sys
count = collections.Counter(run["state"] for run in json.load(sys.stdin)["runs"])
print(", ".join(f"{n} {state}" for state, n in sorted(count.items())))'
}
# STUDY KIND: `same`, or what differs.
same() { python3 "$here/same.py" "$1/runs" "$work/reference/$2/runs" || true; }

# ARRAY STUDY: what Slurm does when the time is nearly over, now.
usr1() {
    local option=
    # With B: in the script the batch process is told, without it the steps are.
    ! grep -q -- '--signal=B:' "$2"/slurm/*.sbatch || option=--batch
    scancel $option --signal=USR1 "$1"
}
cluster() { "$here/cluster.sh" "$1" "$work/cluster" "${@:2}" >&2; }

. "$here/scenarios.sh"

# --- all of it ----------------------------------------------------------------------------------------------------------

# WORD WORDS...: no pipe, whose writer a reader that has seen enough would kill.
is_among() {
    local word=$1 other
    shift
    for other; do [ "$other" != "$word" ] || return 0; done
    return 1
}

[ "${1:-}" != --list ] || { printf '%s\n' "${names[@]}"; exit 0; }
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2; }
asked=("${@:2}")
for name in "${asked[@]}"; do
    is_among "$name" "${names[@]}" || { echo "error: no scenario $name; --list names them" >&2; exit 2; }
done
command -v python3 >/dev/null || { echo "skipped: no python3" >&2; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/zonas-slurm.XXXXXX")
chmod 755 "$work"
# The other user has to be able to start it.
install -m 755 "$1" "$work/zonas"
zonas=$work/zonas epochs=${EPOCHS:-40} failed=0 scenario=setup other=zonas-other
leave() {
    "$here/cluster.sh" stop "$work/cluster" >/dev/null 2>&1 || true
    if [ "$failed" = 0 ] && [ -z "${KEEP:-}" ]; then rm -rf "$work"; else echo "kept: $work"; fi
}
trap leave EXIT
designs
"$here/cluster.sh" start "$work/cluster" || { code=$?; failed=0; exit $code; }
. "$work/cluster/env"
have_other=yes
"$here/cluster.sh" users "$work/cluster" "$other" || have_other=no

printf '%-22s %-50s %-50s %-7s %s\n' scenario expected came "" seconds
for i in "${!names[@]}"; do
    scenario=${names[i]}
    [ ${#asked[@]} = 0 ] || is_among "$scenario" "${asked[@]}" || continue
    case $scenario in *user*)
        if [ $have_other = no ]; then
            printf '%-22s %-50s %-50s %-7s\n' "$scenario" "${expected[i]}" "no second user here" skipped
            continue
        fi ;;
    esac
    SECONDS=0
    set +e
    came=$(set -e; "scenario_$scenario" 2>"$work/$scenario.log")
    code=$?
    set -e
    [ $code = 0 ] || came="${came:+$came; }ended with $code: $(tail -1 "$work/$scenario.log")"
    if [ "$came" = "${expected[i]}" ]; then verdict=ok; else verdict=FAILED failed=1; fi
    printf '%-22s %-50s %-50s %-7s %s\n' "$scenario" "${expected[i]}" "$came" $verdict $SECONDS
    # Whatever it left.
    squeue -h -o %A | xargs -r scancel || true
    within 30 none || true
done
exit $failed
