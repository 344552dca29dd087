// What a linear of prefill does with the sums of its tile: rows of bf16, or SwiGLU of them, or added to the residual
// stream.
#pragma once
#include "planes.cuh"
#include "prefill_arguments.h"

namespace esparse {

// Where a warp's sums belong: lane l has tokens 8 j + 2 (l % 4) and the next, in row l / 4 and eight rows below.
struct PrefillPlace {
  int first_token;
  int cta_row, own_row;         // of the CTA in its segment, of the warp in the CTA
  int first_row, segment_rows;  // of the segment in the outputs
};

__device__ __forceinline__ void consumers_sync() { asm volatile("bar.sync 1, 256;" ::: "memory"); }

__device__ __forceinline__ std::uint32_t packed(float low, float high) {
  const __nv_bfloat162 rounded = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const std::uint32_t&>(rounded);
}

// silu(gate) * up, two of bf16: by the fast functions, whose error is far below that of rounding.
__device__ __forceinline__ std::uint32_t gated(std::uint32_t gate, std::uint32_t up) {
  const auto one = [](std::uint32_t gate, std::uint32_t up) {
    const float x = bf16_value(gate);
    return __fdividef(x, 1 + __expf(-x)) * bf16_value(up);
  };
  return packed(one(gate & 0xffffu, up & 0xffffu), one(gate >> 16, up >> 16));
}

constexpr int kConsumers = 256, kAtOnce = 8;  // what a thread loads before it waits

// Adds the sums to the residual stream. Turned through shared memory, which no product reads any more: rows of a token
// side by side.
template <int kTile>
__device__ __forceinline__ void add_sums(const PrefillArguments& args, const PrefillPlace& place,
                                         const float (&sums)[kTile / 2], std::uint8_t* stages) {
  constexpr int kRow = kPrefillRows + 4, kChunks = kPrefillRows / 4;  // banks differ
  float* const staged = reinterpret_cast<float*>(stages);
  const int lane = threadIdx.x % kLanes;
  consumers_sync();
#pragma unroll
  for (int i = 0; i < kTile / 2; i++) {
    staged[(i / 4 * 8 + lane % 4 * 2 + i % 2) * kRow + place.own_row + lane / 4 + i / 2 % 2 * 8] = sums[i];
  }
  consumers_sync();
  for (int first = threadIdx.x - 128; first < kTile * kChunks; first += kAtOnce * kConsumers) {
    float4 before[kAtOnce];
    const auto at = [&](int i) -> float4* {
      const int token = place.first_token + (first + i * kConsumers) / kChunks;
      const int row = place.cta_row + (first + i * kConsumers) % kChunks * 4;
      if (token >= args.tokens || row >= place.segment_rows) return nullptr;
      return reinterpret_cast<float4*>(args.added + static_cast<std::size_t>(token) * args.out_rows + place.first_row + row);
    };
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      if (const float4* from = at(i); from != nullptr) before[i] = __ldcg(from);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const int chunk = first + i * kConsumers;
      const float4 sum = *reinterpret_cast<const float4*>(staged + chunk / kChunks * kRow + chunk % kChunks * 4);
      if (float4* to = at(i); to != nullptr) *to = add(before[i], sum);
    }
  }
}

// Writes rows of bf16, or of up, times silu(gate). Turned in the same way.
template <int kTile, bool kGated>
__device__ __forceinline__ void store_sums(const PrefillArguments& args, const PrefillPlace& place,
                                           const float (&sums)[kTile / 2], const std::uint8_t* stages) {
  constexpr int kRow = kPrefillRows * 2 + 16, kChunks = kPrefillRows / 8;  // bytes of a token's outputs; banks differ
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
    const std::uint32_t to = shared_address(stages) + (j * 16 + lane / 16 * 8 + lane % 8) * kRow +
                             (place.own_row + lane / 8 % 2 * 8) * 2;
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
  consumers_sync();
  for (int first = threadIdx.x - 128; first < kTile * kChunks; first += kAtOnce * kConsumers) {
    const auto at = [&](int i) -> uint4* {
      const int token = place.first_token + (first + i * kConsumers) / kChunks;
      const int row = place.cta_row + (first + i * kConsumers) % kChunks * 8;
      if (token >= args.tokens || row >= place.segment_rows) return nullptr;
      return reinterpret_cast<uint4*>(args.out + static_cast<std::size_t>(token) * args.out_rows + place.first_row + row);
    };
    uint4 gates[kAtOnce];
    if constexpr (kGated) {
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        if (const uint4* from = at(i); from != nullptr) gates[i] = __ldcg(from);
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const int chunk = first + i * kConsumers;
      uint4 eight = *reinterpret_cast<const uint4*>(stages + chunk / kChunks * kRow + chunk % kChunks * 16);
      if constexpr (kGated) {
        const uint4& gate = gates[i];
        eight = make_uint4(gated(gate.x, eight.x), gated(gate.y, eight.y), gated(gate.z, eight.z), gated(gate.w, eight.w));
      }
      if (uint4* to = at(i); to != nullptr) *to = eight;
    }
  }
}

}  // namespace esparse
