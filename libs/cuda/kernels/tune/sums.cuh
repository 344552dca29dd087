// Sums and copies, element by element, eight a thread.
#pragma once
#include "values.cuh"

namespace esparse::tune {

ESPARSE_KERNEL tune_add(const void* left, int left_type, const void* right, int right_type, void* out, int out_type,
                        std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  Eight v = load_eight(left, left_type, i);
  const Eight w = load_eight(right, right_type, i);
  for (int k = 0; k < 8; k++) v.of[k] += w.of[k];
  store_eight(out, out_type, i, v);
}

// factor x: an operation of its own, the gradient of one and of a sum, and with a factor of 1 the way from one type to the other.
ESPARSE_KERNEL tune_scale(const void* x, int x_type, float factor, void* to, int to_type, int accumulate,
                          std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  Eight v = load_eight(x, x_type, i);
  for (int k = 0; k < 8; k++) v.of[k] *= factor;
  give_eight(to, to_type, i, v, accumulate);
}

// A bias in every row, which a matrix product is then added to. `eights`: of a row.
ESPARSE_KERNEL tune_spread(const float* bias, void* to, int to_type, int rows, int eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(rows) * eights) return;
  store_eight(to, to_type, i, load_eight(bias, kF32, i % eights));
}

// Sequences of a batch, out of all: the s-th is number `order[*step * stride + first + s]`. Grid: (eights of a sequence / kThreads,
// rounded up; sequences).
ESPARSE_KERNEL tune_gather(const float* from, const int* order, const int* step, int stride, int first, float* to,
                           std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  const std::size_t sequence = order[static_cast<std::size_t>(*step) * stride + first + blockIdx.y];
  store_eight(to, kF32, blockIdx.y * eights + i, load_eight(from, kF32, sequence * eights + i));
}

}  // namespace esparse::tune
