"""Times what PyTorch makes of the same work, each as a CUDA graph: peers.py FILE [prompts | steps | linears], for those of
prefill, of decoding or of its linears alone. Lines as those of `bench.cuh`."""

import sys

import torch
import torch.nn.functional as F

SHAPES = [(2048, 2048), (5632, 2048), (2048, 5632), (4096, 4096), (6144, 4096), (11008, 4096), (14336, 4096),
          (4096, 14336), (28672, 4096), (8192, 8192), (28672, 8192)]  # fmt: skip
MODELS = {
    "1.1B": dict(hidden=2048, inner=5632, layers=22, heads=32, kv_heads=4, dims=64, vocabulary=32000),
    "8B": dict(hidden=4096, inner=14336, layers=32, heads=32, kv_heads=8, dims=128, vocabulary=128256),
}
POSITIONS = 512


def random(*shape):
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16) * shape[-1] ** -0.5


def microseconds(work, repeats=15):
    """Median of replays of `work` as a graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        work()
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    times = []
    for i in range(repeats + 2):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e3)
    return sorted(times[2:])[repeats // 2]


def linear(rows, cols, tokens, copies=None):
    copies = copies or 1_200_000_000 // (rows * cols * 2) + 2
    weights = [random(rows, cols) for _ in range(copies)]
    x = random(tokens, cols)

    def work():
        for w in weights:
            F.linear(x, w)

    return microseconds(work) / copies


def attention(heads, kv_heads, dims, tokens):
    q, k, v = random(1, heads, tokens, dims), random(1, kv_heads, tokens, dims), random(1, kv_heads, tokens, dims)
    return microseconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True))


def semi_structured(rows, cols, tokens):
    copies = 1_200_000_000 // (rows * cols * 9 // 8) + 2
    mask = torch.tensor([0, 0, 1, 1], device="cuda", dtype=torch.bool).tile(rows, cols // 4)
    weights = [torch.sparse.to_sparse_semi_structured(random(rows, cols).masked_fill(~mask, 0)) for _ in range(copies)]
    x = random(tokens, cols)

    def work():
        for w in weights:
            F.linear(x, w)

    return microseconds(work) / copies


class Model:
    """A decoder of the Llama kind with random weights; q, k, v and gate, up as one linear each."""

    def __init__(self, hidden, inner, layers, heads, kv_heads, dims, vocabulary, tokens):
        self.heads, self.kv_heads, self.dims, self.inner, self.tokens = heads, kv_heads, dims, inner, tokens
        self.layers = [
            dict(
                qkv=random((heads + 2 * kv_heads) * dims, hidden),
                o=random(hidden, heads * dims),
                gate_up=random(2 * inner, hidden),
                down=random(hidden, inner),
                norms=[random(hidden), random(hidden)],
                keys=random(tokens, kv_heads, POSITIONS, dims),
                values=random(tokens, kv_heads, POSITIONS, dims),
            )
            for _ in range(layers)
        ]
        self.embedding, self.head, self.norm = random(vocabulary, hidden), random(vocabulary, hidden), random(hidden)
        self.cos, self.sin = random(dims), random(dims)
        self.ids = torch.zeros(tokens, device="cuda", dtype=torch.long)
        self.position = torch.tensor([POSITIONS - 1], device="cuda")

    def stack(self):
        x = self.embedding[self.ids]
        for layer in self.layers:
            F.linear(x, layer["qkv"])
            x = F.linear(x[:, : layer["o"].shape[1]], layer["o"])
            x = F.linear(F.linear(x, layer["gate_up"])[:, : self.inner], layer["down"])

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat((-b, a), -1) * self.sin

    def block(self, x, layer):
        q_rows, kv_rows = self.heads * self.dims, self.kv_heads * self.dims
        y = F.rms_norm(x, (x.shape[-1],), layer["norms"][0], 1e-5)
        q, k, v = F.linear(y, layer["qkv"]).split([q_rows, kv_rows, kv_rows], -1)
        q = self.rotate(q.view(self.tokens, self.heads, 1, self.dims))
        layer["keys"].index_copy_(2, self.position, self.rotate(k.view(self.tokens, self.kv_heads, 1, self.dims)))
        layer["values"].index_copy_(2, self.position, v.view(self.tokens, self.kv_heads, 1, self.dims))
        y = F.scaled_dot_product_attention(q, layer["keys"], layer["values"], enable_gqa=True)
        x = x + F.linear(y.reshape(self.tokens, q_rows), layer["o"])
        y = F.rms_norm(x, (x.shape[-1],), layer["norms"][1], 1e-5)
        gate, up = F.linear(y, layer["gate_up"]).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer["down"])

    def step(self, block):
        x = self.embedding[self.ids]
        for layer in self.layers:
            x = block(x, layer)
        x = F.rms_norm(x, (x.shape[-1],), self.norm, 1e-5)
        self.ids.copy_(F.linear(x, self.head).argmax(-1))


class Prompt:
    """A whole prompt through a decoder with random weights, and the logits of its last token."""

    def __init__(self, hidden, inner, layers, heads, kv_heads, dims, vocabulary, tokens):
        self.heads, self.kv_heads, self.dims, self.inner = heads, kv_heads, dims, inner
        self.layers = [
            dict(
                qkv=random((heads + 2 * kv_heads) * dims, hidden),
                o=random(hidden, heads * dims),
                gate_up=random(2 * inner, hidden),
                down=random(hidden, inner),
                norms=[random(hidden), random(hidden)],
            )
            for _ in range(layers)
        ]
        self.embedding, self.head, self.norm = random(vocabulary, hidden), random(vocabulary, hidden), random(hidden)
        self.cos, self.sin = random(tokens, dims), random(tokens, dims)
        self.ids = torch.randint(0, vocabulary, (tokens,), device="cuda")
        self.keys = [random(1, kv_heads, tokens, dims) for _ in range(layers)]
        self.values = [random(1, kv_heads, tokens, dims) for _ in range(layers)]

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat((-b, a), -1) * self.sin

    def block(self, x, layer, keys, values):
        tokens, q_rows, kv_rows = len(x), self.heads * self.dims, self.kv_heads * self.dims
        y = F.rms_norm(x, (x.shape[-1],), layer["norms"][0], 1e-5)
        q, k, v = F.linear(y, layer["qkv"]).split([q_rows, kv_rows, kv_rows], -1)
        q = self.rotate(q.view(1, tokens, self.heads, self.dims).transpose(1, 2))
        keys.copy_(self.rotate(k.view(1, tokens, self.kv_heads, self.dims).transpose(1, 2)))
        values.copy_(v.view(1, tokens, self.kv_heads, self.dims).transpose(1, 2))
        y = F.scaled_dot_product_attention(q, keys, values, is_causal=True, enable_gqa=True)
        x = x + F.linear(y.transpose(1, 2).reshape(tokens, q_rows), layer["o"])
        y = F.rms_norm(x, (x.shape[-1],), layer["norms"][1], 1e-5)
        gate, up = F.linear(y, layer["gate_up"]).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer["down"])

    def run(self, block):
        x = self.embedding[self.ids]
        for layer, keys, values in zip(self.layers, self.keys, self.values):
            x = block(x, layer, keys, values)
        F.linear(F.rms_norm(x[-1:], (x.shape[-1],), self.norm, 1e-5), self.head)


def time_prompts(add):
    for name, shape in MODELS.items():
        for tokens in (512, 2048):
            model = Prompt(**shape, tokens=tokens)
            add("prompt", name, tokens, "torch", microseconds(lambda: model.run(model.block), repeats=7))
            torch._dynamo.reset()
            block = torch.compile(model.block, dynamic=False)
            add("prompt", name, tokens, "torch-compiled", microseconds(lambda: model.run(block), repeats=7))
            del model
            torch.cuda.empty_cache()


def time_linears(add):
    for rows, cols in SHAPES:
        for tokens in (1, 8, 16):
            add("linear", f"{rows} x {cols}", tokens, "torch", linear(rows, cols, tokens))


def time_steps(add):
    for name, shape in MODELS.items():
        for tokens in (1, 2, 4, 8, 16, 32, 64):
            model = Model(**shape, tokens=tokens)
            if tokens in (1, 8, 16):
                add("stack", name, tokens, "torch", microseconds(model.stack))
            add("step", name, tokens, "torch", microseconds(lambda: model.step(model.block)))
            if tokens in (1, 16, 64):
                torch._dynamo.reset()
                block = torch.compile(model.block, dynamic=False)
                add("step", name, tokens, "torch-compiled", microseconds(lambda: model.step(block)))
            del model
            torch.cuda.empty_cache()


def main():
    with open(sys.argv[1], "w") as out, torch.no_grad():

        def add(what, shape, tokens, variant, us):
            print(what, shape, tokens, variant, f"{us:.3f}", 0, sep="\t", file=out, flush=True)

        if "steps" in sys.argv[2:]:
            time_steps(add)
            return
        if "linears" in sys.argv[2:]:
            time_linears(add)
            return
        for rows, cols in [(4096, 4096), (6144, 4096), (11008, 4096), (4096, 14336), (28672, 4096)]:
            for tokens in (512, 2048, 8192):
                add("prefill", f"{rows} x {cols}", tokens, "torch", linear(rows, cols, tokens, copies=4))
        for name, shape in MODELS.items():
            for tokens in (512, 2048, 8192):
                us = attention(shape["heads"], shape["kv_heads"], shape["dims"], tokens)
                add("prefill", f"attention of {name}", tokens, "torch", us)
        time_prompts(add)
        if "prompts" in sys.argv[2:]:
            return
        time_linears(add)
        for rows, cols in [(4096, 4096), (11008, 4096), (28672, 8192)]:
            try:
                us = semi_structured(rows, cols, 16)
                add("linear", f"{rows} x {cols}", 16, "semi-structured", us)
            except RuntimeError as error:
                print("semi-structured:", error)
        time_steps(add)


main()
