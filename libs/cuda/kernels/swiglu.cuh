// silu(gate) * up, from the planes of the gate and up linears to the activations of down. The rows of gate and up lie in
// the order of down's (shuffled) inputs, so nothing is permuted here. Where one CTA sums a whole row, the linear does
// this by itself (`linear.cuh`).
#pragma once
#include "planes.cuh"

namespace esparse {

__device__ __forceinline__ float swiglu_of(float gate, float up) { return gate / (1 + expf(-gate)) * up; }

constexpr int kSwigluThreads = 128;

// Grid (inputs / 8 / kSwigluThreads, rounded up; tokens); rows of `gate_up`: gate's, then up's.
__global__ void __launch_bounds__(kSwigluThreads)
    swiglu(const Planes gate_up, std::uint8_t* fragments, int inputs) {
  release_dependents();
  const int chunk = blockIdx.x * kSwigluThreads + threadIdx.x, token = blockIdx.y;
  const int step = chunk / 4, quad = chunk % 4;
  wait_for_producers();
  if (chunk >= inputs / kChunk) return;
  float x[kChunk];
#pragma unroll
  for (int i = 0; i < kChunk; i += 2) {
    const int input = chunk_input(step, quad, i);
    const float2 gate = gate_up.sum<float2>(token, input), up = gate_up.sum<float2>(token, inputs + input);
    x[i] = swiglu_of(gate.x, up.x);
    x[i + 1] = swiglu_of(gate.y, up.y);
  }
  write_chunk(fragments, step, quad, token, gate_up.tokens, x);
}

}  // namespace esparse
