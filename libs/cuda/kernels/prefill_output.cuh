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

// What a thread writes of a tile that lies in shared memory, rows of a token side by side: 16 bytes of every kStep-th token.
template <int kValues>
struct PrefillShare {
  static constexpr int kChunks = kPrefillRows / kValues, kStep = kConsumers / kChunks;
  int chunk, token;    // the first
  int tokens;          // of the tile, or none where there are no such rows
  std::size_t at, step;  // in the outputs: of the first, and to the next

  __device__ __forceinline__ PrefillShare(const PrefillArguments& args, const PrefillPlace& place)
      : chunk(threadIdx.x % kChunks), token((threadIdx.x - 128) / kChunks) {
    const int row = place.cta_row + chunk * kValues;
    tokens = row < place.segment_rows ? args.tokens - place.first_token : 0;
    at = static_cast<std::size_t>(place.first_token + token) * args.out_rows + place.first_row + row;
    step = static_cast<std::size_t>(kStep) * args.out_rows;
  }
  __device__ __forceinline__ bool has(int i) const { return token + i * kStep < tokens; }
  __device__ __forceinline__ void advance() {
    token += kAtOnce * kStep;
    at += kAtOnce * step;
  }
};

// Adds the sums to the residual stream. Turned through shared memory, which no product reads any more: rows of a token
// side by side.
template <int kTile>
__device__ __forceinline__ void add_sums(const PrefillArguments& args, const PrefillPlace& place,
                                         const float (&sums)[kTile / 2], std::uint8_t* stages) {
  constexpr int kRow = kPrefillRows + 4;  // banks differ
  float* const staged = reinterpret_cast<float*>(stages);
  const int lane = threadIdx.x % kLanes;
  consumers_sync();
#pragma unroll
  for (int i = 0; i < kTile / 2; i++) {
    staged[(i / 4 * 8 + lane % 4 * 2 + i % 2) * kRow + place.own_row + lane / 4 + i / 2 % 2 * 8] = sums[i];
  }
  consumers_sync();
#pragma unroll 1
  for (PrefillShare<4> share(args, place); share.token < kTile; share.advance()) {
    const auto at = [&](int i) { return reinterpret_cast<float4*>(args.added + share.at + i * share.step); };
    const float* const from = staged + share.token * kRow + share.chunk * 4;
    float4 before[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      if (share.has(i)) before[i] = __ldcg(at(i));
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      if (share.has(i)) *at(i) = add(before[i], *reinterpret_cast<const float4*>(from + i * share.kStep * kRow));
    }
  }
}

// Writes rows of bf16, or of up, times silu(gate). Turned in the same way.
template <int kTile, bool kGated>
__device__ __forceinline__ void store_sums(const PrefillArguments& args, const PrefillPlace& place,
                                           const float (&sums)[kTile / 2], const std::uint8_t* stages) {
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
    const std::uint32_t to = shared_address(stages) + (j * 16 + lane / 16 * 8 + lane % 8) * kRow +
                             (place.own_row + lane / 8 % 2 * 8) * 2;
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
  consumers_sync();
#pragma unroll 1
  for (PrefillShare<8> share(args, place); share.token < kTile; share.advance()) {
    const auto at = [&](int i) { return reinterpret_cast<uint4*>(args.out + share.at + i * share.step); };
    const std::uint8_t* const from = stages + share.token * kRow + share.chunk * 16;
    uint4 gates[kAtOnce];
    if constexpr (kGated) {
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        if (share.has(i)) gates[i] = __ldcg(at(i));
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      uint4 eight = *reinterpret_cast<const uint4*>(from + i * share.kStep * kRow);
      if constexpr (kGated) {
        const uint4& gate = gates[i];
        eight = make_uint4(gated(gate.x, eight.x), gated(gate.y, eight.y), gated(gate.z, eight.z), gated(gate.w, eight.w));
      }
      if (share.has(i)) *at(i) = eight;
    }
  }
}

}  // namespace esparse
