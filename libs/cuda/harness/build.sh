#!/bin/sh
# Builds the harness for Hopper: build.sh PROGRAM. A kernel that keeps registers in memory is an error.
set -e
exec nvcc -O3 -std=c++17 -gencode=arch=compute_90a,code=sm_90a -Xptxas -warn-spills -Werror all-warnings \
  -Xcompiler -static-libstdc++,-static-libgcc -o "$1" "$(dirname "$0")/main.cu" -ldl
