#!/bin/sh
# Builds (where no program was brought along), checks and times everything on this machine's GPU, and prints a table.
# Results go to $OUT, or to out/cuda. HARNESS: a program built elsewhere.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-out/cuda}
mkdir -p "$out"
harness=${HARNESS:-$out/harness}
if [ ! -x "$harness" ]; then
  "$here/build.sh" "$harness"
fi
# cuBLAS as PyTorch brings it.
library=$(python3 -c 'import nvidia, os; print(os.path.join(list(nvidia.__path__)[0], "cu13", "lib"))' 2> /dev/null || true)
export LD_LIBRARY_PATH="$library:${LD_LIBRARY_PATH:-}"
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
if command -v compute-sanitizer > /dev/null; then
  compute-sanitizer --tool memcheck --error-exitcode 1 "$harness" check-small
fi
"$harness" check | tee "$out/check.log"
grep -q '^all checks passed' "$out/check.log"
"$harness" bench "$out/own.tsv" | tee "$out/bench.log"
if python3 -c 'import torch' 2> /dev/null; then
  python3 "$here/peers.py" "$out/peers.tsv"
  python3 "$here/report.py" "$out/own.tsv" "$out/peers.tsv" | tee "$out/table.md"
fi
