// Adam (arXiv 1412.6980) on all parameters of a block at once, which lie one behind the other: masters and moments in f32, a bf16 copy
// that the products read, and a mask: what is pruned has a gradient of 0, and so stays 0.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// `rates`: of each step the rate over what the mean of the gradients is short of by beginning at 0, and one over the root of what that
// of their squares is short of. Eight values a thread.
ESPARSE_KERNEL tune_adam(float* masters, std::uint16_t* copies, float* means, float* squares, const float* gradients,
                         const std::uint8_t* mask, const float* rates, const int* step, std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEpsilon = 1e-8f;
  const float by_mean = rates[2 * *step], by_square = rates[2 * *step + 1];
  Eight value = load_eight(masters, kF32, i), mean = load_eight(means, kF32, i), square = load_eight(squares, kF32, i);
  const Eight gradient = load_eight(gradients, kF32, i);
  for (int k = 0; k < 8; k++) {
    const float g = mask[8 * i + k] ? gradient.of[k] : 0;
    mean.of[k] = kBeta1 * mean.of[k] + (1 - kBeta1) * g;
    square.of[k] = kBeta2 * square.of[k] + (1 - kBeta2) * g * g;
    value.of[k] -= by_mean * mean.of[k] / (sqrtf(square.of[k]) * by_square + kEpsilon);
  }
  store_eight(masters, kF32, i, value);
  store_eight(means, kF32, i, mean);
  store_eight(squares, kF32, i, square);
  store_eight(copies, kBf16, i, value);
}

// The next step: what all kernels of a step read is moved on by the last.
ESPARSE_KERNEL tune_next(int* step) {
  if (threadIdx.x == 0 && blockIdx.x == 0) ++*step;
}

}  // namespace esparse::tune
