"""Writes test/fixtures/transformers: small random checkpoints of the model families, made and computed by the Hugging Face
library itself: config.json and weights as it saves them, logits of sequences of several lengths, and the inputs of the
linears of the last block. The library's tests compare both of its runtimes with them.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.24.0
    .venv/bin/python test/python/transformers_fixtures.py [NAME…]
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "transformers"
LENGTHS = (1, 7, 24)
VOCABULARY = 40

# Sizes that all of them have, by the names of most; two key-value heads for four query heads.
SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    pad_token_id=None,
    bos_token_id=None,
    eos_token_id=None,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
GPT2 = {"attn_in": "attn.c_attn", "attn_out": "attn.c_proj", "mlp_in": "mlp.c_fc", "mlp_out": "mlp.c_proj"}
SLIDING = ["full_attention", "sliding_attention", "sliding_attention"]
GATED = {"attn_in": "self_attn.q_proj", "attn_out": "self_attn.o_proj", "mlp_in": "mlp.gate_proj", "mlp_out": "mlp.down_proj"}

# A mixture's experts get the tokens that are routed to each: their taps follow from what the module of all of them gets.
ROUTED = {"attn_in": "self_attn.q_proj", "attn_out": "self_attn.o_proj", "experts": "mlp.experts"}

# The last layer has a window; its positions are stretched, and no end of the ramp is a whole number.
GPT_OSS = dict(
    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    sliding_window=9,
    head_dim=16,
    intermediate_size=64,
    num_local_experts=4,
    num_experts_per_tok=2,
    # So low that gates and ups are clamped, both ways.
    swiglu_limit=1.5,
    max_position_embeddings=256,
    rope_parameters=dict(
        rope_type="yarn",
        rope_theta=10000.0,
        factor=4.0,
        beta_fast=32.0,
        beta_slow=1.0,
        truncate=False,
        original_max_position_embeddings=64,
    ),
)

FUSED = {**GATED, "attn_in": "self_attn.qkv_proj", "mlp_in": "mlp.gate_up_proj"}

# name: (the library's classes, what differs in config.json, the modules whose inputs are the taps)
FAMILIES = {
    "llama": ("Llama", dict(tie_word_embeddings=True, rope_parameters=LLAMA3), GATED),
    "gpt2": ("GPT2", dict(n_inner=48), GPT2),
    "mistral": ("Mistral", dict(sliding_window=9), GATED),
    "qwen2": ("Qwen2", dict(use_sliding_window=True, sliding_window=6, max_window_layers=1), GATED),
    "qwen3": ("Qwen3", dict(head_dim=12, tie_word_embeddings=True), GATED),
    "smollm3": ("SmolLM3", dict(no_rope_layer_interval=2, tie_word_embeddings=True), GATED),
    "olmo2": ("Olmo2", dict(), GATED),
    "phi3": ("Phi3", dict(sliding_window=11, rope_parameters=dict(rope_theta=10000.0, partial_rotary_factor=0.75)), FUSED),
    "phi3-long": (
        "Phi3",
        dict(
            original_max_position_embeddings=16,
            rope_parameters=dict(
                rope_type="longrope",
                rope_theta=10000.0,
                short_factor=[1.0, 1.1, 1.2, 1.5],
                long_factor=[1.0, 2.0, 3.0, 4.5],
                original_max_position_embeddings=16,
            ),
        ),
        FUSED,
    ),
    "granite": (
        "Granite",
        dict(embedding_multiplier=12.0, attention_multiplier=0.2, residual_multiplier=0.22, logits_scaling=8.0),
        GATED,
    ),
    "mixtral": ("Mixtral", dict(num_local_experts=4, num_experts_per_tok=2, sliding_window=9), ROUTED),
    "qwen3-moe": (
        "Qwen3Moe",
        dict(
            head_dim=12,
            num_experts=6,
            num_experts_per_tok=2,
            moe_intermediate_size=16,
            norm_topk_prob=True,
            mlp_only_layers=[1],
        ),
        ROUTED,
    ),
    "qwen3-moe-shares": (
        "Qwen3Moe",
        dict(head_dim=12, num_experts=4, moe_intermediate_size=16, num_experts_per_tok=3, decoder_sparse_step=3),
        ROUTED,
    ),
    # Both hold the same numbers: the one as blocks of MXFP4, which transformers reads, and the other as what it made of them.
    "gpt-oss": ("GptOss", GPT_OSS, ROUTED),
    "gpt-oss-mxfp4": ("GptOss", GPT_OSS, ROUTED),
    "gemma3": (
        "Gemma3",
        dict(head_dim=16, sliding_window=5, layer_types=SLIDING[::-1], query_pre_attn_scalar=24),
        GATED,
    ),
}


def model_of(name, differences):
    kind = f"{name}Text" if name == "Gemma3" else name
    config_class = getattr(transformers, f"{kind}Config")
    sizes = {field: size for field, size in SIZES.items() if hasattr(config_class(), field)}
    config = config_class(**{**sizes, **differences})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    head = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    return getattr(transformers, f"{name}{head}")(config).eval()


def randomise(model, seed):
    """Weights that are exact in bf16 and large enough that every part of a block counts."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            # Norms stay about what they are by default, 1 or 0; biases about 0.
            values = parameter.detach() + 0.3 * noise
        else:
            values = noise * 1.5 / parameter.shape[-1] ** 0.5
        parameter.data = values.to(torch.bfloat16).to(torch.float64)


def packed(model, generator):
    """The model's tensors in bf16, with random blocks of MXFP4 and their scales in the place of its experts' matrices."""
    tensors = {}
    for name, tensor in model.to(torch.bfloat16).state_dict().items():
        if not name.endswith("_proj"):
            tensors[name] = tensor.contiguous()
            continue
        experts, columns, rows = tensor.shape
        shape = (experts, rows, columns // 32)
        tensors[f"{name}_blocks"] = torch.randint(256, (*shape, 16), generator=generator, dtype=torch.uint8)
        # Factors of 1/32 to 1/8.
        tensors[f"{name}_scales"] = torch.randint(122, 125, shape, generator=generator, dtype=torch.uint8)
    return tensors


def write_packed(folder, model, seed):
    """Writes the checkpoint with its experts in blocks of MXFP4. @returns the model that transformers reads from it"""
    folder.mkdir(parents=True)
    save_file(packed(model, torch.Generator().manual_seed(seed)), folder / "model.safetensors", {"format": "pt"})
    quantization = dict(quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn", "lm_head"])
    config = {**json.loads(model.config.to_json_string()), "quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    dequantize = transformers.Mxfp4Config(dequantize=True)
    read = type(model).from_pretrained(
        folder, quantization_config=dequantize, dtype=torch.bfloat16, attn_implementation="eager"
    )
    read.config._experts_implementation = "eager"
    return read.eval()


def write(name):
    architecture, differences, taps = FAMILIES[name]
    plain = name.removesuffix("-mxfp4")
    seed = sum(map(ord, plain))
    torch.manual_seed(seed)
    model = model_of(architecture, differences).double()
    randomise(model, seed)
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    if architecture == "GptOss":
        with tempfile.TemporaryDirectory() as scratch:
            model = write_packed(Path(scratch) / "packed" if name == plain else folder, model, seed).double()
    generator = torch.Generator().manual_seed(len(plain))
    layers = model.base_model.layers if hasattr(model.base_model, "layers") else model.base_model.h
    caught = {}
    for tap, module in taps.items():
        layers[-1].get_submodule(module).register_forward_pre_hook(
            lambda of, inputs, tap=tap: caught.update(
                taps_of_experts(of, *inputs) if tap == "experts" else {tap: inputs[0][0]}
            )
        )
    sequences = []
    with torch.no_grad():
        for length in LENGTHS:
            tokens = torch.randint(VOCABULARY, (1, length), generator=generator)
            logits = model(tokens, use_cache=False).logits[0]
            sequences.append({"tokens": tokens[0].tolist(), "logits": rounded(logits)})
    if name == plain:
        model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    expected = {"sequences": sequences, "taps": {tap: rounded(value) for tap, value in caught.items()}}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(name, sum(file.stat().st_size for file in folder.iterdir()), "bytes")


def taps_of_experts(experts, hidden, chosen, _):
    """The inputs of each expert's linears: of gate and up, and of down."""
    taps = {}
    for expert, gate_up in enumerate(experts.gate_up_proj):
        rows = hidden[(chosen == expert).any(-1)]
        if hasattr(experts, "_apply_gate"):
            # gpt-oss: transposed, with biases, gate and up by turns.
            inner = experts._apply_gate(rows @ gate_up + experts.gate_up_proj_bias[expert])
        else:
            gate, up = (rows @ gate_up.T).chunk(2, -1)
            inner = experts.act_fn(gate) * up
        taps[f"experts.{expert}.mlp_in"] = rows
        taps[f"experts.{expert}.mlp_out"] = inner
    return taps


def rounded(values):
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]


if __name__ == "__main__":
    print("torch", torch.__version__, "transformers", transformers.__version__)
    for name in sys.argv[1:] or FAMILIES:
        write(name)
