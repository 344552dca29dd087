// Activations, and gates that multiply by one.
#pragma once
#include "gpu.cuh"

namespace esparse {

// As arguments of kernels.
enum Activation : int { kRelu = 0, kGelu = 1, kSilu = 2 };

__device__ inline float sigmoid_of(float x) { return 1 / (1 + expf(-x)); }

// gelu by its approximation with tanh, written with a sigmoid as on the processor.
__device__ inline float activated(int kind, float x) {
  if (kind == kRelu) return x > 0 ? x : 0;
  if (kind == kGelu) return x * sigmoid_of(1.5957691216057308f * (x + 0.044715f * x * x * x));
  return x * sigmoid_of(x);
}

ESPARSE_KERNEL activate(int kind, const void* in, int in_type, void* out, int out_type, long long eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(eights)) return;
  Eight values = load_eight(in, in_type, i);
  for (float& value : values.of) value = activated(kind, value);
  store_eight(out, out_type, i, values);
}

// out = activation(gate) * up
ESPARSE_KERNEL gate_elements(int kind, const void* gate, int gate_type, const void* up, int up_type, void* out,
                             int out_type, long long eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(eights)) return;
  Eight values = load_eight(gate, gate_type, i);
  const Eight factors = load_eight(up, up_type, i);
  for (int j = 0; j < 8; j++) values.of[j] = activated(kind, values.of[j]) * factors.of[j];
  store_eight(out, out_type, i, values);
}

}  // namespace esparse
