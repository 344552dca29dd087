"""One table of ratios out of the times: report.py OWN.tsv PEERS.tsv"""

import sys

times, sizes = {}, {}
for path in sys.argv[1:]:
    for line in open(path):
        what, shape, tokens, variant, us, size = line.rstrip("\n").split("\t")
        times.setdefault((what, shape, int(tokens)), {})[variant] = float(us)
        sizes[what, shape, int(tokens), variant] = float(size)

bandwidth = sizes["read", "1 GiB", 0, "read"] / times["read", "1 GiB", 0]["read"]
print(f"read bandwidth {bandwidth * 1e-3:.0f} GB/s\n")
print("| what | tokens | torch us | own dense us | 2:4 us | against torch | against own dense | of read | tokens/s |")
print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
for (what, shape, tokens), of in times.items():
    if what not in ("linear", "stack", "step") or "2:4" not in of:
        continue
    us, nan = of["2:4"], float("nan")
    torch = min(of.get("torch", nan), of.get("torch-compiled", float("inf")))
    share = sizes[what, shape, tokens, "2:4"] / us / bandwidth
    rate = f"{tokens / us * 1e6:.0f}" if what == "step" else ""
    print(
        f"| {what} {shape} | {tokens} | {torch:.2f} | {of['dense']:.2f} | {us:.2f} "
        f"| {torch / us:.2f} x | {of['dense'] / us:.2f} x | {share:.0%} | {rate} |"
    )
for (what, shape, tokens), of in times.items():
    if "semi-structured" in of:
        print(f"semi-structured {shape}, {tokens} tokens: {of['torch'] / of['semi-structured']:.2f} x torch's dense")
# Linears beside cuBLAS were timed in turns with it, attention was not.
print("\n| prefill | tokens | dense us | 2:4 us | against dense |\n| --- | --- | --- | --- | --- |")
for (what, shape, tokens), of in times.items():
    if what == "prefill":
        dense = of["cublas"] if "cublas" in of else of["torch"]
        print(f"| {shape} | {tokens} | {dense:.1f} | {of['2:4']:.1f} | {dense / of['2:4']:.2f} x |")
print("\n| integers | tokens | us | against torch bf16 | against 2:4 bf16 | of read |\n| --- | --- | --- | --- | --- | --- |")
for (what, shape, tokens), of in times.items():
    for variant in of:
        if "int" not in variant or "2:4" not in of or what not in ("linear", "stack", "step", "prefill"):
            continue
        us, nan = of[variant], float("nan")
        torch = min(of.get("torch", nan), of.get("torch-compiled", float("inf")))
        share = sizes[what, shape, tokens, variant] / us / bandwidth
        print(
            f"| {what} {shape} {variant} | {tokens} | {us:.2f} | {torch / us:.2f} x "
            f"| {of['2:4'] / us:.2f} x | {share:.0%} |"
        )
