"""Compares the runs of two studies: whatever was computed, bit for bit; not when, where, how fast, or how often begun again.

    python3 tests/slurm/same.py RUNS REFERENCE

Prints `same` and ends with 0, or says what differs first.
"""

import json
import sys
from pathlib import Path

# Events about the running of a run, not about what it computes.
RUNNING = {
    "run_started", "run_resumed", "run_ended", "run_paused", "origin", "log", "memory", "checkpoint_saved", "stage_started",
    "stage_ended", "search_started", "train_started", "scoring_started", "command", "pong",
}
# Fields that tell of time, speed and room; the words of a cut's verdict tell of room too.
VOLATILE = ("time", "seq", "seconds", "per_second", "bytes", "run", "path", "threads", "words")


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not any(word in k for word in VOLATILE)}
    return [plain(v) for v in value] if isinstance(value, list) else value


def results(run):
    """What a journal says was computed. A step that was computed again after a kill counts once, if it came to the same."""
    found = set()
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] not in RUNNING:
            found.add(json.dumps(plain(event), sort_keys=True))
    return found


def main(runs, reference):
    here, there = ({p.name: p for p in Path(f).iterdir() if (p / "events.jsonl").exists()} for f in (runs, reference))
    if here.keys() != there.keys():
        return f"other runs: {sorted(here.keys() ^ there.keys())[:3]}"
    for name in sorted(here):
        files = [(r[name] / "genotype.json") for r in (here, there)]
        if files[0].exists() != files[1].exists() or files[0].exists() and files[0].read_bytes() != files[1].read_bytes():
            return f"{name}: another genotype"
        a, b = results(here[name]), results(there[name])
        if a != b:
            odd = sorted(a - b) or sorted(b - a)
            where = "only here" if a - b else "only in the reference"
            return f"{name}: {len(a ^ b)} events differ, {where}: {odd[0][:160]}"
    return "same"


if __name__ == "__main__":
    words = main(*sys.argv[1:3])
    print(words)
    sys.exit(words != "same")
