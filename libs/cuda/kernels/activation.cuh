// What stands between the linears of an MLP, from the planes of the first ones to the activations of down. Their rows lie in
// the order of down's (shuffled) inputs, so nothing is permuted here. Where one CTA sums whole rows of gate and up, SwiGLU is
// a part of that linear (`linear.cuh`).
#pragma once
#include "digits.cuh"

namespace esparse {

__device__ __forceinline__ float swiglu_of(float gate, float up) { return gate / (1 + expf(-gate)) * up; }

// GELU by its approximation with tanh, which is x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
__device__ __forceinline__ float gelu_of(float x) {
  constexpr float kSteepness = 1.5957691216057308f, kCubic = 0.044715f;
  return x / (1 + expf(-kSteepness * (x + kCubic * x * x * x)));
}

template <Activation kActivation>
__device__ __forceinline__ float activation_of(float x) {
  if constexpr (kActivation == Activation::kRelu) return fmaxf(x, 0);
  if constexpr (kActivation == Activation::kGelu) return gelu_of(x);
  return swiglu_of(x, 1);
}

// A thread makes two neighbours of a token, or of several: of as many more as there are fewer rows of CTAs, whose loads do not wait for
// each other. Grid (inputs / 2 / kSwigluThreads, rounded up; `swiglu_rows`); rows of `gate_up`: gate's, then up's. Inputs are whole
// blocks, so that warps are whole, too. `digits`: how down wants them.
__global__ void __launch_bounds__(kSwigluThreads)
    swiglu(const Planes gate_up, std::uint8_t* fragments, int inputs, const DigitOrder digits) {
  release_dependents();
  begin_timeline(fragments);
  const int input = 2 * (blockIdx.x * kSwigluThreads + threadIdx.x), rows = gridDim.y;
  wait_for_producers();
  stamp(Moment::kReleased);
  if (input >= inputs) return;
  float2 gate[kSwigluTokens], up[kSwigluTokens];
#pragma unroll
  for (int i = 0; i < kSwigluTokens; i++) {
    const int token = blockIdx.y + i * rows;
    if (token >= gate_up.tokens) break;
    gate[i] = gate_up.sum<float2>(token, input);
    up[i] = gate_up.sum<float2>(token, inputs + input);
  }
#pragma unroll
  for (int i = 0; i < kSwigluTokens; i++) {
    const int token = blockIdx.y + i * rows;
    if (token >= gate_up.tokens) break;
    const float first = swiglu_of(gate[i].x, up[i].x), second = swiglu_of(gate[i].y, up[i].y);
    if (digits.bits == 0) {
      write_pair(token_place(fragments, inputs, token, gate_up.tokens, digits.rows), input, first, second);
    } else {
      write_digits(digit_place(fragments, inputs, token, gate_up.tokens), input, first, second, digits);
    }
  }
  end_timeline();
}

// The same with biases, other activations, and without a gate. Rows of `sums`, and of `bias`: those of gate, or of the only
// linear, then up's, where there is one.
template <Activation kActivation>
__global__ void __launch_bounds__(kSwigluThreads)
    activate_sums(const Planes sums, const float* bias, bool gated, std::uint8_t* fragments, int inputs, bool rows) {
  release_dependents();
  const int input = 2 * (blockIdx.x * kSwigluThreads + threadIdx.x), token = blockIdx.y;
  wait_for_producers();
  if (input >= inputs) return;
  const auto two_of = [&](int row) {
    const float2 two = sums.sum<float2>(token, row);
    return bias == nullptr ? two : add(two, __ldg(reinterpret_cast<const float2*>(bias + row)));
  };
  const float2 gate = two_of(input), up = gated ? two_of(inputs + input) : make_float2(1, 1);
  write_pair(token_place(fragments, inputs, token, sums.tokens, rows), input, activation_of<kActivation>(gate.x) * up.x,
             activation_of<kActivation>(gate.y) * up.y);
}

}  // namespace esparse
