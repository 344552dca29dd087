"""Seconds of a step of tuning a LLaMA block in PyTorch: bf16 autocast, compiled, fused Adam, masks on gradients. usage: torch_tuning.py SHAPE STEPS,
SHAPE as in test/bench/tuning-cuda.ts"""
import json
import sys
import time

import torch
import torch.nn.functional as F

shape, steps = json.loads(sys.argv[1]), int(sys.argv[2])
D, I, H, K, T, B = (shape[k] for k in ("hidden", "inner", "heads", "kvHeads", "seqlen", "batch"))
HD = D // H
dev = "cuda"
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        new = lambda rows, cols: torch.nn.Linear(cols, rows, bias=False)
        self.q, self.k, self.v, self.o = new(D, D), new(K * HD, D), new(K * HD, D), new(D, D)
        self.gate, self.up, self.down = new(I, D), new(I, D), new(D, I)
        self.n1, self.n2 = torch.nn.Parameter(torch.ones(D)), torch.nn.Parameter(torch.ones(D))
        angle = torch.arange(T)[:, None] / 1e4 ** (torch.arange(0, HD, 2) / HD)
        self.register_buffer("cos", torch.cat([angle, angle], 1).cos())
        self.register_buffer("sin", torch.cat([angle, angle], 1).sin())

    def turn(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, x):
        y = F.rms_norm(x, (D,), self.n1, 1e-5)
        heads = lambda z, n: z.view(B, T, n, HD).transpose(1, 2)
        q, k, v = self.turn(heads(self.q(y), H)), self.turn(heads(self.k(y), K)), heads(self.v(y), K)
        a = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True, enable_gqa=K != H)
        x = x + self.o(a.transpose(1, 2).reshape(B, T, D))
        y = F.rms_norm(x, (D,), self.n2, 1e-5)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


block = Block().to(dev)
masks = {p: (torch.rand_like(p) > 0.5) for p in block.parameters() if p.dim() == 2}
for p, m in masks.items():
    p.data.mul_(m)
opt = torch.optim.Adam(block.parameters(), lr=torch.tensor(1e-4), fused=True)
inputs, targets = (torch.randn(2 * B, T, D, device=dev) for _ in "ab")


@torch.compile
def loss_of(x, t):
    with torch.autocast("cuda", dtype=torch.bfloat16):
        return (block(x).float() - t).pow(2).mean()


def step(i):
    ix = (torch.arange(B, device=dev) + i * B) % (2 * B)
    loss = loss_of(inputs[ix], targets[ix])
    opt.zero_grad()
    loss.backward()
    for p, m in masks.items():
        p.grad.mul_(m)
    opt.step()
    return loss


for i in range(10):
    step(i)
torch.cuda.synchronize()
start = time.time()
for i in range(steps):
    step(i)
torch.cuda.synchronize()
print((time.time() - start) / steps)
