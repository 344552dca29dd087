// What a decoder block does besides its linears, for one instruction set: each function does one token's, or one
// token's and some heads', work. Each result is a fixed sequence of f32 operations: the same bits on every instruction
// set, and the same as the TypeScript reference's.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels.h"

namespace esparse {

// Tokens of a page of the key-value cache.
constexpr std::size_t kPageTokens = 16;
// Query heads of one key-value head that `attend` takes together, at most.
constexpr std::size_t kMaxHeads = 4;

// Some query heads of one token that share a key-value head.
struct AttendJob {
  const float* query;  // (heads, head_dim)
  float* out;  // (heads, head_dim)
  std::size_t heads, head_dim;
  float scale;
  const float* sinks;  // (heads) numbers that take part in the softmax beside the scores, or null
  // Page p of the cache lies at cache + p * page_floats; in it, the keys of this head (head_dim, 16) at `keys` and its
  // values (16, head_dim) at `values`.
  const float* cache;
  std::size_t page_floats, keys, values;
  const std::int32_t* pages;  // of the sequence, in order, from the first one that the token sees
  std::size_t skipped;  // positions of the first page that it does not see
  std::size_t positions;  // from that page's first one to the token itself
  float* scratch;  // scratch_floats(...)
};

inline std::size_t scratch_floats(std::size_t heads, std::size_t head_dim, std::size_t positions) {
  return heads * (head_dim + (positions + kPageTokens - 1) / kPageTokens * kPageTokens);
}

// Each works on vectors; the products with a matrix are in linear.h.
struct VectorKernels {
  // y = x / sqrt(mean(x²) + epsilon) * weight
  void (*rms_norm)(const float* x, const float* weight, float epsilon, std::size_t channels, float* y);
  // y = (x - mean) / sqrt(mean((x - mean)²) + epsilon) * weight + bias
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon, std::size_t channels,
                     float* y);
  void (*attend)(const AttendJob& job);
  // y = gate / (1 + e^-gate) * up
  void (*gated_silu)(const float* gate, const float* up, std::size_t count, float* y);
  // y = gelu(gate) * up, with gelu(x) = x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  void (*gated_gelu)(const float* gate, const float* up, std::size_t count, float* y);
  // y = (up + 1) * gate / (1 + e^(-alpha gate)), of min(gate, limit) and of up between -limit and limit
  void (*clamped_swiglu)(const float* gate, const float* up, float alpha, float limit, std::size_t count, float* y);
  void (*gelu)(const float* x, std::size_t count, float* y);
  // y = factor * x
  void (*scale)(const float* x, float factor, std::size_t count, float* y);
  // Turns the pairs (x[j], x[j + half]) by the angles whose cosines and sines are given.
  void (*rotate)(const float* x, const float* cos, const float* sin, std::size_t half, float* y);
  // y = a + b
  void (*add)(const float* a, const float* b, std::size_t count, float* y);
  // y = max(x, 0); NaN stays NaN
  void (*relu)(const float* x, std::size_t count, float* y);
};

// Those of an instruction set.
const VectorKernels& vector_kernels(const Kernels& set);

}  // namespace esparse
