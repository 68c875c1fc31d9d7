#!/usr/bin/env python3
"""Ranking functions of a supernet of DARTS, and of NAS-Bench-201 (what differs there), the plain way in PyTorch, in float64 and float32: what tests/proxies.rs checks against.

    python tests/proxy_reference.py --check    # computes again what tests/data/small_proxies.safetensors holds, and compares
    python tests/proxy_reference.py            # writes that file again

Needs torch, numpy and safetensors (`pip install torch numpy safetensors`). A new ranking function is a function here that
returns `{"its_name": value}`, and its place in `PARTS`; numbers that were there before must come out again, which `--check` tells.
All alphas are 0: kept operations of an edge are mixed with equal weights, dropped ones are not evaluated. Batch norm uses the
batch's statistics. Sums run over weights of convolutions and of the classifier.
"""
import argparse
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "benches", "compare"))
from torch_side import EDGES, EDGES_201, PRIMITIVES, SuperNet, SuperNet201  # noqa: E402

SIGNS = 17  # the key of the random signs; tests/proxies.rs has the same


def without_norm(net):
    for module in net.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())


def apply_mask(net, masks):
    """masks: {"normal": bool [14, 8], "reduce": bool [14, 8]}"""
    for cell in net.cells:
        mask = masks["reduce" if cell.reduction else "normal"]
        for edge, mixed in enumerate(cell._ops):
            kept = [i for i in range(len(PRIMITIVES)) if mask[edge, i]]
            mixed.todo = [(i, str(i)) for i in kept]
            for i in range(len(PRIMITIVES)):
                if i not in kept:
                    del mixed._ops[str(i)]
    for kind, alpha in (("normal", net.alphas_normal), ("reduce", net.alphas_reduce)):
        alpha.data = torch.where(masks[kind], 0.0, -math.inf).to(alpha.dtype)
        alpha.requires_grad_(False)
    return net


def weights_of(net):
    """Weights of convolutions and of the classifier: no batch norm, no bias."""
    return [m.weight for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def blocks(net, x):
    """Outputs of the stem and of all cells."""
    trace = []
    net(x, trace)
    return [t for _, t in trace]


def features(net, x):
    """Output of the last cell, before the global average."""
    return blocks(net, x)[-1]


def relu_patterns(net, x):
    rows = []
    hooks = [m.register_forward_hook(lambda _, __, out: rows.append((out.detach() > 0).reshape(out.shape[0], -1)))
             for m in net.modules() if isinstance(m, nn.ReLU)]
    with torch.no_grad():
        net(x)
    for h in hooks:
        h.remove()
    return rows


def supervised(net, x, y):
    w = weights_of(net)
    g = torch.autograd.grad(F.cross_entropy(net(x), y), w)
    return {"grad_norm": sum(t.norm() for t in g), "snip": sum((t * p).abs().sum() for t, p in zip(g, w)),
            "plain": sum((t * p).sum() for t, p in zip(g, w)), "l2_norm": sum(p.detach().norm() for p in w)}


def grasp(net, x, y):
    """-(w . Hg) summed over the weights, by a backward pass through the backward pass."""
    w = weights_of(net)
    g = torch.autograd.grad(F.cross_entropy(net(x), y), w, create_graph=True)
    hg = torch.autograd.grad(sum((t.detach() * t).sum() for t in g), w)
    return {"grasp": -sum((p * h).sum() for p, h in zip(w, hg))}


def fisher(net, x, y):
    """Half the mean over pictures of the square of (activation * its gradient, added up over pixels), of each channel that a
    convolution or the classifier gives, as often as the channel has weights."""
    kept = []
    modules = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(lambda m, _, out: kept.append((m.weight[0].numel(), out))) for m in modules]
    loss = F.cross_entropy(net(x), y)
    for h in hooks:
        h.remove()
    total = 0.0
    for (fan, a), g in zip(kept, torch.autograd.grad(loss, [a for _, a in kept])):
        total += fan * 0.5 * (a * g).flatten(2).sum(2).pow(2).mean(0).sum() if a.dim() == 4 else fan * 0.5 * (a * g).pow(2).mean(0).sum()
    return {"fisher": total}


def nngp(net, x):
    """The condition number is that of the largest min(n - 1, classes) eigenvalues; `nngp_eigenvalue` is of what the classifier
    reads, the other three are of the logits."""
    read = []
    hook = net.classifier.register_forward_pre_hook(lambda _, i: read.append(i[0]))
    with torch.no_grad():
        z = net(x)
        hook.remove()
        f, = read
        k, values = torch.corrcoef(z), torch.linalg.eigvalsh(z @ z.T)
        v = torch.linalg.eigvalsh(f @ f.T)
    return {"nngp_frobenius": k.norm(), "nngp_mean": k.mean(), "nngp_condition": values[-1] / values[-min(len(x) - 1, z.shape[1])],
            "nngp_eigenvalue": -(torch.log(v + 1) + 1 / (v + 1)).sum()}


def naswot(net, x):
    k = sum((c @ c.T) + ((1 - c) @ (1 - c).T) for c in (r.to(torch.float64) for r in relu_patterns(net, x)))
    return {"naswot": torch.linalg.slogdet(k)[1]}


def regions(net, crops):
    """sum over samples of 1 / (number of samples with the same pattern) = number of different patterns"""
    return {"relu_regions": torch.tensor(float(len(torch.unique(torch.cat(relu_patterns(net, crops), 1), dim=0))))}


def ntk(net, x):
    """Batch norm with batch statistics right before the average makes the logits of a batch sum to a constant, so the
    vector of ones is always in the kernel's null space: the condition number is taken on the n - 1 others."""
    w, logits = weights_of(net), net(x)
    g = flat([o.sum() for o in logits], w)
    ev = torch.linalg.eigvalsh(g @ g.T)
    return {"ntk_condition": ev[-1] / ev[1], "ntk_trace": ev.sum(), "ntk_frobenius": (g @ g.T).norm()}


def flat(values, w):
    """The gradient of each value by the weights, a row each."""
    return torch.stack([torch.cat([t.reshape(-1) for t in torch.autograd.grad(v, w, retain_graph=True)]) for v in values]).double()


def lga(net, x, y):
    """The correlation of the entries of the neural tangent kernel with 1 where labels are the same, -1 where not."""
    g = flat([o.sum() for o in net(x)], weights_of(net))
    k, target = g @ g.T, 2.0 * (y[:, None] == y[None]).to(torch.float64) - 1
    k, target = k - k.mean(), target - target.mean()
    return {"lga": (k * target).sum() / (k.norm() * target.norm())}


def losses(net, x, y):
    """Of the gradients of each picture's own loss: agreement of signs, entropy of the empirical Fisher information's eigenvalues."""
    g = flat([F.cross_entropy(o[None], t[None]) for o, t in zip(net(x), y)], weights_of(net))
    v = torch.linalg.eigvalsh(g @ g.T).clamp(min=0)
    p = v / v.sum()
    return {"gradsign": g.sign().sum(0).abs().sum(), "vkdnw": -torch.special.xlogy(p, p).sum()}


def pixels(net, x, y):
    """Of each picture's gradient of its summed logits by its own pixels: correlations of all, and of those of one class."""
    x = x.clone().requires_grad_()
    rows = torch.stack([torch.autograd.grad(o.sum(), x, retain_graph=True)[0][i].reshape(-1) for i, o in enumerate(net(x))]).double()
    v = torch.linalg.eigvalsh(torch.corrcoef(rows))
    by_class = [torch.corrcoef(torch.cat([rows[y == c], rows[y == c]]))[:n, :n] for c, n in zip(*y.unique(return_counts=True))]
    return {"jacob_cov": -(torch.log(v + 1e-5) + 1 / (v + 1e-5)).sum(),
            "epe_nas": sum(torch.log(r.abs() + 1e-5).sum().abs() for r in by_class)}


def swap(net, x):
    """The number of different rows of (units) x (pictures)."""
    return {"swap": torch.tensor(float(len(torch.unique(torch.cat(relu_patterns(net, x), 1).T, dim=0))))}


def meco(net, x):
    """Of one picture, the sum over ReLUs of the least eigenvalue of the correlations of the channels that it reads."""
    maps = []
    hooks = [m.register_forward_hook(lambda _, i, __: maps.append(i[0].detach()[0].flatten(1)))
             for m in net.modules() if isinstance(m, nn.ReLU)]
    with torch.no_grad():
        net(x[:1])
    for h in hooks:
        h.remove()
    return {"meco": sum(v for v in (torch.linalg.eigvalsh(torch.corrcoef(m))[0] for m in maps) if v.isfinite())}


def zen(net, x, eps, gamma=0.01):
    """log mean_n sum |phi(x) - phi(x + gamma eps)| + sum over batch norms of log sqrt(mean over channels of the biased
    variance of its input in the forward pass of x); all batch norms use batch statistics."""
    variances = []
    hooks = [m.register_forward_hook(lambda _, i, __: variances.append(i[0].var((0, 2, 3), unbiased=False).mean()))
             for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        a = features(net, x)
        for h in hooks:
            h.remove()
        d = (a - features(net, x + gamma * eps)).abs().sum((1, 2, 3)).mean()
    return {"zen": torch.log(d) + sum(torch.log(v.sqrt()) for v in variances), "zen_difference": torch.log(d)}


def epsinas(net, x):
    """What the classifier reads with all weights 1e-7, and with all 1, each from its least to its greatest on [0, 1]: the mean distance
    over the mean. Published code passes over what is exactly 0, the least; channels that are the same but for rounding then count
    or not by chance, so here all within 1e-9 of it are passed over."""
    found = []
    for value in (1e-7, 1.0):
        for m in net.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)) and m.weight is not None:
                nn.init.constant_(m.weight, value)
            if getattr(m, "bias", None) is not None:
                nn.init.zeros_(m.bias)
        read = []
        hook = net.classifier.register_forward_pre_hook(lambda _, i: read.append(i[0]))
        with torch.no_grad():
            net(x)
        hook.remove()
        found.append((read[0] - read[0].min()) / (read[0].max() - read[0].min()))
    a, b = (torch.where(f < 1e-9, torch.nan, f) for f in found)
    return {"epsinas": (a - b).abs().nanmean() / torch.stack((a, b)).nanmean()}


def synflow_bn(net, x):
    """As synflow, with batch norms: of a network that has a ReLU behind the last, since otherwise the logits add up to a constant."""
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    w = weights_of(net)
    g = torch.autograd.grad(net(torch.ones_like(x[:1])).sum(), w)
    return {"synflow_bn": sum((t * p).abs().sum() for t, p in zip(g, w))}


def synflow(net, x):
    """No batch norm, all parameters made non-negative, an input of ones, one image."""
    without_norm(net)
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    w = weights_of(net)
    g = torch.autograd.grad(net(torch.ones_like(x[:1])).sum(), w)
    return {"synflow": sum((t * p).abs().sum() for t, p in zip(g, w)),
            "logsynflow": sum((p * torch.log(t + 1)).abs().sum() for t, p in zip(g, w))}


def zico(net, batches, y):
    """Sum over layers of log of the sum over weights of mean |g| / deviation of g, over two batches with the same labels, each
    with its own statistics. Weights whose gradient does not vary are passed over. Two gradients of a weight that are nearly the
    same decide the sum, and float32 can't tell how far apart they are: the labels are rolled by one, as without that there is
    such a weight. A batch of 3 can't be halved, so the pictures of `zen` are the second half."""
    w = weights_of(net)
    found = [torch.autograd.grad(F.cross_entropy(net(x), y), w) for x in batches]
    total = 0.0
    for layer in zip(*found):
        g = torch.stack(layer)
        deviation = g.std(0, unbiased=False)
        varies = deviation > 0
        if varies.any():
            total += torch.log((g.abs().mean(0)[varies] / deviation[varies]).sum())
    return {"zico": total}


def entropies(net, x):
    """Of each block, the entropy of the normalised eigenvalues of its channels' covariance over pictures and pixels."""
    found = []
    with torch.no_grad():
        for t in blocks(net, x):
            values = torch.linalg.eigvalsh(torch.cov(t.transpose(0, 1).flatten(1), correction=0)).clamp(min=0)
            p = values / values.sum()
            found.append(-(p * torch.log(p + 1e-8)).sum())
    found = torch.stack(found)
    return {"az_expressivity": found.sum(), "az_progressivity": found.diff().min()}


def signs(cell, like):
    """1 and -1 of the shape of `like`, counted through pictures, rows, columns, channels: the lowest bits of splitmix64."""
    n, c, h, w = like.shape
    key = SIGNS ^ ((cell + 1) * 0xd6e8feb86659fd93 % 2**64)
    z = np.uint64(key) + np.arange(1, n * h * w * c + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    bits = (z ^ (z >> np.uint64(31))) & np.uint64(1)
    return torch.from_numpy(2.0 * bits - 1.0).to(like.dtype).reshape(n, h, w, c).permute(0, 3, 1, 2)


def jacobians(net, x):
    """Of each cell, the largest singular value of the mean over pictures and pixels of its Jacobian by the block before it: of
    (what signs at its output become there) * (signs). Where the cell halves the map, pixels of a window count as channels."""
    found, outputs = [], blocks(net, x)
    for cell, (before, after) in enumerate(zip(outputs, outputs[1:])):
        sent = signs(cell, after)
        received, = torch.autograd.grad(after, before, sent, retain_graph=True)
        n, _, h, w = after.shape
        step = -(-before.shape[2] // h)
        received = F.pad(received, (0, step * w - before.shape[3], 0, step * h - before.shape[2]))
        mean = torch.einsum("nihw,nohw->io", F.pixel_unshuffle(received, step), sent) / (n * h * w)
        found.append(torch.linalg.svdvals(mean)[0])
    s = torch.stack(found)
    return {"mean_jacobian": torch.log(s).mean(), "az_trainability": (2 - s - 1 / (s + 1e-6)).mean()}


def macs(net, x):
    """Multiplications of convolutions and of the classifier for one image."""
    total = []

    def hook(m, _, out):
        total.append(m.weight.numel() * (out.shape[2] * out.shape[3] if out.dim() == 4 else 1))
    hooks = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        net(x[:2])
    for h in hooks:
        h.remove()
    return {"macs": torch.tensor(float(sum(total))), "trainable_layers": torch.tensor(float(len(total))), "params": torch.tensor(float(sum(p.numel() for p in net.parameters())))}


def make_masks(gen):
    full = {k: torch.ones(EDGES, len(PRIMITIVES), dtype=torch.bool) for k in ("normal", "reduce")}

    def drop(base, kind, edge, op):
        m = {k: v.clone() for k, v in base.items()}
        m[kind][edge, PRIMITIVES.index(op)] = False
        return m

    no_none = {k: v.clone() for k, v in full.items()}
    for v in no_none.values():
        v[:, 0] = False
    half = {k: torch.zeros_like(v) for k, v in full.items()}
    for v in half.values():
        for e in range(EDGES):
            v[e, 1 + torch.randperm(7, generator=gen)[:4]] = True
    return {"full": full, "no_none": no_none, "half": half,
            "without_normal_0_sep_conv_3x3": drop(no_none, "normal", 0, "sep_conv_3x3"),
            "without_normal_9_skip_connect": drop(no_none, "normal", 9, "skip_connect"),
            "without_reduce_5_max_pool_3x3": drop(no_none, "reduce", 5, "max_pool_3x3"),
            "without_reduce_1_dil_conv_5x5": drop(no_none, "reduce", 1, "dil_conv_5x5")}


# Of any network, and of a DARTS supernet's cells.
PARTS = (lambda net, d: supervised(net, d["input"], d["target"]), lambda net, d: nngp(net, d["input"]),
         lambda net, d: naswot(net, d["input"]), lambda net, d: regions(net, d["crops"]),
         lambda net, d: ntk(net, d["input"]), lambda net, d: fisher(net, d["input"], d["target"]),
         lambda net, d: lga(net, *two(d)), lambda net, d: losses(net, *two(d)), lambda net, d: pixels(net, *two(d)),
         lambda net, d: swap(net, d["crops"][:32]), lambda net, d: meco(net, d["zen/input"]),
         lambda net, d: grasp(net, d["input"], d["target"]), lambda net, d: epsinas(net, d["input"]),
         lambda net, d: macs(net, d["input"]))

PARTS_201 = (lambda net, d: synflow_bn(net, d["input"]),)

PARTS_DARTS = (lambda net, d: zico(net, (d["input"], d["zen/input"]), d["target"].roll(-1)), lambda net, d: entropies(net, d["input"]),
               lambda net, d: jacobians(net, d["input"]), lambda net, d: zen(net, d["zen/input"], d["zen/eps"]),
               lambda net, d: synflow(net, d["input"]))


def two(d):
    """Twice as many pictures, so that there are two of a class; those with which no ReLU is within rounding of zero."""
    return torch.cat((d["input"], d["zen/eps"])), d["target"].roll(-1).repeat(2)


KEPT_201 = {"full": (0, 1, 2, 3, 4), "no_none": (1, 2, 3, 4), "half": (1, 3)}


def published_201(name, keep):
    """The name of a parameter in published checkpoints."""
    parts = name.split(".")
    if "edges" in parts:
        source, target = EDGES_201[int(parts[3])]
        parts[3:5] = f"{target}<-{source}", str(keep[int(parts[4])]), "op"
    if "main" in parts:
        parts[2:4] = "conv_" + "ab"[int(parts[3])], "op"
    return ".".join(parts).replace("side", "downsample").replace("last.", "lastact.")


def compute_201(data, width, classes):
    """Of networks of NAS-Bench-201, with weights of their own, scales and shifts of norms drawn too, biases before norms 0."""
    gen = torch.Generator().manual_seed(2)
    state = {}
    for k, v in SuperNet201(width, classes, 3).named_parameters():
        drawn = torch.randn(v.shape, generator=gen)
        norm = v.dim() == 1 and "edges" not in k and "classifier" not in k
        v = drawn / math.sqrt(v[0].numel()) if v.dim() > 1 else 0.1 * drawn + (norm and k.endswith("weight"))
        state[published_201(k, KEPT_201["full"])] = torch.zeros_like(v) if "edges" in k and k.endswith("bias") else v
    out = {f"state_201/{k}": v for k, v in state.items()}
    for tag, dt in (("f32", torch.float32), ("f64", torch.float64)):
        cast = {k: v.to(dt) if v.is_floating_point() else v for k, v in data.items()}
        for name, keep in KEPT_201.items():
            for part in PARTS + PARTS_201:
                net = SuperNet201(width, classes, 3, keep)
                for k, v in net.named_parameters():
                    v.data = state[published_201(k, keep)].clone()
                net.alphas_normal = torch.zeros_like(net.alphas_normal).to(dt)
                for function, v in part(net.to(dt).train(), cast).items():
                    out[f"{tag}/201_{name}/{function}"] = v.detach().double().reshape(1)
    return out


def draw(batch, size, classes, gen):
    return {"input": torch.randn(batch, 3, size, size, generator=gen),
            "target": torch.randint(classes, (batch,), generator=gen),
            "crops": torch.randn(40, 3, 8, 8, generator=gen)[torch.randint(40, (96,), generator=gen)],
            "zen/input": torch.randn(batch, 3, size, size, generator=gen),
            "zen/eps": torch.randn(batch, 3, size, size, generator=gen)}


def compute(weights, batch, seed):
    """All tensors of the file: the draw, the masks, every function under every mask at both precisions."""
    gen = torch.Generator().manual_seed(seed)
    with safe_open(weights, "pt") as f:
        meta = f.metadata()
        shape = int(meta["C"]), int(meta["classes"]), int(meta["layers"])
        state = {k: f.get_tensor(k) for k in SuperNet(*shape).state_dict()}
    data = draw(batch, int(meta["size"]), shape[1], gen)
    masks = make_masks(gen)
    out = dict(data)
    for name, m in masks.items():
        for kind, t in m.items():
            out[f"masks/{name}/{kind}"] = t.to(torch.uint8)
    for tag, dt in (("f32", torch.float32), ("f64", torch.float64)):
        cast = {k: v.to(dt) if v.is_floating_point() else v for k, v in data.items()}
        for name, m in masks.items():
            for part in PARTS + PARTS_DARTS:
                net = SuperNet(*shape).to(dt)
                net.load_state_dict({k: v.to(dt) if v.is_floating_point() else v for k, v in state.items()})
                net.alphas_normal, net.alphas_reduce = net.alphas_normal.detach().to(dt), net.alphas_reduce.detach().to(dt)
                for function, v in part(apply_mask(net, m).train(), cast).items():
                    out[f"{tag}/{name}/{function}"] = v.detach().double().reshape(1)
    out.update(compute_201(data, shape[0], shape[1]))
    return out


def check(found, path):
    """Draw and masks to the bit; float64 within 1e-10, float32 within 1e-5 (`plain`, which nearly cancels, 1e-3; `zico`, which
    divides by small differences, 1e-4; functions of eigenvalues 1e-4)."""
    loose = {"f32/plain": 1e-3, "f32/zico": 1e-4, "f32/nngp_condition": 1e-4, "f32/jacob_cov": 1e-4}
    wrong, new = [], set(found)
    with safe_open(path, "pt") as f:
        for k in f.keys():
            kept = f.get_tensor(k)
            new.discard(k)
            tag, function = k.split("/")[0], k.split("/")[-1]
            if k not in found:
                wrong.append(f"{k} is no longer made")
            elif tag in ("f32", "f64"):
                off = (found[k] - kept).abs().item() / max(kept.abs().item(), 1e-30)
                if not off <= loose.get(f"{tag}/{function}", 1e-5 if tag == "f32" else 1e-10):
                    wrong.append(f"{k}: {found[k].item()} here, {kept.item()} in the file, off by {off:.1e}")
            elif not torch.equal(found[k], kept):
                wrong.append(f"{k} is another draw: this torch makes other random numbers")
    print(f"{len(found) - len(new)} tensors compared, {len(wrong)} differ; {len(new)} are not in the file yet")
    print("\n".join(wrong))
    return 1 if wrong else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--weights", default=os.path.join(HERE, "data", "small_reference.safetensors"))
    ap.add_argument("--out", default=os.path.join(HERE, "data", "small_proxies.safetensors"))
    ap.add_argument("--batch", type=int, default=3)
    ap.add_argument("--seed", type=int, default=6)
    ap.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    a = ap.parse_args()
    torch.set_num_threads(1)
    found = compute(a.weights, a.batch, a.seed)
    if a.check:
        return check(found, a.out)
    save_file({k: v.contiguous() for k, v in found.items()}, a.out,
              metadata={"weights": os.path.basename(a.weights), "batch": str(a.batch), "seed": str(a.seed)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
