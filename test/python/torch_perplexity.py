"""Perplexity of exported checkpoints (`esparse export --format safetensors`) as `esparse eval` measures it, in PyTorch on a GPU, with f32
arithmetic and nothing but torch: for models that take a processor long.

    python test/python/torch_perplexity.py TOKENS SEQLEN FOLDER...

TOKENS is a file of 32-bit words. LLaMA (and what has its program) and OPT."""

import json
import math
import struct
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cuda.matmul.allow_tf32 = False


def tensors_of(folder):
    found = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        data = bytearray(file.read_bytes())
        (size,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8 : 8 + size]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = torch.frombuffer(data, dtype=torch.uint8, offset=8 + size + begin, count=end - begin)
            found[name] = raw.view(DTYPES[entry["dtype"]]).reshape(entry["shape"]).to(DEVICE).float()
    return found


def attention(q, k, v, heads, kv_heads):
    split = lambda x, n: x.view(*x.shape[:2], n, -1).transpose(1, 2)
    q, k, v = split(q, heads), split(k, kv_heads), split(v, kv_heads)
    return q, k.repeat_interleave(heads // kv_heads, 1), v.repeat_interleave(heads // kv_heads, 1)


def joined(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


def llama(c, t, ids):
    heads, kv_heads, eps = c["num_attention_heads"], c.get("num_key_value_heads", c["num_attention_heads"]), c["rms_norm_eps"]
    dims = c.get("head_dim") or c["hidden_size"] // heads
    theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
    norm = lambda x, w: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w
    angle = torch.arange(ids.shape[1], device=DEVICE)[:, None] / theta ** (torch.arange(0, dims, 2, device=DEVICE) / dims)
    angle = torch.cat([angle, angle], 1)
    turn = lambda x: x * angle.cos() + torch.cat([-x[..., dims // 2 :], x[..., : dims // 2]], -1) * angle.sin()
    h = t["model.embed_tokens.weight"][ids]
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        linear = lambda x, n: F.linear(x, t[p + n + ".weight"], t.get(p + n + ".bias"))
        y = norm(h, t[p + "input_layernorm.weight"])
        q, k, v = attention(*(linear(y, f"self_attn.{n}_proj") for n in "qkv"), heads, kv_heads)
        h = h + linear(joined(turn(q), turn(k), v), "self_attn.o_proj")
        y = norm(h, t[p + "post_attention_layernorm.weight"])
        h = h + linear(F.silu(linear(y, "mlp.gate_proj")) * linear(y, "mlp.up_proj"), "mlp.down_proj")
    head = t.get("lm_head.weight", t["model.embed_tokens.weight"])
    return F.linear(norm(h, t["model.norm.weight"]), head)


def opt(c, t, ids):
    heads, root = c["num_attention_heads"], "model.decoder."
    norm = lambda x, n: F.layer_norm(x, x.shape[-1:], t[n + ".weight"], t[n + ".bias"])
    h = t[root + "embed_tokens.weight"][ids] + t[root + "embed_positions.weight"][2 : ids.shape[1] + 2]
    for i in range(c["num_hidden_layers"]):
        p = f"{root}layers.{i}."
        linear = lambda x, n: F.linear(x, t[p + n + ".weight"], t.get(p + n + ".bias"))
        y = norm(h, p + "self_attn_layer_norm")
        q, k, v = attention(*(linear(y, f"self_attn.{n}_proj") for n in "qkv"), heads, heads)
        h = h + linear(joined(q, k, v), "self_attn.out_proj")
        h = h + linear(F.relu(linear(norm(h, p + "final_layer_norm"), "fc1")), "fc2")
    return F.linear(norm(h, root + "final_layer_norm"), t[root + "embed_tokens.weight"])


@torch.no_grad()
def main():
    tokens, seqlen, folders = torch.frombuffer(bytearray(Path(sys.argv[1]).read_bytes()), dtype=torch.int32), int(sys.argv[2]), sys.argv[3:]
    windows = tokens[: len(tokens) // seqlen * seqlen].view(-1, seqlen).long().to(DEVICE)
    for folder in folders:
        config, tensors = json.loads((Path(folder) / "config.json").read_text()), tensors_of(folder)
        logits_of = opt if config["model_type"] == "opt" else llama
        total = 0.0
        for batch in windows.split(8):
            logits = logits_of(config, tensors, batch)[:, :-1]
            total += F.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1), reduction="sum").item()
        print(folder, f"{math.exp(total / (windows.numel() - len(windows))):.3f}", f"{len(windows)} windows", flush=True)


if __name__ == "__main__":
    main()
