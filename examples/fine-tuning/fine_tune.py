"""Fine-tunes a pruned model for some steps while its masks hold, so that what was pruned stays zero.

    npx esparse export --store out/s.zarr --out out/hf
    npx esparse export --store out/s.zarr --out out/masks --format masks
    python examples/fine-tuning/fine_tune.py --model out/hf --masks out/masks --text tune.txt --out out/tuned
    npx esparse import-weights --store out/s.zarr --model out/tuned

Needs torch, transformers and safetensors. It trains all weights with AdamW on windows of the text; take from it the two
places that are marked, which is all that masks ask of a training loop.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of esparse export --format safetensors")
    parser.add_argument("--masks", required=True, help="folder of esparse export --format masks")
    parser.add_argument("--text", required=True, help="plain text to train on")
    parser.add_argument("--out", required=True, help="where to write the tuned checkpoint")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4, help="windows of a step")
    parser.add_argument("--seqlen", type=int, default=128, help="tokens of a window")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def windows(tokens, seqlen, batch, generator):
    """Batches of windows at random places, without end."""
    while True:
        starts = torch.randint(len(tokens) - seqlen, (batch,), generator=generator)
        yield torch.stack([tokens[start : start + seqlen] for start in starts.tolist()])


def main():
    options = arguments()
    generator = torch.Generator().manual_seed(options.seed)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype="auto")
    stored = model.dtype
    # Trained in f32: steps are smaller than what bf16 can tell apart.
    model.float()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    tokens = tokenizer(Path(options.text).read_text(encoding="utf8"), return_tensors="pt").input_ids[0]

    # 1. The masks, by the names of the parameters. Without a gradient AdamW moves a zero nowhere ...
    masks = load_file(Path(options.masks) / "masks.safetensors")
    held = [(model.get_parameter(name), mask) for name, mask in masks.items()]
    for parameter, mask in held:
        parameter.register_hook(lambda gradient, mask=mask: gradient * mask)

    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate)
    model.train()
    for step, batch in zip(range(options.steps), windows(tokens, options.seqlen, options.batch, generator)):
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # 2. ... and with other optimizers this makes sure of it.
        with torch.no_grad():
            for parameter, mask in held:
                parameter.mul_(mask)
        print(f"step {step + 1} of {options.steps}: loss {loss.item():.4f}", flush=True)

    model.to(stored).save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


if __name__ == "__main__":
    main()
