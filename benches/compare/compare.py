#!/usr/bin/env python3
"""The search step, the training step and the leave-one-out round, here and in PyTorch, in turn on one machine.

    benches/compare/run.sh [--device cuda] [--rounds 3] [--only search,round] [--json FILE]

Each measurement is a process of its own; both sides alternate, so that drift of the machine hits both. Time is the median
step of a process; memory its high-water mark over its idle state, on a GPU that of each side's own pool of memory. `busy` is the share of the machine that others used before
the round: above a few percent, don't believe the ratios.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HALF = "max_pool_3x3,avg_pool_3x3,skip_connect,sep_conv_3x3"


def gpu_cases():
    """The same for a GPU: PyTorch with cuDNN, as published and in its fastest form, with and without TF32."""
    fastest = ["--channels-last", "--lean", "--skip-none"]
    forms = {"published": [], "fastest": fastest, "with TF32": [*fastest, "--tf32"]}
    for batch in (16, 64):
        for name, keep in (("", []), (", 4 of 8 operations", ["--keep", HALF])):
            ours = ["--batch", str(batch), *keep]
            own = {"keep": ours, "recompute": [*ours, "--policy", "recompute"], "keep, bf16": [*ours, "--precision", "bf16"]}
            yield (f"search step, batch {batch}{name}", own, ["search", *ours], forms)
    yield ("leave-one-out, C=16, 8 cells", {"": ["--what", "round", "--batch", "16", "--places", "14"]},
           ["round", "--batch", "16", "--places", "14"], {"": []})


def cases():
    """Name, our arguments, theirs, the forms of theirs, and the steps of ours and theirs."""
    forms = {"published": [], "fastest": ["--channels-last", "--lean", "--skip-none"]}
    for batch in (16, 64):
        both = (["--batch", str(batch)], ["search", "--batch", str(batch)])
        yield f"search step, batch {batch}", {"keep": both[0], "recompute": both[0] + ["--policy", "recompute"]}, both[1], forms
    yield ("search step, batch 16, 4 of 8 operations",
           {"keep": ["--batch", "16", "--keep", HALF], "recompute": ["--batch", "16", "--keep", HALF, "--policy", "recompute"]},
           ["search", "--batch", "16", "--keep", HALF], {"published": []})
    yield ("second-order step, batch 16", {"keep": ["--batch", "16", "--order", "2"]},
           ["search", "--batch", "16", "--order", "2"], {"published": []})
    yield ("second-order step, batch 64", {"keep": ["--batch", "64", "--order", "2"]},
           ["search", "--batch", "64", "--order", "2"], {"published": []})
    there = ["--space", "nas_bench_201", "--batch", "64"]
    yield ("NAS-Bench-201 search step, N=5, batch 64",
           {"keep": [*there, "--cells", "15"], "recompute": [*there, "--cells", "15", "--policy", "recompute"]},
           ["search", *there, "--layers", "15"], forms)
    train = ["--what", "train", "--batch", "64"]
    yield ("training step, DARTS_V2, batch 64", {"keep": train, "recompute": [*train, "--policy", "recompute"]},
           ["train", "--batch", "64"], {"published": [], "channels last": ["--channels-last"]})
    yield ("leave-one-out, proxy as shipped",
           {"": ["--what", "round", "--channels", "PROXY", "--proxy", "nr", "--batch", "PICTURES"]},
           ["round", "--C", "PROXY", "--cells", "nr", "--batch", "PICTURES"], {"": []})
    yield ("leave-one-out, C=16, 8 cells", {"": ["--what", "round", "--batch", "16", "--places", "14"]},
           ["round", "--batch", "16", "--places", "14"], {"": []})


def busy_share(seconds=0.5):
    def read():
        with open("/proc/stat") as f:
            v = [int(t) for t in f.readline().split()[1:9]]
        return sum(v) - v[3] - v[4], sum(v)
    (b0, t0), _ = read(), time.sleep(seconds)
    b1, t1 = read()
    return (b1 - b0) / max(1, t1 - t0)


def one(command):
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{out.stderr[-2000:]}")
    return json.loads(out.stdout.strip().splitlines()[-1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--ours", required=True, help="the built `step` benchmark")
    ap.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (PyTorch then runs on the GPU of that number)")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--only", default="", help="words that a case's name must have one of, comma-separated")
    ap.add_argument("--proxy", default="2,32", help="channels and pictures of the proxy network")
    ap.add_argument("--json", help="write everything measured to this file")
    a = ap.parse_args()
    channels, pictures = a.proxy.split(",")
    fill = lambda words: [{"PROXY": channels, "PICTURES": pictures}.get(w, w) for w in words]
    wanted = [w for w in a.only.split(",") if w]
    with open("/proc/cpuinfo") as f:
        cpu = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), platform.processor())
    cuda = a.device.startswith("cuda")
    if cuda:
        # Both sides then see this GPU alone.
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        if ":" in a.device:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            n = a.device.split(":")[1]
            os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[int(n)] if visible else n
    here = ["--device", "cuda"] if cuda else []
    machine = {"cpu": cpu, "cores": os.cpu_count(), "threads": a.threads, "system": platform.platform(), "device": a.device}
    print(f"{cpu}, {os.cpu_count()} cores, {a.threads} threads each side, {a.rounds} rounds in turn")
    head = f"{'case':<42}{'ours':<11}{'PyTorch':<11}{'s':>8}{'s':>9}{'faster':>8}{'(min, max)':>14}{'MiB':>8}{'MiB':>8}{'less':>7}{'busy':>6}"
    print(head)
    rows = []
    for name, ours, theirs, forms in gpu_cases() if cuda else cases():
        if wanted and not any(w in name for w in wanted):
            continue
        steps = ["--steps", "20" if cuda else "2" if "64" in name else "3"]
        if cuda and "leave" in name:
            steps = ["--steps", "3"]
        found = {}
        busy = []
        for _ in range(a.rounds):
            for side, extra in [*(("ours", o) for o in ours), *(("torch", f) for f in forms)]:
                busy.append(busy_share())
                if side == "ours":
                    r = one([a.ours, "--threads", str(a.threads), *steps, *here, *fill(ours[extra])])
                    machine.update({k: r[k] for k in ("device", "driver") if k in r})
                    value = (r["median_s"], r["peak_over_idle_mib"])
                else:
                    r = one([sys.executable, os.path.join(HERE, "torch_side.py"), *fill(theirs), *forms[extra],
                             "--threads", str(a.threads), *steps, *here])
                    machine["torch"] = r["torch"]
                    timing = r["timing"].get("step") or r["timing"]["round"]
                    value = (timing["median_s"], r["peak_delta_mib"])
                found.setdefault((side, extra), []).append(value)
        for o in ours:
            for f in forms:
                mine, other = found["ours", o], found["torch", f]
                ratios = sorted(t[0] / m[0] for m, t in zip(mine, other))
                mid = statistics.median
                row = {"case": name, "ours": o, "torch": f, "ours_s": mid(m[0] for m in mine), "torch_s": mid(t[0] for t in other),
                       "faster": mid(ratios), "least": ratios[0], "most": ratios[-1], "ours_mib": mid(m[1] for m in mine),
                       "torch_mib": mid(t[1] for t in other), "busy": mid(busy)}
                row["less"] = row["torch_mib"] / row["ours_mib"]
                rows.append(row)
                span = f"({row['least']:.1f}, {row['most']:.1f})"
                print(f"{name:<42}{o:<11}{f:<11}{row['ours_s']:>8.3f}{row['torch_s']:>9.3f}{row['faster']:>7.1f}x{span:>14}"
                      f"{row['ours_mib']:>8.0f}{row['torch_mib']:>8.0f}{row['less']:>6.1f}x{100 * row['busy']:>5.0f}%", flush=True)
    if cuda:
        print(f"on {machine['device']}, torch {machine.get('torch')}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"machine": machine, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
