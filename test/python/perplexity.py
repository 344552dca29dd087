"""Perplexity of a checkpoint by the Hugging Face library, as `esparse eval` measures it: windows of so many tokens, each
scored alone, what is left at the end left out.

    python test/python/perplexity.py FOLDER TEXT SEQLEN
"""

import json
import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    folder, text, seqlen = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf8"), int(sys.argv[3])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False, return_tensors="pt").input_ids[0]
    windows = tokens[: len(tokens) // seqlen * seqlen].reshape(-1, seqlen)
    total = 0.0
    with torch.no_grad():
        for window in windows:
            logits = model(input_ids=window[None]).logits[0, :-1].double()
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    scored = windows.numel() - len(windows)
    print(json.dumps({"perplexity": math.exp(total / scored), "tokens": scored, "dtype": str(model.config.dtype)}))


if __name__ == "__main__":
    main()
