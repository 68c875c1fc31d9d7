#!/usr/bin/env bash
# A Slurm cluster on this one machine, for tests: munged, slurmctld and two virtual nodes, all in one folder, with their own key,
# socket, ports and configuration. Nothing of an installed Slurm is read or changed; no systemd, no cgroups, no database.
#
#     tests/slurm/cluster.sh start DIR          starts it and waits until the nodes are idle; again does nothing
#     tests/slurm/cluster.sh stop DIR           cancels the jobs, ends the daemons and whatever of the jobs is left
#     tests/slurm/cluster.sh status DIR         says what runs; ends with 0 only if all nodes answer
#     tests/slurm/cluster.sh node-down DIR N    node N dies, and all its processes with it
#     tests/slurm/cluster.sh node-lost DIR N    node N is out of reach: its slurmd is gone, the programs on it go on
#     tests/slurm/cluster.sh node-up DIR N      the node is back, and in service
#     tests/slurm/cluster.sh users DIR NAME     makes a Unix user NAME, removed by stop
#
# Then `. DIR/env`, and sbatch, squeue, scontrol … speak to this cluster. Needs root and Debian's slurm-wlm and munge; where it
# cannot start, it says why in one line and ends with 77.
#
# Partitions: `low` (default) is pre-empted by `high`, its jobs requeued at once; `grace` likewise, but after SIGTERM and
# 5 seconds. Settings: ZONAS_SLURM_NODES (2), ZONAS_SLURM_CPUS of each (4), ZONAS_SLURM_GPUS of each (2, without a
# device behind them), ZONAS_SLURM_EXTRA (lines added to slurm.conf).
set -euo pipefail

# Says why the cluster cannot be, for callers that skip.
cannot() { echo "skipped: $*" >&2; exit 77; }
usage() { sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//'; }

[ $# -ge 2 ] || { usage; exit 2; }
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
conf=$dir/slurm.conf
nodes=${ZONAS_SLURM_NODES:-2} cpus=${ZONAS_SLURM_CPUS:-4} gpus=${ZONAS_SLURM_GPUS:-2}
export SLURM_CONF=$conf PATH=$PATH:/usr/sbin:/sbin
# The daemons hand their environment to the steps they start, so that what a dead one leaves is found by this.
mark=ZONAS_TEST_CLUSTER=$dir

# Tries a command 10 times a second for N seconds.
within() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# The process of a daemon, if it runs and is the one that was started here.
pid_of() {
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qxF "$mark" || return 1
    echo "$pid"
}

# NAME COMMAND…: a daemon in the background, in a session of its own, its output in a file.
daemon() {
    local name=$1
    shift
    pid_of "$name" >/dev/null && return
    env -i PATH="$PATH" LANG=C SLURM_CONF="$conf" "$mark" setsid "$@" </dev/null >>"$dir/log/$name.out" 2>&1 &
    echo $! >"$dir/run/$name.pid"
    disown
}

# Ends a daemon, by force after 10 seconds.
end() {
    local pid
    pid=$(pid_of "$1") || { rm -f "$dir/run/$1.pid"; return 0; }
    kill "$pid" 2>/dev/null || true
    within 10 gone "$pid" || kill -9 "$pid" 2>/dev/null || true
    rm -f "$dir/run/$1.pid"
}
# A process that its parent has not asked after is gone too.
gone() { ! kill -0 "$1" || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }

# Processes of the jobs of a node ("" for all nodes): steps by the daemon's mark, programs by what Slurm tells them.
job_processes() {
    local proc environment
    for proc in /proc/[0-9]*; do
        environment=$(tr '\0' '\n' 2>/dev/null <"$proc/environ") || continue
        if grep -qxF "$mark" <<<"$environment"; then
            [ -z "$1" ] || grep -qxF "ZONAS_TEST_NODE=$1" <<<"$environment" || continue
        else
            grep -qxF "SLURM_CONF=$conf" <<<"$environment" && grep -q '^SLURM_JOB_ID=' <<<"$environment" || continue
            [ -z "$1" ] || grep -qxF "SLURMD_NODENAME=$1" <<<"$environment" || continue
        fi
        echo "${proc#/proc/}"
    done
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

configure() {
    local base host memory n
    if [ -s "$dir/port" ]; then base=$(cat "$dir/port"); else
        for _ in $(seq 50); do
            base=$((20000 + RANDOM % 12000))
            for n in $(seq 0 "$nodes"); do port_free $((base + n)) || continue 2; done
            echo "$base" >"$dir/port"
            break
        done
    fi
    host=$(hostname -s)
    memory=$(awk -v n="$nodes" '/^MemTotal/ { print int($2 / 1024 / n) - 64 }' /proc/meminfo)
    {
        cat <<CONF
ClusterName=zonas
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its old credential has run out, 120 seconds by default.
AuthInfo=socket=$dir/run/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.own.pid
SlurmdPidFile=$dir/run/%n.own.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/completed
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Without this a job that names no memory takes all of a node.
DefMemPerCPU=$((memory / cpus / 2))
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,max_rpc_cnt=0
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=3
MinJobAge=300
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=5
ReturnToService=2
SlurmdParameters=config_overrides
DebugFlags=NO_CONF_HASH
GresTypes=gpu
CONF
        for n in $(seq "$nodes"); do
            echo "NodeName=n$n NodeHostname=n$n NodeAddr=127.0.0.1 Port=$((base + n)) CPUs=$cpus SocketsPerBoard=1" \
                "CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory Gres=gpu:$gpus State=UNKNOWN"
        done
        cat <<CONF
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=grace Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=5 MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE DefaultTime=60 State=UP
${ZONAS_SLURM_EXTRA:-}
CONF
    } >"$conf"
    # GPUs without files are refused; these are none, and set CUDA_VISIBLE_DEVICES all the same.
    for n in $(seq 0 $((gpus - 1))); do ln -sf /dev/null "$dir/gpu$n"; done
    echo "Name=gpu File=$dir/gpu[0-$((gpus - 1))]" >"$dir/gres.conf"
    echo "export SLURM_CONF=$conf" >"$dir/env"
}

answers() { scontrol ping | grep -q 'is UP'; }
all_idle() {
    local states
    states=$(sinfo -h -N -p low -o '%N %T')
    [ "$(grep -c . <<<"$states")" = "$nodes" ] && ! grep -qvE ' (idle|mixed|allocated)$' <<<"$states"
}

# A node is a machine of its own as far as its programs can tell: another name, other processes. They live as long as the first
# of them, which outlives slurmd.
start_node() {
    if pid_of "$1" >/dev/null; then
        [ -n "$(slurmd_of "$1")" ] || daemon "$1-again" nsenter -t "$(init_of "$1")" --uts --pid --mount \
            env "ZONAS_TEST_NODE=$1" slurmd -D -N "$1"
    else
        daemon "$1" env "ZONAS_TEST_NODE=$1" unshare --uts --pid --fork --mount-proc --kill-child \
            sh -c 'hostname "$1" && slurmd -D -N "$1"; exec sleep infinity' sh "$1"
    fi
}
init_of() { pgrep -P "$(pid_of "$1")" | head -1; }
slurmd_of() {
    local pid
    for pid in $(job_processes "$1"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != slurmd ] || echo "$pid"
    done
}

start() {
    local program n
    for program in munged slurmctld slurmd sbatch squeue scontrol; do
        command -v $program >/dev/null || cannot "no $program: apt-get install slurm-wlm munge"
    done
    [ "$(id -u)" = 0 ] || cannot "a Slurm that runs jobs of two users has to be started by root"
    unshare --uts --pid --fork --mount-proc true 2>/dev/null || cannot "the nodes need namespaces, which unshare may not make here"
    [ ${#dir} -le 80 ] || cannot "$dir is too long a name for the sockets in it"
    mkdir -p "$dir"/{run,log,state,spool,users}
    chmod 755 "$dir" "$dir"/{run,log}
    configure
    for n in $(seq "$nodes"); do mkdir -p "$dir/spool/n$n"; done
    if [ ! -s "$dir/munge.key" ]; then (umask 077; head -c 1024 /dev/urandom >"$dir/munge.key"); fi
    daemon munged munged -F --force --key-file="$dir/munge.key" --socket="$dir/run/munge.socket" \
        --pid-file="$dir/run/munged.own.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/run/munge.seed"
    within 10 munge -S "$dir/run/munge.socket" -n || refused munged
    daemon slurmctld slurmctld -D
    within 20 answers || refused slurmctld
    for n in $(seq "$nodes"); do start_node "n$n"; done
    within 30 all_idle || refused "node $(sinfo -h -N -p low -o '%N (%T: %E)' | grep -v '(idle' | paste -sd ' ')"
    echo "started: $(sinfo -h -N -p low -o '%N %T %c CPUs %m MiB' | paste -sd ';'); . $dir/env"
}

# What did not come up, and the last its log says; nothing is left running.
refused() {
    local last
    last=$(grep -hE '[Ff]atal|Error:|_parse_next_key' "$dir"/log/{munged,slurmctld,n1}.out 2>/dev/null | tail -1)
    stop >/dev/null 2>&1 || true
    cannot "$1 did not start: ${last:-nothing fatal is logged} ($dir/log)"
}

stop() {
    local n user pids
    if pid_of slurmctld >/dev/null; then
        squeue -h -t all -o '%A' | xargs -r timeout 5 scancel --full 2>/dev/null || true
        within 8 no_jobs || true
    fi
    for n in $(seq "$nodes"); do
        pid_of "n$n" >/dev/null || continue
        pids=$(slurmd_of "n$n")
        [ -z "$pids" ] || kill $pids || true
        kill -9 "$(init_of "n$n")" 2>/dev/null || true
        end "n$n"
    done
    end slurmctld
    end munged
    pids=$(job_processes "")
    [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
    rm -rf "$dir"/{state,spool}
    for user in "$dir"/users/*; do
        [ -e "$user" ] || continue
        userdel "$(basename "$user")" 2>/dev/null || true
        rm -f "$user"
    done
    [ -z "$(job_processes "")" ] || { echo "error: processes are left: $(job_processes "" | tr '\n' ' ')" >&2; return 1; }
    echo "stopped"
}
no_jobs() { [ -z "$(squeue -h -t R,CG,S)" ]; }

node_lost() {
    pid_of "$1" >/dev/null || { echo "error: no node $1 runs in $dir" >&2; exit 2; }
    kill -9 $(slurmd_of "$1")
}

# With its first process all others of the node die.
node_down() {
    pid_of "$1" >/dev/null || { echo "error: no node $1 runs in $dir" >&2; exit 2; }
    kill -9 "$(init_of "$1")"
    within 5 gone "$(pid_of "$1")" || true
    rm -f "$dir/run/$1.pid"
}

node_up() {
    start_node "$1"
    within 20 node_serves "$1" || { scontrol update nodename="$1" state=resume || true; within 10 node_serves "$1"; }
}
node_serves() { sinfo -h -N -n "$1" -p low -o '%T' | grep -qxE 'idle|mixed|allocated'; }

users() {
    id "$1" >/dev/null 2>&1 && { [ -e "$dir/users/$1" ] || cannot "there is a user $1 already"; return 0; }
    command -v useradd >/dev/null || cannot "no useradd"
    useradd --no-create-home --shell /bin/bash "$1" 2>/dev/null || cannot "useradd $1 failed"
    : >"$dir/users/$1"
}

case $verb in
start) start ;;
stop) stop ;;
status) answers && sinfo -N -p low && all_idle ;;
node-down) node_down "${3:?which node?}" ;;
node-lost) node_lost "${3:?which node?}" ;;
node-up) node_up "${3:?which node?}" ;;
users) users "${3:?which user?}" ;;
*) usage >&2; exit 2 ;;
esac
