#!/bin/sh
# Enters and leaves the explorer in tmux in many ways; after each, the terminal must be as before: no alternate screen, the
# cursor shown, no mouse reports, the same `stty`. Needs tmux; says so and ends well where there is none.
#
#   tests/terminal.sh PATH/TO/zonas RUNS RUN
set -u
zonas=$1 runs=$2 run=$3
command -v tmux >/dev/null || { echo "skipped: no tmux"; exit 0; }
tmux="tmux -L zonas-test-$$ -f /dev/null"
failed=0
work=$(mktemp -d)
trap '$tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT

# Waits until a pane shows something; 20 s at most.
shows() {
    i=0
    while ! $tmux capture-pane -p -t t 2>/dev/null | grep -q -- "$1"; do
        i=$((i + 1)); [ $i -gt 200 ] && return 1
        sleep 0.1
    done
}

# NAME ENVIRONMENT OPTIONS: a shell, the explorer in it.
begin() {
    name=$1 wrong=0
    $tmux kill-server 2>/dev/null; sleep 0.2
    rm -f "$work/after"
    $tmux new-session -d -x 100 -y 30 -s t "env PS1='ready> ' $2 sh"
    shows 'ready>' || bad "no shell"
    $tmux send-keys -t t "stty -g > $work/before; $zonas --runs $runs open $run $3; echo left:\$?; stty -g > $work/after" Enter
    shows 'help' || bad "the explorer did not open"
}

bad() { echo "FAILED $name: $1"; $tmux capture-pane -p -t t 2>/dev/null | head -30; failed=1 wrong=1; }

# The shell is back, and the terminal as it was.
left() {
    shows 'left:[0-9]' || { bad "not left"; return; }
    i=0
    while [ ! -s "$work/after" ] && [ $i -lt 50 ]; do i=$((i + 1)); sleep 0.1; done
    cmp -s "$work/before" "$work/after" || bad "stty differs"
    state=$($tmux display -p -t t '#{alternate_on}#{mouse_any_flag}#{cursor_flag}')
    [ "$state" = 001 ] || bad "alternate screen, mouse, cursor: $state"
    [ "$wrong" = 1 ] || echo "ok $name"
}

pid() { pgrep -f "$zonas --runs $runs open $run" | tail -1; }
key() { $tmux send-keys -t t "$@"; }

for term in xterm-256color linux screen dumb; do
    begin "TERM=$term" "TERM=$term" ""; key q; left
done
begin "NO_COLOR" "NO_COLOR=1" ""; key q; left
begin "LANG=C" "LANG=C LC_ALL=C" ""
$tmux capture-pane -p -t t | LC_ALL=C grep -q '[^ -~]' && bad "not ASCII"
key q; left
begin "light background" "COLORFGBG='0;15'" ""; key q; left
begin "ctrl-c" "A=1" ""; key C-c; left
begin "every screen" "A=1" ""; for k in 1 2 3 4 5 6; do key $k; done; key q; left
begin "help and out" "A=1" ""; key '?'; shows 'esc closes'; key Escape; sleep 0.3; key q; left
begin "palette" "A=1" ""; key ':'; shows 'commands'; key l o g Enter; shows 'newest at the bottom'; key q; left
begin "filter" "A=1" ""; key 6 /; key d o n e Enter; shows 'with'; key q; left
begin "mouse off and on" "A=1" ""; key M; sleep 0.2
[ "$($tmux display -p -t t '#{mouse_any_flag}')" = 0 ] || bad "the mouse is still taken"
key M; sleep 0.3; key q; left
begin "copying" "A=1" ""; key 4; sleep 0.3; key y; shows 'copied into tmux' || bad "nothing said of copying"
$tmux show-buffer 2>/dev/null | grep -q 'Genotype(normal' || bad "tmux has not got it"
key q; left
begin "SIGTERM" "A=1" ""; kill -TERM "$(pid)"; left
begin "SIGHUP" "A=1" ""; kill -HUP "$(pid)"; left
begin "SIGINT" "A=1" ""; kill -INT "$(pid)"; left
begin "ctrl-z and fg" "A=1" ""; key C-z; sleep 0.5
[ "$($tmux display -p -t t '#{alternate_on}#{cursor_flag}')" = 01 ] || bad "stopped, but the screen is still taken"
key fg Enter; shows 'help' || bad "did not come back"; key q; left
begin "SIGTSTP and SIGCONT" "A=1" ""; kill -TSTP "$(pid)"; sleep 0.5; key fg Enter; shows 'help'; key q; left
begin "a storm of sizes" "A=1" ""
for i in 1 2 3 4 5 6 7 8 9; do $tmux resize-window -t t -x $((20 + i * 17)) -y $((4 + i * 5)); done
$tmux resize-window -t t -x 100 -y 30; shows 'help' || bad "not drawn after resizing"; key q; left
begin "output blocked" "A=1" ""
# Nobody reads what the explorer writes, while keys wait for it.
server=$($tmux display -p '#{pid}'); for k in 1 2 3 4; do key $k; done
kill -STOP "$server"; sleep 3; kill -CONT "$server"; key 6; shows 'newest' || bad "not drawn afterwards"; key q; left
begin "a vanished terminal" "A=1" ""; p=$(pid); $tmux kill-server; i=0
while kill -0 "$p" 2>/dev/null; do i=$((i + 1)); [ $i -gt 100 ] && break; sleep 0.1; done
if kill -0 "$p" 2>/dev/null; then bad "still there after its terminal is gone"; kill -KILL "$p"; else echo "ok $name"; fi
exit $failed
