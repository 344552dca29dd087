"""Wanda and SparseGPT on a LLaMA in PyTorch, as their papers have them: what `npm run bench:methods` measures against.

usage: torch_methods.py MODEL WINDOWS SEQLEN METHOD THREADS

WINDOWS holds the token ids, u32 little-endian, of all calibration windows one after the other. METHOD is wanda or
sparsegpt, at 2:4, in the original order. Block by block in f32: the activations of every window, the pruning of every
linear, every window again with what is left. Nothing is written. Prints the seconds of its parts as JSON.
"""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch

MODEL, WINDOWS, SEQLEN, METHOD, THREADS = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
KEEP, GROUP = 2, 4
DAMPING, BLOCK = 0.01, 128
# The linears of a block, by the tap that feeds them.
TAPS = {
    "attention": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "output": ["self_attn.o_proj"],
    "mlp": ["mlp.gate_proj", "mlp.up_proj"],
    "down": ["mlp.down_proj"],
}


def read_tensors(folder):
    """All tensors of a bf16 checkpoint, as f32."""
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        data = file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        body = memoryview(data)[8 + length :]
        for name, info in json.loads(data[8 : 8 + length]).items():
            if name == "__metadata__":
                continue
            assert info["dtype"] == "BF16", f"{name} is {info['dtype']}: bf16 is read"
            begin, end = info["data_offsets"]
            bits = np.frombuffer(body[begin:end], "<u2").astype(np.uint32) << 16
            tensors[name] = torch.from_numpy(bits.view(np.float32).reshape(info["shape"]))
    return tensors


def rotary(dim, theta):
    angles = np.outer(np.arange(SEQLEN), theta ** (-np.arange(0, dim, 2) / dim))
    angles = np.concatenate([angles, angles], axis=1).astype(np.float32)
    return torch.from_numpy(np.cos(angles)), torch.from_numpy(np.sin(angles))


class Llama:
    def __init__(self, config, tensors):
        self.tensors = tensors
        self.eps = config["rms_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads", self.heads)
        self.dim = config.get("head_dim") or config["hidden_size"] // self.heads
        self.cos, self.sin = rotary(self.dim, config["rope_theta"])
        self.causal = torch.full((SEQLEN, SEQLEN), float("-inf")).triu(1)

    def norm(self, x, name):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.tensors[name]

    def heads_of(self, x, heads, turned):
        x = x.view(SEQLEN, heads, self.dim).transpose(0, 1)
        if turned:
            half = self.dim // 2
            x = x * self.cos + torch.cat([-x[..., half:], x[..., :half]], -1) * self.sin
        return x.repeat_interleave(self.heads // heads, 0)

    def block(self, x, at, see=lambda tap, x: None):
        """A window through one block; `see` is shown what feeds the linears."""
        linear = lambda x, name: x @ self.tensors[f"{at}.{name}.weight"].T
        a = self.norm(x, f"{at}.input_layernorm.weight")
        see("attention", a)
        q = self.heads_of(linear(a, "self_attn.q_proj"), self.heads, True)
        k = self.heads_of(linear(a, "self_attn.k_proj"), self.kv_heads, True)
        v = self.heads_of(linear(a, "self_attn.v_proj"), self.kv_heads, False)
        weights = torch.softmax(q @ k.transpose(1, 2) * self.dim**-0.5 + self.causal, -1)
        o = (weights @ v).transpose(0, 1).reshape(SEQLEN, -1)
        see("output", o)
        x = x + linear(o, "self_attn.o_proj")
        m = self.norm(x, f"{at}.post_attention_layernorm.weight")
        see("mlp", m)
        down = torch.nn.functional.silu(linear(m, "mlp.gate_proj")) * linear(m, "mlp.up_proj")
        see("down", down)
        return x + linear(down, "mlp.down_proj")


def largest(scores):
    """True for the KEEP largest of every GROUP columns."""
    grouped = scores.view(len(scores), -1, GROUP)
    kept = torch.zeros_like(grouped, dtype=torch.bool)
    return kept.scatter_(2, grouped.topk(KEEP, 2).indices, True).view_as(scores)


def wanda(weight, squares, windows):
    return weight * largest(weight.abs() * (squares / windows).sqrt())


def sparsegpt(weight, hessian, _windows):
    w, h = weight.clone(), hessian.clone()
    dead = h.diagonal() == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    h.diagonal().add_(DAMPING * h.diagonal().mean())
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    for first in range(0, w.shape[1], BLOCK):
        end = min(first + BLOCK, w.shape[1])
        part, corner = w[:, first:end].clone(), factor[first:end, first:end]
        done, errors = torch.zeros_like(part), torch.zeros_like(part)
        for i in range(end - first):
            if i % GROUP == 0:
                kept = largest(part[:, i : i + GROUP] ** 2 / corner.diagonal()[i : i + GROUP] ** 2)
            done[:, i] = part[:, i] * kept[:, i % GROUP]
            errors[:, i] = (part[:, i] - done[:, i]) / corner[i, i]
            part[:, i:] -= errors[:, i : i + 1] @ corner[i : i + 1, i:]
        w[:, first:end] = done
        w[:, end:] -= errors @ factor[first:end, end:]
    return w


def main():
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    seconds = {"open": 0.0, "calibrate": 0.0, "prune": 0.0, "advance": 0.0}
    mark = time.perf_counter()

    def lap(part):
        nonlocal mark
        now = time.perf_counter()
        seconds[part] += now - mark
        mark = now

    config = json.loads((MODEL / "config.json").read_text())
    model = Llama(config, read_tensors(MODEL))
    windows = torch.from_numpy(np.fromfile(WINDOWS, "<u4").astype(np.int64)).view(-1, SEQLEN)
    states = list(model.tensors["model.embed_tokens.weight"][windows])
    prune = {"wanda": wanda, "sparsegpt": sparsegpt}[METHOD]
    lap("open")
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        sums = {}

        def see(tap, x):
            seen = (x * x).sum(0) if METHOD == "wanda" else x.T @ x
            sums[tap] = sums[tap] + seen if tap in sums else seen

        for state in states:
            model.block(state, at, see)
        lap("calibrate")
        for tap, names in TAPS.items():
            for name in names:
                key = f"{at}.{name}.weight"
                model.tensors[key] = prune(model.tensors[key], sums[tap], len(states))
        lap("prune")
        states = [model.block(state, at) for state in states]
        lap("advance")
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "seconds": seconds}))


main()
