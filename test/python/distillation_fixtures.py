"""Writes test/fixtures/distillation: small checkpoints that are among the fixtures already, half of whose weights are pruned, tuned as a
whole toward the dense model by PyTorch and the Hugging Face library, in f64. The loss is the mean over tokens of KL(dense || pruned).
Of each parameter's gradient at the start the sums of its rows and of its columns are kept, and the losses of some steps of Adam.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.24.0
    .venv/bin/python test/python/distillation_fixtures.py
"""

import copy
import json

import torch
import transformers

from gradient_fixtures import CHECKPOINTS, FIXTURES, VOCABULARY, layers_of

FAMILIES = ("gemma3", "granite", "llama", "opt")
SEQUENCES, TOKENS = 4, 16
STEPS, RATE = 8, 0.01


def write(name):
    dense = transformers.AutoModelForCausalLM.from_pretrained(
        FIXTURES / CHECKPOINTS[name], dtype=torch.float64, attn_implementation="eager"
    ).eval()
    dense.requires_grad_(False)
    pruned = copy.deepcopy(dense)
    layers_of(pruned).requires_grad_(True)
    learnt = {tensor: parameter for tensor, parameter in pruned.named_parameters() if parameter.requires_grad}
    masks = {tensor: mask_of(parameter) for tensor, parameter in learnt.items() if parameter.ndim == 2}
    for tensor, mask in masks.items():
        learnt[tensor].data.mul_(mask)
    tokens = torch.randint(VOCABULARY, (SEQUENCES, TOKENS), generator=torch.Generator().manual_seed(len(name)))
    wanted = dense(tokens, use_cache=False).logits.log_softmax(-1)
    optimizer = torch.optim.Adam(learnt.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses, gradients = [], {}
    for _ in range(STEPS):
        found = pruned(tokens, use_cache=False).logits.log_softmax(-1)
        loss = torch.nn.functional.kl_div(found, wanted, log_target=True, reduction="sum") / tokens.numel()
        optimizer.zero_grad()
        loss.backward()
        losses.append(figure(loss))
        gradients = gradients or {tensor: sums_of(parameter.grad) for tensor, parameter in learnt.items()}
        for tensor, mask in masks.items():
            learnt[tensor].grad.mul_(mask)
        optimizer.step()
    expected = {"checkpoint": CHECKPOINTS[name], "tokens": tokens.tolist(), "rate": RATE, "losses": losses, "gradients": gradients}
    file = FIXTURES / "distillation" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    print(name, losses, file.stat().st_size, "bytes")


def mask_of(parameter):
    """Every other weight, from the first or the second on by turns of eight."""
    i = torch.arange(parameter.numel())
    return ((i + (i >> 3)) % 2 == 0).view_as(parameter)


def sums_of(gradient):
    matrix = gradient if gradient.ndim == 2 else gradient[:, None]
    sums = {"rows": [figure(value) for value in matrix.sum(1)]}
    return {**sums, "columns": [figure(value) for value in matrix.sum(0)]} if gradient.ndim == 2 else sums


def figure(value):
    return float(f"{value.item():.5g}")


if __name__ == "__main__":
    print("torch", torch.__version__, "transformers", transformers.__version__)
    for family in FAMILIES:
        write(family)
