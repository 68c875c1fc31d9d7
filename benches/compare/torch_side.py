#!/usr/bin/env python3
"""PyTorch's side of the comparison: a DARTS search step, a pass in evaluation mode, a leave-one-out round.

One process = one configuration = one JSON line on stdout, so that the peak memory reading belongs to that configuration
alone.

  python torch_side.py search --C 16 --layers 8 --batch 64 --threads 2 [--order 2] [--channels-last --lean]
  python torch_side.py round  --C 2 --cells nr --batch 32 --places 49

The network is written from the DARTS paper's description (search space with eight candidate operations, cells of four
intermediate nodes, two shared alpha tables).
"""
import argparse
import json
import os
import statistics
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F

PRIMITIVES = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
              "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
NODES = 4
EDGES = sum(2 + n for n in range(NODES))  # 14


# --------------------------------------------------------------------------
# building blocks (every batch norm inside a cell has no scale and no shift)
# --------------------------------------------------------------------------
def norm(c, affine=False):
    return nn.BatchNorm2d(c, affine=affine)


def depthwise(c, k, stride=1, dilation=1):
    pad = dilation * (k - 1) // 2
    return nn.Conv2d(c, c, k, stride=stride, padding=pad, dilation=dilation,
                     groups=c, bias=False)


def pointwise(cin, cout, stride=1):
    return nn.Conv2d(cin, cout, 1, stride=stride, bias=False)


class Chain(nn.Module):
    """A sequence registered under the name `op`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


def sep_conv(c, k, stride):
    return Chain(nn.ReLU(), depthwise(c, k, stride), pointwise(c, c), norm(c),
                 nn.ReLU(), depthwise(c, k), pointwise(c, c), norm(c))


def dil_conv(c, k, stride):
    return Chain(nn.ReLU(), depthwise(c, k, stride, dilation=2), pointwise(c, c), norm(c))


def relu_conv_bn(cin, cout):
    return Chain(nn.ReLU(), pointwise(cin, cout), norm(cout))


class HalveResolution(nn.Module):
    """Two strided 1x1 convolutions, the second one on the image moved by (1, 1)."""

    def __init__(self, cin, cout):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = pointwise(cin, cout // 2, stride=2)
        self.conv_2 = pointwise(cin, cout - cout // 2, stride=2)
        self.bn = norm(cout)

    def forward(self, x):
        x = self.relu(x)
        y = torch.cat((self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])), 1)
        return self.bn(y)


class Nothing(nn.Module):
    """The `none` operation. Published code multiplies by zero; so does this."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        s = self.stride
        return (x if s == 1 else x[:, :, ::s, ::s]) * 0.0


def candidate(name, c, stride):
    if name == "none":
        return Nothing(stride)
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(c))
    if name == "avg_pool_3x3":
        return nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm(c))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else HalveResolution(c, c)
    kind, k = name.rsplit("_", 1)
    k = int(k[0])
    return sep_conv(c, k, stride) if kind == "sep_conv" else dil_conv(c, k, stride)


class MixedEdge(nn.Module):
    def __init__(self, c, stride, keep, skip_none):
        super().__init__()
        # string keys = index in PRIMITIVES, so names stay the same under a mask
        self._ops = nn.ModuleDict({str(i): candidate(PRIMITIVES[i], c, stride) for i in keep})
        # position of each op's weight inside the (kept) softmax row
        self.todo = [(pos, str(i)) for pos, i in enumerate(keep)
                     if not (skip_none and i == 0 and len(keep) > 1)]

    def forward(self, x, w):
        total = None
        for pos, key in self.todo:
            y = w[pos] * self._ops[key](x)
            total = y if total is None else total + y
        return total


class SearchCell(nn.Module):
    def __init__(self, c_pp, c_p, c, reduction, reduction_before, keep, skip_none):
        super().__init__()
        self.reduction = reduction
        self.preprocess0 = HalveResolution(c_pp, c) if reduction_before else relu_conv_bn(c_pp, c)
        self.preprocess1 = relu_conv_bn(c_p, c)
        self._ops = nn.ModuleList(
            MixedEdge(c, 2 if reduction and src < 2 else 1, keep, skip_none)
            for node in range(NODES) for src in range(2 + node))

    def forward(self, s0, s1, w):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(NODES):
            node = None
            for h in states[:]:
                y = self._ops[edge](h, w[edge])
                node = y if node is None else node + y
                edge += 1
            states.append(node)
        return torch.cat(states[2:], 1)


class SuperNet(nn.Module):
    def __init__(self, C=16, classes=10, layers=8, keep=None, skip_none=False, stem_mult=3, cells=""):
        super().__init__()
        keep = list(range(len(PRIMITIVES))) if keep is None else sorted(keep)
        self.keep = keep
        c = stem_mult * C
        self.stem = nn.Sequential(nn.Conv2d(3, c, 3, padding=1, bias=False), norm(c, affine=True))
        self.cells = nn.ModuleList()
        c_pp, c_p, c, before = c, c, C, False
        for i in range(layers):
            reduction = cells[i] == "r" if cells else i in (layers // 3, 2 * layers // 3)
            if reduction:
                c *= 2
            self.cells.append(SearchCell(c_pp, c_p, c, reduction, before, keep, skip_none))
            before = reduction
            c_pp, c_p = c_p, NODES * c
        self.classifier = nn.Linear(c_p, classes)
        # plain tensors, not nn.Parameters: the weight optimiser must not see them
        self.alphas_normal = (1e-3 * torch.randn(EDGES, len(PRIMITIVES))).requires_grad_()
        self.alphas_reduce = (1e-3 * torch.randn(EDGES, len(PRIMITIVES))).requires_grad_()

    def alphas(self):
        return [self.alphas_normal, self.alphas_reduce]

    def mixing(self, alpha):
        if len(self.keep) < len(PRIMITIVES):
            alpha = alpha[:, self.keep]
        return F.softmax(alpha, dim=-1)

    def forward(self, x, trace=None):
        s0 = s1 = self.stem(x)
        if trace is not None:
            trace.append(("stem_out", s1))
        for i, cell in enumerate(self.cells):
            w = self.mixing(self.alphas_reduce if cell.reduction else self.alphas_normal)
            s0, s1 = s1, cell(s0, s1, w)
            if trace is not None:
                trace.append((f"cell_out.{i}", s1))
        return self.classifier(s1.mean((2, 3)))


# --------------------------------------------------------------------------
# NAS-Bench-201, from its paper's description: three stages of cells of four states, a residual block before the second and the
# third; five candidate operations on each of six edges, one table of alphas
# --------------------------------------------------------------------------
CANDIDATES_201 = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES_201 = [(source, target) for target in range(1, 4) for source in range(target)]


def conv_201(cin, cout, k, stride=1, affine=False):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(cin, cout, k, stride=stride, padding=k // 2, bias=not affine), norm(cout, affine))


def candidate_201(name, c):
    if name == "none":
        return Nothing(1)
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return conv_201(c, c, int(name[-1]))


class Cell201(nn.Module):
    def __init__(self, c, keep, skip_none):
        super().__init__()
        self.todo = [(i, k) for i, k in enumerate(keep) if not (skip_none and k == 0 and len(keep) > 1)]
        self.edges = nn.ModuleList(nn.ModuleList(candidate_201(CANDIDATES_201[k], c) for _, k in self.todo) for _ in EDGES_201)

    def forward(self, x, weights):
        states = [x, 0, 0, 0]
        for (source, target), operations, w in zip(EDGES_201, self.edges, weights):
            states[target] = states[target] + sum(w[i] * op(states[source]) for (i, _), op in zip(self.todo, operations))
        return states[3]


class Residual201(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.main = nn.Sequential(conv_201(cin, cout, 3, 2, True), conv_201(cout, cout, 3, 1, True))
        self.side = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(cin, cout, 1, bias=False))

    def forward(self, x, _):
        return self.side(x) + self.main(x)


class SuperNet201(nn.Module):
    """`layers` counts cells, a third of them in each stage."""

    def __init__(self, C=16, classes=10, layers=15, keep=None, skip_none=False):
        super().__init__()
        self.keep = list(range(len(CANDIDATES_201))) if keep is None else sorted(keep)
        self.stem = nn.Sequential(nn.Conv2d(3, C, 3, padding=1, bias=False), norm(C, affine=True))
        self.cells = nn.ModuleList()
        for stage in range(3):
            if stage:
                self.cells.append(Residual201(C << (stage - 1), C << stage))
            self.cells.extend(Cell201(C << stage, self.keep, skip_none) for _ in range(layers // 3))
        self.last = nn.Sequential(norm(4 * C, affine=True), nn.ReLU())
        self.classifier = nn.Linear(4 * C, classes)
        self.alphas_normal = (1e-3 * torch.randn(len(EDGES_201), len(CANDIDATES_201))).requires_grad_()

    def alphas(self):
        return [self.alphas_normal]

    def forward(self, x):
        weights = F.softmax(self.alphas_normal[:, self.keep], dim=-1)
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x, weights)
        return self.classifier(self.last(x).mean((2, 3)))


# --------------------------------------------------------------------------
# measuring helpers
# --------------------------------------------------------------------------
def status_kib(field):
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise KeyError(field)


def reset_peak():
    """Linux: writing 5 sets VmHWM back to the present RSS."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        return True
    except OSError:
        return False


class Memory:
    """Peak over what is there now: of this process, or on a GPU of PyTorch's own count of what is in use."""

    def __init__(self, a):
        self.cuda = a.device == "cuda"
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.start = torch.cuda.memory_allocated()
        else:
            self.reset = reset_peak()
            self.start = status_kib("VmRSS") * 1024

    def record(self):
        if self.cuda:
            torch.cuda.synchronize()
            peak, kept = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
            return {"peak_delta_mib": round((peak - self.start) / 2**20, 1), "reserved_mib": round(kept / 2**20, 1)}
        return {"rss_before_mib": round(self.start / 2**20, 1), "hwm_reset": self.reset,
                "peak_delta_mib": round((status_kib("VmHWM") * 1024 - self.start) / 2**20, 1)}


def finish(a):
    """A GPU's work goes on after the call returns."""
    if a.device == "cuda":
        torch.cuda.synchronize()


TICK = os.sysconf("SC_CLK_TCK")
NCPU = os.cpu_count() or 1


def machine_busy():
    """CPU seconds spent by everything on this machine (stolen time included)."""
    with open("/proc/stat") as f:
        v = [int(t) for t in f.readline().split()[1:9]]
    user, nice, system, idle, iowait, irq, softirq, steal = v
    return (user + nice + system + irq + softirq + steal) / TICK


class Clock:
    """Wall and CPU time per named phase, and how busy everyone else was meanwhile.

    A sample is `clean` when the rest of the machine left at least `threads` cores
    free (minus a tolerance). Medians are over clean samples if there are any.
    """

    def __init__(self, threads, tolerance=0.12):
        self.threads, self.tolerance = threads, tolerance
        self.rows, self.order = {}, []

    def start(self):
        return time.perf_counter(), time.process_time(), machine_busy()

    def stop(self, name, t):
        w, c, b = time.perf_counter() - t[0], time.process_time() - t[1], machine_busy() - t[2]
        others = max(0.0, (b - c)) / max(w, 1e-9)
        if name not in self.rows:
            self.order.append(name)
        # 2 ticks of slack: /proc/stat counts in hundredths of a second
        clean = (max(0.0, b - c - 2.0 / TICK)) / max(w, 1e-9) <= NCPU - self.threads + self.tolerance
        self.rows.setdefault(name, []).append((w, c, others, clean))
        return w

    def run(self, name, fn):
        t = self.start()
        out = fn()
        self.stop(name, t)
        return out

    def clean_count(self, name, skip):
        return sum(r[3] for r in self.rows.get(name, [])[skip:])

    def summary(self, skip):
        r = {}
        for n in self.order:
            rows = self.rows[n][skip:] or self.rows[n]
            use = [t for t in rows if t[3]] or rows
            r[n] = {"median_s": round(statistics.median(t[0] for t in use), 5),
                    "min_s": round(min(t[0] for t in rows), 5),
                    "cpu_s": round(statistics.median(t[1] for t in use), 5),
                    "cpu_min_s": round(min(t[1] for t in rows), 5),
                    "others": round(statistics.median(t[2] for t in use), 2),
                    "n": len(rows), "clean": sum(t[3] for t in rows)}
        return r


class Repeat:
    """Warm-up rounds, then at least `steps` rounds, then on until enough clean ones or out of time."""

    def __init__(self, a, clock, name):
        self.a, self.clock, self.name, self.t0 = a, clock, name, time.perf_counter()
        self.done = -1

    def __iter__(self):
        return self

    def __next__(self):
        a = self.a
        self.done += 1
        if self.done >= a.warmup + a.steps:
            if (self.clock.clean_count(self.name, a.warmup) >= a.want_clean
                    or time.perf_counter() - self.t0 > a.max_seconds):
                raise StopIteration
        self.wait_for_quiet()
        return self.done

    def wait_for_quiet(self, window=0.5):
        """Start a round only when enough cores are idle, or after --quiet-wait seconds."""
        end = time.perf_counter() + self.a.quiet_wait
        while time.perf_counter() < end:
            t, b = time.perf_counter(), machine_busy()
            time.sleep(window)
            if (machine_busy() - b - 1.0 / TICK) / (time.perf_counter() - t) <= NCPU - self.a.threads + 0.1:
                return


def move_alphas(net, to):
    for name in ("alphas_normal", "alphas_reduce"):
        if hasattr(net, name):
            setattr(net, name, getattr(net, name).detach().to(to).requires_grad_())


def make_net(a):
    torch.manual_seed(a.seed)
    if a.space == "nas_bench_201":
        net = SuperNet201(a.C, a.classes, a.layers, keep=a.keep_idx, skip_none=a.skip_none)
    else:
        net = SuperNet(a.C, a.classes, a.layers, keep=a.keep_idx, skip_none=a.skip_none, cells=a.cells)
    if a.dtype == "float64":
        net.double()
        move_alphas(net, torch.float64)
    net.to(a.device)
    move_alphas(net, a.device)
    if a.channels_last:
        net.to(memory_format=torch.channels_last)
    return net


def batch_of(a, n=None):
    dt = torch.float64 if a.dtype == "float64" else torch.float32
    x = torch.randn(n or a.batch, 3, a.size, a.size, dtype=dt)
    if a.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    return x.to(a.device), torch.randint(a.classes, (n or a.batch,)).to(a.device)


def operations_of(a):
    return CANDIDATES_201 if a.space == "nas_bench_201" else PRIMITIVES


def base_record(a, net):
    return {"mode": a.mode, "C": a.C, "layers": a.layers, "batch": a.batch, "size": a.size,
            "threads": a.threads, "dtype": a.dtype, "keep": [operations_of(a)[i] for i in net.keep],
            "skip_none": a.skip_none, "channels_last": a.channels_last, "compile": a.compile,
            "device": torch.cuda.get_device_name() if a.device == "cuda" else "cpu", "tf32": a.tf32,
            "lean": a.lean, "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""), "params": sum(p.numel() for p in net.parameters()),
            "torch": torch.__version__}


def cmd_search(a):
    net = make_net(a)
    net.train()
    opt_w = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    opt_a = torch.optim.Adam(net.alphas(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    train, valid = batch_of(a), batch_of(a)
    call = torch.compile(net) if a.compile else net
    params, alphas = list(net.parameters()), net.alphas()
    rec = base_record(a, net)
    memory = Memory(a)
    clock = Clock(a.threads)
    losses = []

    def arch_forward():
        return F.cross_entropy(call(valid[0]), valid[1])

    def weight_forward():
        return F.cross_entropy(call(train[0]), train[1])

    def arch_backward(loss):
        if a.lean:   # only what the arch step needs: no gradients for the weights
            for p, g in zip(alphas, torch.autograd.grad(loss, alphas)):
                p.grad = g
        else:        # what the published code does: gradients for everything
            loss.backward()

    def weight_update():
        nn.utils.clip_grad_norm_(params, 5.0)
        opt_w.step()

    for step in Repeat(a, clock, "step"):
        finish(a)
        t_step = clock.start()
        # architecture step
        opt_a.zero_grad()
        if a.lean:
            for p in params:
                p.requires_grad_(False)
        loss = clock.run("arch_forward", arch_forward)
        clock.run("arch_backward", lambda: arch_backward(loss))
        clock.run("arch_adam", opt_a.step)
        del loss
        # weight step
        opt_w.zero_grad()
        if a.lean:
            for p in params:
                p.requires_grad_(True)
            for p in alphas:
                p.requires_grad_(False)
        loss = clock.run("weight_forward", weight_forward)
        clock.run("weight_backward", loss.backward)
        clock.run("weight_clip_sgd", weight_update)
        losses.append(round(loss.item(), 4))
        del loss
        if a.lean:
            for p in alphas:
                p.requires_grad_(True)
        finish(a)
        clock.stop("step", t_step)
    rec.update(steps=a.steps, warmup=a.warmup, timing=clock.summary(a.warmup),
               first_step_s=round(clock.rows["step"][0][0], 4), **memory.record(),
               losses=losses[:1] + losses[-1:], load=os.getloadavg()[0])
    return rec


def cmd_forward(a):
    """Forward only without a graph (no_grad), train-mode batch norm."""
    net = make_net(a)
    net.train()
    x, _ = batch_of(a)
    rec = base_record(a, net)
    memory = Memory(a)
    clock = Clock(a.threads)
    with torch.no_grad():
        for _ in Repeat(a, clock, "forward_no_grad"):
            clock.run("forward_no_grad", lambda: (net(x), finish(a)))
    rec.update(timing=clock.summary(a.warmup), **memory.record(), load=os.getloadavg()[0])
    return rec


def unrolled_alpha_grad(net, opt_w, train, valid, lr):
    """Second-order DARTS gradient: finite differences around an imagined weight step (momentum and decay included)."""
    ps, alphas = list(net.parameters()), net.alphas()
    decay, momentum = opt_w.param_groups[0]["weight_decay"], opt_w.param_groups[0]["momentum"]
    g = torch.autograd.grad(F.cross_entropy(net(train[0]), train[1]), ps)
    w0 = [p.detach().clone() for p in ps]
    with torch.no_grad():
        for p, gi in zip(ps, g):
            buffer = opt_w.state.get(p, {}).get("momentum_buffer")
            p.sub_(lr * (gi + decay * p + (0 if buffer is None else momentum * buffer)))
    del g
    gs = torch.autograd.grad(F.cross_entropy(net(valid[0]), valid[1]), alphas + ps)
    da, v = list(gs[:2]), gs[2:]
    R = 1e-2 / torch.sqrt(sum((t * t).sum() for t in v))

    def alpha_grad_at(sign):
        with torch.no_grad():
            for p, b, vi in zip(ps, w0, v):
                p.copy_(b + sign * R * vi)
        return torch.autograd.grad(F.cross_entropy(net(train[0]), train[1]), alphas)

    plus, minus = alpha_grad_at(1), alpha_grad_at(-1)
    with torch.no_grad():
        for p, b in zip(ps, w0):
            p.copy_(b)
    return [d - lr * (p - m) / (2 * R) for d, p, m in zip(da, plus, minus)]


def cmd_search2(a):
    """A whole second-order step: unrolled alpha gradient, Adam, then the weight step."""
    net = make_net(a)
    net.train()
    opt_w = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    opt_a = torch.optim.Adam(net.alphas(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    train, valid = batch_of(a), batch_of(a)
    rec = base_record(a, net)
    memory = Memory(a)
    clock = Clock(a.threads)
    for _ in Repeat(a, clock, "step"):
        finish(a)
        t = clock.start()
        for p, g in zip(net.alphas(), unrolled_alpha_grad(net, opt_w, train, valid, 0.025)):
            p.grad = g
        opt_a.step()
        opt_w.zero_grad()
        F.cross_entropy(net(train[0]), train[1]).backward()
        nn.utils.clip_grad_norm_(list(net.parameters()), 5.0)
        opt_w.step()
        finish(a)
        clock.stop("step", t)
    rec.update(timing=clock.summary(a.warmup), **memory.record())
    return rec


def cmd_train(a):
    """A training step of the evaluation network of DARTS_V2 with its auxiliary head: pass, way back, clipping, SGD."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
    import evaluation_reference as published
    published.NORMAL = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
                        ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)]
    published.REDUCE = [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
                        ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)]
    torch.manual_seed(a.seed)
    net = published.Net(a.C, a.layers, a.classes).to(a.device)
    if a.channels_last:
        net.to(memory_format=torch.channels_last)
    net.train()
    opt = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    x, y = batch_of(a)
    net.keep = []
    rec = base_record(a, net)
    memory = Memory(a)
    clock = Clock(a.threads)
    losses = []
    for _ in Repeat(a, clock, "step"):
        finish(a)
        t = clock.start()
        opt.zero_grad()
        logits, auxiliary = net(x)
        loss = F.cross_entropy(logits, y) + 0.4 * F.cross_entropy(auxiliary, y)
        loss.backward()
        nn.utils.clip_grad_norm_(list(net.parameters()), 5.0)
        opt.step()
        losses.append(round(loss.item(), 4))
        del loss, logits, auxiliary
        finish(a)
        clock.stop("step", t)
    rec.update(timing=clock.summary(a.warmup), losses=losses[:1] + losses[-1:], **memory.record())
    return rec


def cmd_round(a):
    """Leave-one-out: naswot and nngp_frobenius of the network without one operation, for `--places` operations."""
    net = make_net(a)
    net.train()
    x, _ = batch_of(a)
    edges = [e for c in net.cells for e in c._ops]
    rec = base_record(a, net)

    def score():
        K = torch.zeros(x.shape[0], x.shape[0], dtype=torch.float64, device=x.device)

        def hook(_, __, out):
            c = (out.reshape(x.shape[0], -1) > 0).float()
            d = 1.0 - c
            K.add_((c @ c.t()).double()).add_((d @ d.t()).double())

        hooks = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, nn.ReLU)]
        with torch.no_grad():
            logits = net(x)
        for h in hooks:
            h.remove()
        return torch.linalg.slogdet(K)[1].item(), torch.corrcoef(logits).norm().item()

    # An operation goes from every cell of its kind, as the alphas are shared.
    kinds = sorted({c.reduction for c in net.cells})
    places = [(k, e, o) for k in kinds for e in range(EDGES) for o in range(1, len(PRIMITIVES))]
    places = places[:: max(1, len(places) // a.places)][: a.places]
    memory = Memory(a)
    clock = Clock(a.threads)

    def one_round():
        for kind, e, o in places:
            chosen = [c._ops[e] for c in net.cells if c.reduction == kind]
            saved = [m.todo for m in chosen]
            for m in chosen:
                m.todo = [t for t in m.todo if t[1] != str(o)]
            score()
            for m, t in zip(chosen, saved):
                m.todo = t

    for e in edges:
        e.todo = [t for t in e.todo if t[1] != "0"]
    for _ in Repeat(a, clock, "round"):
        clock.run("round", one_round)
    rec.update(places=len(places), timing=clock.summary(a.warmup), **memory.record())
    return rec


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("mode", choices=["search", "forward", "round", "train"])
    ap.add_argument("--space", choices=["darts", "nas_bench_201"], default="darts", help="of `search`")
    ap.add_argument("--C", type=int, default=16)
    ap.add_argument("--layers", type=int, default=8)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--size", type=int, default=32)
    ap.add_argument("--classes", type=int, default=10)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--steps", type=int, default=3)
    ap.add_argument("--warmup", type=int, default=1)
    ap.add_argument("--want-clean", type=int, default=0,
                    help="go on until so many rounds ran undisturbed by other programs")
    ap.add_argument("--max-seconds", type=float, default=120, help="... or until this much time has passed")
    ap.add_argument("--quiet-wait", type=float, default=0,
                    help="before each round wait up to so many seconds for idle cores")
    ap.add_argument("--seed", type=int, default=2)
    ap.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    ap.add_argument("--keep", default="all", help="comma-separated ops that stay on every edge")
    ap.add_argument("--order", type=int, default=1)
    ap.add_argument("--places", type=int, default=49)
    ap.add_argument("--cells", default="", help="n and r in order, instead of the published layout of --layers")
    ap.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    ap.add_argument("--tf32", action="store_true", help="let cuDNN and cuBLAS round float32 products to TF32")
    ap.add_argument("--channels-last", action="store_true")
    ap.add_argument("--compile", action="store_true")
    ap.add_argument("--skip-none", action="store_true", help="do not compute x*0 for `none`")
    ap.add_argument("--lean", action="store_true",
                    help="arch step: gradients of the alphas only; weight step: of the weights only")
    a = ap.parse_args()
    a.keep_idx = None if a.keep == "all" else [operations_of(a).index(k) for k in a.keep.split(",")]
    if a.cells:
        a.layers = len(a.cells)
    torch.set_num_threads(a.threads)
    # As the published code does; the search for algorithms is over after the warm-up.
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = a.tf32
    print(json.dumps(globals()["cmd_search2" if a.mode == "search" and a.order == 2 else "cmd_" + a.mode](a)), flush=True)


if __name__ == "__main__":
    main()
