// Activations and gates, and their gradients, element by element, eight a thread.
#pragma once
#include "values.cuh"

namespace esparse::tune {

enum Activation : int { kRelu = 0, kGelu = 1, kSilu = 2 };

// What an activation is at a point, and its slope there.
struct Activated {
  float value, slope;
};

// relu(x); x s(x), silu, with the slope s + x s (1 - s); gelu by its approximation with tanh, which is x s(u(x)) with
// u = 2 sqrt(2 / pi) (x + 0.044715 x^3), and has the slope s + x s (1 - s) u'.
__device__ inline Activated activated(int kind, float x) {
  if (kind == kRelu) return {x > 0 ? x : 0, x > 0 ? 1.0f : 0.0f};
  constexpr float kSteepness = 1.5957691216057308f, kCubic = 0.044715f;
  const bool gelu = kind == kGelu;
  const float inner = gelu ? kSteepness * (x + kCubic * x * x * x) : x;
  const float inner_slope = gelu ? kSteepness * (1 + 3 * kCubic * x * x) : 1;
  const float gate = 1 / (1 + expf(-inner));
  return {x * gate, gate * (1 + x * (1 - gate) * inner_slope)};
}

ESPARSE_KERNEL tune_activation(int kind, const void* x, int x_type, void* out, int out_type, std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  Eight v = load_eight(x, x_type, i);
  for (int k = 0; k < 8; k++) v.of[k] = activated(kind, v.of[k]).value;
  store_eight(out, out_type, i, v);
}

ESPARSE_KERNEL tune_activation_back(int kind, const void* x, int x_type, const void* given, int given_type, void* to,
                                    int to_type, int accumulate, std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  const Eight v = load_eight(x, x_type, i);
  Eight g = load_eight(given, given_type, i);
  for (int k = 0; k < 8; k++) g.of[k] *= activated(kind, v.of[k]).slope;
  give_eight(to, to_type, i, g, accumulate);
}

// activation(gate) up
ESPARSE_KERNEL tune_gated(int kind, const void* gate, int gate_type, const void* up, int up_type, void* out,
                          int out_type, std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  Eight v = load_eight(gate, gate_type, i);
  const Eight u = load_eight(up, up_type, i);
  for (int k = 0; k < 8; k++) v.of[k] = activated(kind, v.of[k]).value * u.of[k];
  store_eight(out, out_type, i, v);
}

ESPARSE_KERNEL tune_gated_back(int kind, const void* gate, int gate_type, const void* up, int up_type,
                               const void* given, int given_type, void* to_gate, int to_gate_type, int accumulate_gate,
                               void* to_up, int to_up_type, int accumulate_up, std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  const Eight v = load_eight(gate, gate_type, i), u = load_eight(up, up_type, i), g = load_eight(given, given_type, i);
  Eight of_gate, of_up;
  for (int k = 0; k < 8; k++) {
    const Activated here = activated(kind, v.of[k]);
    of_gate.of[k] = g.of[k] * u.of[k] * here.slope;
    of_up.of[k] = g.of[k] * here.value;
  }
  give_eight(to_gate, to_gate_type, i, of_gate, accumulate_gate);
  give_eight(to_up, to_up_type, i, of_up, accumulate_up);
}

}  // namespace esparse::tune
