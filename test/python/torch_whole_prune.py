"""Prunes a LLaMA checkpoint to 2:4 in PyTorch, bf16 on one GPU, block after block, as published methods do: the block is run over the
calibration, each linear's weights are scored by the statistics of its input (or solved for), the block is run again, and its
weights are written. Prints the seconds of reading, computing and writing as JSON. usage: torch_whole_prune.py CHECKPOINT SAMPLES SEQLEN
METHOD OUT, METHOD wanda-entropy or sparsegpt"""
import json
import os
import pathlib
import sys
import time

import torch
import torch.nn.functional as F

from torch_sparse_gpt import sparse_gpt

folder, samples, seqlen, method, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
BINS, CHUNK = 100, 8
dev = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
seconds = dict.fromkeys(("open", "read", "calibrate", "prune", "advance", "write"), 0.0)
began = time.perf_counter()


class timed:
    def __init__(self, phase):
        self.phase = phase

    def __enter__(self):
        self.began = time.perf_counter()

    def __exit__(self, *_):
        if dev == "cuda":
            torch.cuda.synchronize()
        seconds[self.phase] += time.perf_counter() - self.began


config = json.loads(pathlib.Path(folder, "config.json").read_text())
D, H = config["hidden_size"], config["num_attention_heads"]
HD = D // H
tensors = {}
for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
    size = os.path.getsize(file)
    data = torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)
    length = int.from_bytes(bytes(data[:8].tolist()), "little")
    for name, info in json.loads(bytes(data[8 : 8 + length].numpy())).items():
        if name != "__metadata__":
            first, last = (8 + length + at for at in info["data_offsets"])
            tensors[name] = data[first:last].view(torch.bfloat16).view(info["shape"])


class Linear:
    """A weight, and what is gathered of its input."""

    def __init__(self, weight):
        self.w, self.squares, self.bins, self.h, self.n = weight, 0, None, None, 0
        self.gathers = False

    def __call__(self, x):
        if self.gathers:
            for each in x:
                self.add(each)
        return F.linear(x, self.w)

    def add(self, x):
        if method == "sparsegpt":
            wide = x.float()
            self.h = wide.t() @ wide if self.h is None else self.h.addmm_(wide.t(), wide)
            return
        self.squares = self.squares + x.float().square().sum(0)
        self.n += 1
        if self.bins is None:
            self.low, self.high = x.amin(0).float(), x.amax(0).float()
            self.bins = torch.zeros(x.shape[1], BINS, device=dev)
        place = ((x.float() - self.low) * (BINS / (self.high - self.low).clamp_min(1e-9))).clamp_(0, BINS - 1)
        place = place.long().t().contiguous()
        self.bins.scatter_add_(1, place, torch.ones_like(place, dtype=torch.float32))

    def prune(self):
        if method == "sparsegpt":
            self.w = sparse_gpt(self.w.float(), self.h, 0.01 * self.h.diagonal().mean()).bfloat16()
            return
        share = self.bins / self.bins.sum(1, keepdim=True)
        entropy = -(share * share.clamp_min(1e-12).log()).sum(1)
        score = self.w.float().abs() * (entropy + (self.squares / self.n).sqrt())
        groups = score.view(-1, 4)
        mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, groups.topk(2, 1)[1], True)
        self.w = self.w * mask.view_as(self.w)


angle = torch.arange(seqlen)[:, None] / config["rope_theta"] ** (torch.arange(0, HD, 2) / HD)
cos, sin = (torch.cat([f(angle)] * 2, 1).bfloat16().to(dev) for f in (torch.cos, torch.sin))


def block_of(k):
    at = lambda name: tensors[f"model.layers.{k}.{name}.weight"].to(dev)
    linears = {n: Linear(at(f"self_attn.{n}_proj")) for n in "qkvo"}
    linears |= {n: Linear(at(f"mlp.{n}_proj")) for n in ("gate", "up", "down")}
    norms = at("input_layernorm"), at("post_attention_layernorm")
    # Those that read the same input share what is gathered of it.
    gathering = [linears[n] for n in ("q", "o", "gate", "down")]

    def forward(x):
        turned = lambda z: z * cos + torch.cat([-z[..., HD // 2 :], z[..., : HD // 2]], -1) * sin
        heads = lambda z: z.view(len(x), seqlen, -1, HD).transpose(1, 2)
        y = F.rms_norm(x, (D,), norms[0], config["rms_norm_eps"])
        q, k_, v = turned(heads(linears["q"](y))), turned(heads(linears["k"](y))), heads(linears["v"](y))
        a = F.scaled_dot_product_attention(q, k_, v, is_causal=True, enable_gqa=q.shape[1] != v.shape[1])
        x = x + linears["o"](a.transpose(1, 2).reshape(x.shape))
        y = F.rms_norm(x, (D,), norms[1], config["rms_norm_eps"])
        return x + linears["down"](F.silu(linears["gate"](y)) * linears["up"](y))

    def prune():
        for n, of in {"k": "q", "v": "q", "up": "gate"}.items():
            for gathered in ("squares", "bins", "h", "n"):
                setattr(linears[n], gathered, getattr(linears[of], gathered))
        for linear in linears.values():
            linear.prune()

    return linears, gathering, forward, prune


with torch.no_grad():
    with timed("open"):
        tokens = torch.randint(config["vocab_size"], (samples, seqlen))
        states = F.embedding(tokens, tensors["model.embed_tokens.weight"]).to(dev)
    blocks = []
    for k in range(config["num_hidden_layers"]):
        started = time.perf_counter()
        with timed("read"):
            linears, gathering, forward, prune = block_of(k)
        with timed("calibrate"):
            for linear in gathering:
                linear.gathers = True
            for part in states.split(CHUNK):
                forward(part)
            for linear in gathering:
                linear.gathers = False
        with timed("prune"):
            prune()
        with timed("advance"):
            for part in states.split(CHUNK):
                part.copy_(forward(part))
        with timed("write"):
            with open(f"{out}.{k}", "wb") as file:
                for linear in linears.values():
                    file.write(linear.w.cpu().contiguous().view(torch.uint8).numpy().data)
        blocks.append(time.perf_counter() - started)
    for k in range(config["num_hidden_layers"]):
        os.remove(f"{out}.{k}")
print(json.dumps({"phases": seconds, "blocks": blocks, "total": time.perf_counter() - began}))
