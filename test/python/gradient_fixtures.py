"""Writes test/fixtures/gradients: gradients of the last block of small checkpoints that are among the fixtures already, by
PyTorch and the Hugging Face library, in f64. The loss is the mean squared difference of the block's output from a target. Of each
parameter's gradient the sums of its rows and of its columns are kept: what is wrong in a gradient shows in one of them.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.24.0
    .venv/bin/python test/python/gradient_fixtures.py
"""

import json
from pathlib import Path

import torch
import transformers

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SEQUENCES, TOKENS, VOCABULARY = 2, 20, 40
TRANSFORMERS = ("gemma3", "granite", "llama", "mistral", "olmo2", "qwen2", "qwen3", "smollm3")
CHECKPOINTS = {**{name: f"transformers/{name}" for name in TRANSFORMERS}, "opt": "families/opt"}


def layers_of(model):
    base = model.base_model
    return base.layers if hasattr(base, "layers") else base.decoder.layers


def write(name, folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        FIXTURES / folder, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    last = layers_of(model)[-1]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in last.parameters():
        parameter.requires_grad_(True)
    outputs = []
    last.register_forward_hook(lambda _, __, output: outputs.append(output[0] if isinstance(output, tuple) else output))
    generator = torch.Generator().manual_seed(len(name))
    tokens = torch.randint(VOCABULARY, (SEQUENCES, TOKENS), generator=generator)
    model(tokens, use_cache=False)
    output = outputs[0]
    target = torch.round(torch.randn(output.shape, generator=generator) * 100).double() / 100
    loss = (output - target).pow(2).mean()
    loss.backward()
    inside = {id(parameter) for parameter in last.parameters()}
    gradients = {
        tensor: {"rows": rounded(parameter.grad), "columns": rounded(parameter.grad.T)}
        if parameter.ndim == 2
        else {"rows": rounded(parameter.grad[:, None])}
        for tensor, parameter in model.named_parameters()
        if id(parameter) in inside
    }
    file = FIXTURES / "gradients" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    expected = {
        "checkpoint": folder,
        "tokens": tokens.tolist(),
        "target": [row.tolist() for row in target.reshape(-1, target.shape[-1])],
        "loss": loss.item(),
        "gradients": gradients,
    }
    file.write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    print(name, file.stat().st_size, "bytes")


def rounded(matrix):
    return [float(f"{value:.7g}") for value in matrix.sum(1).tolist()]


if __name__ == "__main__":
    print("torch", torch.__version__, "transformers", transformers.__version__)
    for name, folder in CHECKPOINTS.items():
        write(name, folder)
