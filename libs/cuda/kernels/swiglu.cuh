// silu(gate) * up, from the planes of the gate and up linears to the activations of down. The rows of gate and up lie
// in the order of down's (shuffled) inputs, so nothing is permuted here. Where one CTA sums a whole row, the linear
// does this by itself (`linear.cuh`).
#pragma once
#include "planes.cuh"

namespace esparse {

__device__ __forceinline__ float swiglu_of(float gate, float up) { return gate / (1 + expf(-gate)) * up; }

// A thread makes two neighbours. Grid (inputs / 2 / kSwigluThreads, rounded up; tokens); rows of `gate_up`: gate's,
// then up's.
__global__ void __launch_bounds__(kSwigluThreads) swiglu(const Planes gate_up, std::uint8_t* fragments, int inputs) {
  release_dependents();
  const int input = 2 * (blockIdx.x * kSwigluThreads + threadIdx.x), token = blockIdx.y;
  wait_for_producers();
  if (input >= inputs) return;
  const float2 gate = gate_up.sum<float2>(token, input), up = gate_up.sum<float2>(token, inputs + input);
  write_pair(token_place(fragments, inputs, token, gate_up.tokens), input, swiglu_of(gate.x, up.x), swiglu_of(gate.y, up.y));
}

}  // namespace esparse
