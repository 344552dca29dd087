"""Writes test/fixtures/families: a small random checkpoint of each model family, with its logits.

An implementation of the families of its own, in NumPy and f64, one formula a line, written from the papers and from the
documentation of Hugging Face's models. Nothing of it is shared with the library, whose tests compare with the logits.

    python3 test/python/family_fixtures.py
"""

import json
import struct
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "families"
TOKENS = 24
LAYERS = 2
VOCABULARY = 40


def bf16(values):
    """The values with the low half of each f32 cut off: exact in bf16."""
    return (values.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


class Weights(dict):
    """Random tensors by name, made at their first use and then kept."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)

    def vector(self, name, size, mean=0.0, spread=0.3):
        return self._tensor(name, (size,), mean, spread)

    def matrix(self, name, rows, cols, spread=None):
        return self._tensor(name, (rows, cols), 0.0, spread or 1.5 / np.sqrt(cols))

    def _tensor(self, name, shape, mean, spread):
        if name not in self:
            self[name] = bf16(mean + spread * self.random.standard_normal(shape))
        return self[name].astype(np.float64)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(q, k, v, heads, kv_heads):
    """q, k, v: (tokens, heads * dim). Each token sees itself and those before it."""
    tokens, dim = q.shape[0], q.shape[1] // heads
    hidden_from = np.triu(np.ones((tokens, tokens), bool), 1)
    outputs = []
    for head in range(heads):
        shared = head // (heads // kv_heads)
        query = q[:, head * dim : (head + 1) * dim]
        key = k[:, shared * dim : (shared + 1) * dim]
        value = v[:, shared * dim : (shared + 1) * dim]
        scores = np.where(hidden_from, -np.inf, query @ key.T / np.sqrt(dim))
        outputs.append(softmax(scores) @ value)
    return np.concatenate(outputs, axis=1)


def rotate(x, heads, theta):
    """Half-split rotary embedding: channel j of a head is turned together with channel j + dim / 2."""
    tokens, dim = x.shape[0], x.shape[1] // heads
    angles = np.outer(np.arange(tokens), theta ** (-np.arange(0, dim, 2) / dim))
    cos, sin = np.cos(angles), np.sin(angles)
    turned = []
    for head in range(heads):
        first, second = np.split(x[:, head * dim : (head + 1) * dim], 2, axis=1)
        turned += [first * cos - second * sin, second * cos + first * sin]
    return np.concatenate(turned, axis=1)


def llama_like(config, tokens, seed, biased):
    """LLaMA, Mistral and Qwen2: RMSNorm, rotary positions, SwiGLU; `biased` names the linears with a bias."""
    weights = Weights(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    dim = config.get("head_dim") or hidden // heads

    def norm(x, name):
        root = np.sqrt((x**2).mean(axis=1, keepdims=True) + config["rms_norm_eps"])
        return x / root * weights.vector(f"{name}.weight", hidden, 1.0)

    def linear(x, name, rows, cols):
        y = x @ weights.matrix(f"{name}.weight", rows, cols).T
        return y + weights.vector(f"{name}.bias", rows) if name.split(".")[-1] in biased else y

    x = weights.matrix("model.embed_tokens.weight", VOCABULARY, hidden, 1.0)[tokens]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        a = norm(x, f"{at}.input_layernorm")
        q = rotate(linear(a, f"{at}.self_attn.q_proj", heads * dim, hidden), heads, config["rope_theta"])
        k = rotate(linear(a, f"{at}.self_attn.k_proj", kv_heads * dim, hidden), kv_heads, config["rope_theta"])
        v = linear(a, f"{at}.self_attn.v_proj", kv_heads * dim, hidden)
        x = x + linear(attention(q, k, v, heads, kv_heads), f"{at}.self_attn.o_proj", hidden, heads * dim)
        m = norm(x, f"{at}.post_attention_layernorm")
        gate = linear(m, f"{at}.mlp.gate_proj", inner, hidden)
        up = linear(m, f"{at}.mlp.up_proj", inner, hidden)
        x = x + linear(gate / (1 + np.exp(-gate)) * up, f"{at}.mlp.down_proj", hidden, inner)
    tied = config["tie_word_embeddings"]
    head = weights.matrix("model.embed_tokens.weight" if tied else "lm_head.weight", VOCABULARY, hidden)
    return weights, norm(x, "model.norm") @ head.T


def opt(config, tokens, seed):
    """OPT: LayerNorm before each part, learned positions from row 2 on, biases everywhere, ReLU."""
    weights = Weights(seed)
    hidden, inner, heads = config["hidden_size"], config["ffn_dim"], config["num_attention_heads"]
    decoder = "model.decoder"

    def norm(x, name):
        centred = x - x.mean(axis=1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        return normal * weights.vector(f"{name}.weight", hidden, 1.0) + weights.vector(f"{name}.bias", hidden)

    def linear(x, name, rows, cols):
        return x @ weights.matrix(f"{name}.weight", rows, cols).T + weights.vector(f"{name}.bias", rows)

    embedding = weights.matrix(f"{decoder}.embed_tokens.weight", VOCABULARY, hidden, 1.0)
    rows = config["max_position_embeddings"] + 2
    positions = weights.matrix(f"{decoder}.embed_positions.weight", rows, hidden, 0.5)
    x = embedding[tokens] + positions[2 : 2 + len(tokens)]
    for layer in range(LAYERS):
        at = f"{decoder}.layers.{layer}"
        a = norm(x, f"{at}.self_attn_layer_norm")
        q, k, v = (linear(a, f"{at}.self_attn.{part}_proj", hidden, hidden) for part in "qkv")
        x = x + linear(attention(q, k, v, heads, heads), f"{at}.self_attn.out_proj", hidden, hidden)
        m = norm(x, f"{at}.final_layer_norm")
        x = x + linear(np.maximum(linear(m, f"{at}.fc1", inner, hidden), 0), f"{at}.fc2", hidden, inner)
    return weights, norm(x, f"{decoder}.final_layer_norm") @ embedding.T


def write_safetensors(file, tensors):
    header, bodies, at = {}, [], 0
    for name, values in tensors.items():
        body = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [at, at + len(body)]}
        bodies.append(body)
        at += len(body)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(bodies))


ROTARY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
}

FAMILIES = {
    "llama": (
        {**ROTARY, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": True},
        lambda config, tokens: llama_like(config, tokens, 1, set()),
    ),
    "mistral": (
        {
            **ROTARY,
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "head_dim": 12,
            "sliding_window": None,
            "tie_word_embeddings": False,
        },
        lambda config, tokens: llama_like(config, tokens, 2, set()),
    ),
    "qwen2": (
        {
            **ROTARY,
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "rope_theta": 1000000.0,
            "use_sliding_window": False,
            "sliding_window": 16,
            "tie_word_embeddings": False,
        },
        lambda config, tokens: llama_like(config, tokens, 3, {"q_proj", "k_proj", "v_proj"}),
    ),
    "opt": (
        {
            "architectures": ["OPTForCausalLM"],
            "model_type": "opt",
            "activation_function": "relu",
            "do_layer_norm_before": True,
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 64,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "vocab_size": VOCABULARY,
            "tie_word_embeddings": True,
        },
        lambda config, tokens: opt(config, tokens, 4),
    ),
}

for family, (config, run) in FAMILIES.items():
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, TOKENS)
    weights, logits = run(config, tokens)
    folder = FOLDER / family
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_safetensors(folder / "model.safetensors", weights)
    expected = {"tokens": tokens.tolist(), "logits": [[float(f"{value:.9g}") for value in row] for row in logits]}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
