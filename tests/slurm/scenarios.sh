# What run.sh runs, to be sourced: each `scenario_NAME` prints what came, in the words of what is expected of it.

scenario_array() {
    local s
    s=$(study short)
    submit "$s"
    finish
    echo "$(standing "$s"), $(same "$s" short)"
}

scenario_stages() {
    local s
    s=$(study staged)
    submit "$s"
    finish
    echo "$(standing "$s"), $(same "$s" staged)"
}

scenario_usr1() {
    local s id
    s=$(study long)
    submit "$s"
    id=$(arrays)
    within 60 at_work "$s" 4
    usr1 "$id" "$s"
    finish
    echo "$(requeued "$id"), $(standing "$s"), $(same "$s" long)"
}

# The real limit: two minutes, of which the last 90 seconds and up to 30 more are Slurm's.
scenario_limit() {
    local s id
    s=$(study limit)
    submit_within 2 "$s"
    id=$(arrays)
    finish 400
    case $(restarts_of "$id") in 0*) echo -n "not requeued" ;; *) echo -n "requeued" ;; esac
    echo ", $(standing "$s"), $(same "$s" limit)"
}

# PARTITION KIND
preempt() {
    local s id
    s=$(study "$2")
    submit "$s" --partition "$1"
    id=$(arrays)
    within 60 at_work "$s" 4
    sbatch --parsable -p high -N 2 --exclusive -J high -o /dev/null --wrap 'sleep 1' >&2
    finish 300
    echo "$(requeued "$id"), $(standing "$s"), $(same "$s" "$2")"
}
scenario_preempted() { preempt low long; }
# They go on computing until the grace is over.
scenario_preempted_with_grace() { preempt grace longer; }

# STUDY: submitted again after a stop, to the end.
goes_on() {
    submit "$1"
    finish
    echo "goes on: $(standing "$1"), $(same "$1" long)"
}

# FUNCTION: stops what runs, by that; it must not come back.
stopped_by() {
    local s id
    s=$(study long)
    submit "$s"
    id=$(arrays)
    within 60 at_work "$s" 4
    "$1" "$s" "$id" >&2
    within 30 none
    # A task that comes back does so when its credential has run out.
    sleep 8
    none && echo -n "none left" || echo -n "$(tasks) tasks came back"
    echo ", $(requeued "$id"), $(goes_on "$s")"
}
by_stop() { "$zonas" study stop "$1"; }
by_scancel() { scancel "$2"; }
scenario_stop() { stopped_by by_stop; }
scenario_scancel() { stopped_by by_scancel; }

# The engine of one task dies without a word.
scenario_killed() {
    local s pid
    s=$(study long)
    submit "$s"
    within 60 at_work "$s" 4
    pid=$(pgrep -f "study task $s" | tail -1)
    kill -9 "$pid"
    finish
    "$zonas" study status "$s" >&2
    goes_on "$s"
}

scenario_node_dies() {
    local s id
    s=$(study long)
    # All four fit on one node.
    submit "$s"
    id=$(arrays)
    within 60 at_work "$s" 4
    cluster node-down n1
    finish 200
    cluster node-up n1
    echo "$(requeued "$id"), $(standing "$s"), $(same "$s" long)"
}

# slurmctld gives the node up, but the engines on it go on: two would write one run.
scenario_node_lost() {
    local s id
    s=$(study longer)
    submit "$s"
    id=$(arrays)
    within 60 at_work "$s" 4
    cluster node-lost n1
    finish 300
    cluster node-up n1
    echo "$(requeued "$id"), $(standing "$s"), $(same "$s" longer)"
}

# COMMAND...: as the second user.
as_other() { runuser -u "$other" -- env SLURM_CONF="$SLURM_CONF" PATH="$PATH" HOME="$work" "$@"; }
others_study() {
    local folder=$work/$scenario/other
    reference "$1" >&2
    mkdir -p "$work/$scenario"
    chmod 777 "$work/$scenario"
    as_other "$zonas" study new "$folder" --from "$work/$1.toml" >&2
    echo "$folder"
}

scenario_two_users() {
    local s o
    s=$(study short)
    o=$(others_study short)
    submit "$s"
    as_other "$zonas" study run "$o" --on slurm --time 20 >&2
    finish
    echo "$(standing "$s"), $(standing "$o"), $(same "$s" short), $(same "$o" short)"
}

scenario_stop_of_one_user() {
    local s o
    s=$(study long)
    o=$(others_study long)
    submit "$s"
    as_other "$zonas" study run "$o" --on slurm --time 20 >&2
    within 60 at_work "$s" 4
    within 60 at_work "$o" 4
    "$zonas" study stop "$s" >&2
    finish
    echo "the other's: $(standing "$o"), $(same "$o" long)"
}

# Every run begins once, whoever submits how often.
begun() { grep -hc '"event":"run_started"' "$1"/runs/*/events.jsonl | awk '{ n += $1 } END { print n " tasks" }'; }

scenario_twice() {
    local s
    s=$(study short)
    submit "$s"
    "$zonas" study run "$s" --on slurm | grep -o 'nothing to submit' | tr '\n' ','
    finish
    echo " $(begun "$s"), $(standing "$s"), $(same "$s" short)"
}

scenario_at_once() {
    local s pids=() pid
    s=$(study short)
    for _ in 1 2 3; do submit "$s" & pids+=($!); done
    # Those that come second may be refused: another submits.
    for pid in "${pids[@]}"; do wait "$pid" || true; done
    finish
    echo "$(begun "$s"), $(standing "$s"), $(same "$s" short)"
}

scenario_here_too() {
    local s said
    s=$(study long)
    submit "$s"
    within 60 at_work "$s" 4
    said=$("$zonas" study run "$s" 2>&1 || true)
    echo "$said" >&2
    case $said in *"left to"*) echo -n "left to Slurm" ;; *) echo -n "not left to Slurm" ;; esac
    finish
    echo ", $(standing "$s"), $(same "$s" long)"
}

# COMMAND...: has to be refused in one sentence with exit code 1 or 2, no panic.
refused() {
    local code=0 said
    said=$("$@" 2>&1) || code=$?
    echo "$said" >&2
    case $code in 1 | 2) echo -n "refused" ;; *) echo -n "exit code $code" ;; esac
    ! grep -qi panic <<<"$said" || echo -n ", panics"
    ! grep -q "Slurm's commands are missing" <<<"$said" || echo -n ", names what is missing"
    ! grep -qE '`s(batch|queue)` failed: .*error: ' <<<"$said" || echo -n ", with Slurm's words"
}

scenario_no_sbatch() {
    local s
    s=$(study short)
    mkdir -p "$work/bin"
    refused env PATH="$work/bin" "$zonas" study run "$s" --on slurm
    none && echo ", nothing queued" || echo ", $(tasks) queued"
}

scenario_sbatch_fails() {
    local s
    s=$(study short)
    refused "$zonas" study run "$s" --on slurm --partition nowhere
    none && echo ", nothing queued" || echo ", $(tasks) queued"
}

# slurmctld hangs: every command of Slurm's gives up after ten seconds.
scenario_no_controller() {
    local s pid
    s=$(study short)
    pid=$(cat "$work/cluster/run/slurmctld.pid")
    kill -STOP "$pid"
    refused "$zonas" study run "$s" --on slurm
    kill -CONT "$pid"
    echo
    within 20 squeue
    squeue -h -o %A | xargs -r scancel
}

# A site or a person that forbids requeues: the task ends, and says what to do.
scenario_no_requeue() {
    local s id
    s=$(study long)
    submit "$s" --sbatch "--no-requeue"
    id=$(arrays)
    within 60 at_work "$s" 4
    usr1 "$id" "$s"
    finish
    cat "$s"/slurm/*.log >&2
    grep -qhi 'requeue' "$s"/slurm/*.log && echo -n "says so" || echo -n "silent"
    echo ", $(goes_on "$s")"
}
