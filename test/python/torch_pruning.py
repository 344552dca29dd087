"""Seconds of a Hessian, of conjugate gradients for the survivors of a mask, and of SparseGPT in
PyTorch on one GPU, as JSON. usage: torch_pruning.py SHAPE, SHAPE as in test/bench/cuda-prune.ts"""
import json
import sys
import time

import torch

from torch_sparse_gpt import sparse_gpt

shape = json.loads(sys.argv[1])
R, C, T, S, N, STEPS = (shape[k] for k in ("rows", "cols", "seqlen", "sequences", "rounds", "steps"))
dev = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
torch.backends.cuda.matmul.allow_tf32 = False


def timed(work):
    """The second time: what is compiled or looked up is there then."""
    for _ in range(2):
        if dev == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        out = work()
        if dev == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - started, out


x = torch.randn(S, T, C, device=dev)
x[..., 1:] += 0.5 * x[..., :-1]
x = x.bfloat16()


def gram():
    h = torch.zeros(C, C, device=dev)
    for _ in range(N):
        for s in range(S):
            h += x[s].t() @ x[s]
    return h


def survivors(w, kept, h, damping):
    """As `solveSurvivors` of esparse: f32, a diagonal preconditioner, all rows at once."""
    scale = 1 / (h.diagonal() + damping)
    times = lambda a: a @ h + damping * a
    found = w * kept
    residual = kept * times(w - found)
    direction = residual * scale
    energy = (residual * direction).sum(1, keepdim=True)
    for _ in range(STEPS):
        image = kept * times(direction)
        length = energy / (image * direction).sum(1, keepdim=True)
        found = found + length * direction
        residual = residual - length * image
        after = (residual * residual * scale).sum(1, keepdim=True)
        direction = residual * scale + after / energy * direction
        energy = after
    return found


seconds = {}
seconds["gram"], h = timed(gram)
damping = 0.01 * h.diagonal().mean()
w = torch.randn(R, C, device=dev)
groups = w.abs().view(R, C // 4, 4)
kept = torch.zeros_like(groups).scatter_(2, groups.topk(2, dim=2)[1], 1).view(R, C)
seconds["survivors"], _ = timed(lambda: survivors(w, kept, h, damping))
seconds["sparseGpt"], _ = timed(lambda: sparse_gpt(w, h, damping))
print(json.dumps(seconds))
