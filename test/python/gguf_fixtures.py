"""Writes test/fixtures/gguf: small random models in the GGUF format with what the Hugging Face library makes of them (logits,
token ids), and blocks of every quantized type with the values that ggml's own Python package gives them.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.24.0 gguf==0.19.0 accelerate
    .venv/bin/python test/python/gguf_fixtures.py
"""

import base64
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "gguf"
HIDDEN, INNER, BLOCKS, HEADS, KV_HEADS = 64, 96, 2, 4, 2
TEXTS = ["The quick brown fox, 1234!", "two  spaces\n\nand\ttabs ", "Zoë 日本 🙂", "it's <|end|> here"]
random = np.random.default_rng(18)


def bytes_to_letters():
    """The letters that byte-level BPE writes bytes as (GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def byte_level_vocabulary():
    letters = bytes_to_letters()
    merges = ["Ġ t", "h e", "Ġt he", "o x", "i n", "1 2", "Ġ Ġ"]
    tokens = ["<|end|>", *letters, *[merge.replace(" ", "") for merge in merges]]
    types = [3] + [1] * (len(tokens) - 1)
    return dict(model="gpt2", tokens=tokens, types=types, merges=merges, bos=0, eos=0, unknown=None)


def sentence_piece_vocabulary():
    pieces = ["▁", "t", "h", "e", "▁t", "he", "▁the", "o", "x", "ox", "q", "u", "i", "c", "k", "n", "in", "b", "r", "w", ",", "!"]
    tokens = ["<unk>", "<s>", "</s>", *[f"<0x{b:02X}>" for b in range(256)], *pieces]
    types = [2, 3, 3, *[6] * 256, *[1] * len(pieces)]
    # Longer pieces first, as their training has it for the most part.
    scores = [0.0] * 259 + [-float(len(pieces) - len(piece)) for piece in pieces]
    return dict(model="llama", tokens=tokens, types=types, scores=scores, bos=1, eos=2, unknown=0)


def tensor(rows, cols=None):
    shape = (rows,) if cols is None else (rows, cols)
    noise = random.standard_normal(shape).astype(np.float32)
    return 1 + 0.3 * noise if cols is None else noise * 1.5 / np.sqrt(cols)


def write(name, architecture, vocabulary, *, head_dim, quantized, biased=(), norms, tied, extra=()):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "model.gguf"
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_block_count(BLOCKS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(20000.0)
    writer.add_vocab_size(len(vocabulary["tokens"]))
    for add in extra:
        add(writer)
    add_tokenizer(writer, vocabulary)

    def add(key, values, type=Type.F32):
        if type == Type.F32:
            writer.add_tensor(key, values)
        else:
            writer.add_tensor(key, gguf.quantize(values, type), raw_dtype=type)

    vocab = len(vocabulary["tokens"])
    add("token_embd.weight", tensor(vocab, HIDDEN), Type.Q8_0)
    add("output_norm.weight", tensor(HIDDEN))
    if not tied:
        add("output.weight", tensor(vocab, HIDDEN), Type.F16)
    width, kv_width = HEADS * head_dim, KV_HEADS * head_dim
    shapes = dict(
        attn_q=(width, HIDDEN),
        attn_k=(kv_width, HIDDEN),
        attn_v=(kv_width, HIDDEN),
        attn_output=(HIDDEN, width),
        ffn_gate=(INNER, HIDDEN),
        ffn_up=(INNER, HIDDEN),
        ffn_down=(HIDDEN, INNER),
    )
    for block in range(BLOCKS):
        for linear, (rows, cols) in shapes.items():
            add(f"blk.{block}.{linear}.weight", tensor(rows, cols), quantized)
            if linear in biased:
                add(f"blk.{block}.{linear}.bias", tensor(rows) - 1)
        for norm in norms:
            add(f"blk.{block}.{norm}.weight", tensor(head_dim if norm in ("attn_q_norm", "attn_k_norm") else HIDDEN))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "expected.json").write_text(json.dumps(expected(folder)) + "\n")
    print(name, sum(path.stat().st_size for path in folder.iterdir()), "bytes")


def add_tokenizer(writer, vocabulary):
    writer.add_tokenizer_model(vocabulary["model"])
    writer.add_tokenizer_pre(vocabulary.get("pre", "default"))
    writer.add_token_list(vocabulary["tokens"])
    writer.add_token_types(vocabulary["types"])
    if "merges" in vocabulary:
        writer.add_token_merges(vocabulary["merges"])
    if "scores" in vocabulary:
        writer.add_token_scores(vocabulary["scores"])
    writer.add_bos_token_id(vocabulary["bos"])
    writer.add_eos_token_id(vocabulary["eos"])
    if not vocabulary.get("prefix", True):
        writer.add_add_space_prefix(False)
    if vocabulary["unknown"] is not None:
        writer.add_unk_token_id(vocabulary["unknown"])


def expected(folder):
    source = dict(pretrained_model_name_or_path=folder, gguf_file="model.gguf")
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, attn_implementation="eager").eval()
    # Quantized blocks are read as bf16; the head, where it is a tensor of its own, is not quantized.
    for key, parameter in model.named_parameters():
        if parameter.ndim == 2 and key != "lm_head.weight":
            parameter.data = parameter.data.to(torch.bfloat16).to(torch.float32)
    tokens = torch.tensor([[int(t) for t in random.integers(model.config.vocab_size, size=20)]])
    with torch.no_grad():
        logits = model.double()(tokens, use_cache=False).logits[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    texts = [{"text": text, "ids": tokenizer(text, add_special_tokens=False).input_ids} for text in TEXTS]
    # The first channels of the vocabulary say enough.
    return {
        "tokens": tokens[0].tolist(),
        "logits": [[float(f"{value:.7g}") for value in row[:40]] for row in logits.tolist()],
        "texts": texts,
    }


def write_blocks():
    cases = []
    for type in (Type.Q4_0, Type.Q4_1, Type.Q8_0, Type.Q4_K, Type.Q6_K):
        elements, size = gguf.GGML_QUANT_SIZES[type]
        blocks = random.integers(0, 256, size=(3, size), dtype=np.uint8)
        # Halves that are scales: small numbers, neither infinite nor NaN.
        halves = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q6_K: [208]}[type]
        for at in halves:
            blocks[:, at : at + 2] = (random.standard_normal((3, 1)) * 0.05).astype(np.float16).view(np.uint8)
        values = gguf.dequantize(blocks.reshape(-1), type)
        cases.append(
            {
                "type": int(type),
                "name": type.name,
                "blocks": base64.b64encode(blocks.tobytes()).decode(),
                "values": base64.b64encode(values.astype("<f4").tobytes()).decode(),
            }
        )
    (FOLDER / "blocks.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    llama_norms = ("attn_norm", "ffn_norm")
    head_norms = ("attn_q_norm", "attn_k_norm")
    write("llama", "llama", sentence_piece_vocabulary(), head_dim=16, quantized=Type.Q4_1, norms=llama_norms, tied=True)
    write("qwen2", "qwen2", {**byte_level_vocabulary(), "pre": "qwen2"}, head_dim=16, quantized=Type.Q8_0, norms=llama_norms, tied=False, biased=("attn_q", "attn_k", "attn_v"))
    write("qwen3", "qwen3", {**byte_level_vocabulary(), "pre": "qwen2"}, head_dim=128, quantized=Type.Q4_0, norms=(*llama_norms, *head_norms), tied=True)
    write("gemma3", "gemma3", {**sentence_piece_vocabulary(), "prefix": False}, head_dim=256, quantized=Type.BF16, norms=("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", *head_norms), tied=True, extra=[lambda writer: writer.add_sliding_window(6)])
    write_blocks()
