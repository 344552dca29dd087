// With what a kernel computes: the functions of an instruction set, and so many threads. Each object that
// `openInferenceKernels` of src/inference gives has one of its own, so that several go side by side in a process.
#pragma once
#include <cstddef>

#include "kernels.h"
#include "vector_kernels.h"

namespace esparse {

struct Compute {
  const Kernels* matrix = nullptr;
  const VectorKernels* vector = nullptr;
  std::size_t threads = 1;  // at most, the caller included

  Compute() = default;
  Compute(const Kernels& set, std::size_t most) : matrix(&set), vector(&vector_kernels(set)), threads(most) {}
};

}  // namespace esparse
