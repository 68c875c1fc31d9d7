"""Writes method_reference.json: what PyTorch makes of the parts of a method that act on the alphas alone, from numbers that are
a formula, so that nothing but results has to be kept; and how far PyTorch's own float32 is from them.
`python tests/method_reference.py > tests/method_reference.json`"""
import json

import torch

EDGES, OPERATIONS, EPOCHS = 14, 8, 6
LAMBDA = 25.0


def table(formula, dtype):
    rows = [[[formula((kind * EDGES + e) * OPERATIONS + o) for o in range(OPERATIONS)] for e in range(EDGES)]
            for kind in range(2)]
    return torch.tensor(rows, dtype=dtype)


def start(dtype):
    return table(lambda i: ((i * 37 + 11) % 64 - 32) / 16, dtype)


def loss_gradient(step, dtype):
    return table(lambda i: ((i * 29 + step * 13 + 5) % 128 - 64) / 512, dtype)


KEPT = torch.tensor([[[(kind + e + o) % 3 != 0 for o in range(OPERATIONS)] for e in range(EDGES)] for kind in range(2)])


def beta(alphas):
    """The mean over the edges of both kinds of logsumexp over what is kept."""
    return torch.logsumexp(alphas.masked_fill(~KEPT, float("-inf")), dim=-1).mean()


def beta_decay(dtype):
    """The term, its gradient at the start, and the alphas after a step of Adam an epoch on a given loss and the term."""
    alphas = start(dtype).requires_grad_()
    term = beta(alphas)
    (gradient,) = torch.autograd.grad(term, alphas)
    adam = torch.optim.Adam([alphas], lr=3e-2, betas=(0.5, 0.999), weight_decay=1e-3)
    for epoch in range(EPOCHS):
        weight = LAMBDA * epoch / EPOCHS
        adam.zero_grad()
        ((alphas * loss_gradient(epoch, dtype)).sum() + weight * beta(alphas)).backward()
        adam.step()
    # What was cut does not exist.
    return [term.detach().reshape(1), gradient[KEPT], alphas.detach()[KEPT]]


exact, rounded = beta_decay(torch.float64), beta_decay(torch.float32)
told = {}
for name, e, r in zip(["term", "gradient", "alphas"], exact, rounded):
    told[name] = e.tolist()
    told[name + "_float32_error"] = (e - r.double()).abs().max().item()
print(json.dumps({"beta_decay": told}))
