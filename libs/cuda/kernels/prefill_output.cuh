// What a linear of prefill does with the sums of its tile: rows of bf16, or SwiGLU of them, or added to the residual
// stream.
#pragma once
#include "device.cuh"
#include "prefill_arguments.h"
#include "swiglu.cuh"

namespace esparse {

// Where a warp's sums belong: lane l has tokens 8 j + 2 (l % 4) and the next, in row l / 4 and eight rows below.
struct PrefillPlace {
  int first_token;
  int cta_row, own_row;         // of the CTA in its segment, of the warp in the CTA
  int first_row, segment_rows;  // of the segment in the outputs
};

__device__ __forceinline__ void consumers_sync() { asm volatile("bar.sync 1, 256;" ::: "memory"); }

// One addition an output of the launch: bits do not depend on which CTA comes first.
template <int kTile>
__device__ __forceinline__ void add_sums(const PrefillArguments& args, const PrefillPlace& place,
                                         const float (&sums)[kTile / 2]) {
  const int lane = threadIdx.x % kLanes, row = place.cta_row + place.own_row + lane / 4;
#pragma unroll
  for (int i = 0; i < kTile / 2; i++) {
    const int token = place.first_token + i / 4 * 8 + lane % 4 * 2 + i % 2, own = row + i / 2 % 2 * 8;
    if (token >= args.tokens || own >= place.segment_rows) continue;
    atomicAdd(args.added + static_cast<std::size_t>(token) * args.out_rows + place.first_row + own, sums[i]);
  }
}

__device__ __forceinline__ std::uint32_t packed(float low, float high) {
  const __nv_bfloat162 rounded = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const std::uint32_t&>(rounded);
}

// silu(gate) * up, two of bf16.
__device__ __forceinline__ std::uint32_t gated(std::uint32_t gate, std::uint32_t up) {
  return packed(swiglu_of(bf16_value(gate & 0xffffu), bf16_value(up & 0xffffu)),
                swiglu_of(bf16_value(gate >> 16), bf16_value(up >> 16)));
}

// Turned through shared memory, which no product reads any more: rows of a token side by side.
template <int kTile, bool kGated>
__device__ __forceinline__ void store_sums(const PrefillArguments& args, const PrefillPlace& place,
                                           const float (&sums)[kTile / 2], const std::uint8_t* memory,
                                           std::uint32_t stages) {
  constexpr int kRow = kPrefillRows * 2 + 16;  // bytes of a token's outputs; banks differ
  const int lane = threadIdx.x % kLanes;
  consumers_sync();
#pragma unroll
  for (int j = 0; j < kTile / 16; j++) {
    std::uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float* two = &sums[j * 8 + i / 2 * 4 + i % 2 * 2];
      words[i] = packed(two[0], two[1]);
    }
    const std::uint32_t to = stages + (j * 16 + lane / 16 * 8 + lane % 8) * kRow + (place.own_row + lane / 8 % 2 * 8) * 2;
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
  consumers_sync();
  const std::uint8_t* outputs = memory + (stages - shared_address(memory));
  for (int i = threadIdx.x - 128; i < kTile * (kPrefillRows / 8); i += 256) {
    const int token = i / (kPrefillRows / 8), chunk = i % (kPrefillRows / 8), row = place.cta_row + chunk * 8;
    if (place.first_token + token >= args.tokens || row >= place.segment_rows) continue;
    uint4 eight = *reinterpret_cast<const uint4*>(outputs + token * kRow + chunk * 16);
    auto* const to = reinterpret_cast<uint4*>(
        args.out + static_cast<std::size_t>(place.first_token + token) * args.out_rows + place.first_row + row);
    if constexpr (kGated) {
      const uint4 gate = __ldcg(to);
      eight = make_uint4(gated(gate.x, eight.x), gated(gate.y, eight.y), gated(gate.z, eight.z), gated(gate.w, eight.w));
    }
    *to = eight;
  }
}

}  // namespace esparse
