// How a tile of sums, turned through shared memory so that the rows of a token stand side by side, becomes outputs of a
// linear of prefill: added to the residual stream, or rows of bf16, or SwiGLU of them.
#pragma once
#include "planes.cuh"
#include "prefill_arguments.h"

namespace esparse {

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

// What a thread of kThreads writes of a tile of kRows by kTokens: kValues rows of every kStep-th token.
template <int kRows, int kTokens, int kThreads, int kValues>
struct PrefillShare {
  static constexpr int kTile = kTokens, kChunks = kRows / kValues, kStep = kThreads / kChunks;
  static constexpr int kAtOnce = kTile / kStep < 8 ? kTile / kStep : 8;  // what it loads before it waits
  int chunk, token;    // the first
  int tokens;          // of the tile, or none where there are no such rows
  std::size_t at, step;  // in the outputs: of the first, and to the next

  // Of the tile that begins at `first_token` and at `tile_row` of a segment, which has `segment_rows` rows and begins at
  // `first_row` of the outputs.
  __device__ __forceinline__ PrefillShare(const PrefillArguments& args, unsigned thread, int first_token, int tile_row,
                                          int first_row, int segment_rows)
      : chunk(thread % kChunks), token(thread / kChunks) {
    const int row = tile_row + chunk * kValues;
    tokens = row < segment_rows ? args.tokens - first_token : 0;
    at = static_cast<std::size_t>(first_token + token) * args.out_rows + first_row + row;
    step = static_cast<std::size_t>(kStep) * args.out_rows;
  }
  __device__ __forceinline__ bool has(int i) const { return token + i * kStep < tokens; }
  __device__ __forceinline__ void advance() {
    token += kAtOnce * kStep;
    at += kAtOnce * step;
  }
};

// Adds sums to the residual stream: those of tokens, `kRow` floats apart.
template <int kRow, class Share>
__device__ __forceinline__ void add_rows(const PrefillArguments& args, Share share, const float* staged) {
  constexpr int kAtOnce = Share::kAtOnce;
#pragma unroll 1
  for (; share.token < Share::kTile; share.advance()) {
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

// Writes rows of bf16, or of up, times silu(gate). `eight_of(i)`: eight rows of the i-th of the share's tokens.
template <bool kGated, class Share, class EightOf>
__device__ __forceinline__ void store_rows(const PrefillArguments& args, Share share, const EightOf& eight_of) {
  constexpr int kAtOnce = Share::kAtOnce;
#pragma unroll 1
  for (; share.token < Share::kTile; share.advance()) {
    const auto at = [&](int i) { return reinterpret_cast<uint4*>(args.out + share.at + i * share.step); };
    const auto from = eight_of(share);
    uint4 gates[kAtOnce];
    if constexpr (kGated) {
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        if (share.has(i)) gates[i] = __ldcg(at(i));
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      uint4 eight = from(i);
      if constexpr (kGated) {
        const uint4& gate = gates[i];
        eight = make_uint4(gated(gate.x, eight.x), gated(gate.y, eight.y), gated(gate.z, eight.z), gated(gate.w, eight.w));
      }
      if (share.has(i)) *at(i) = eight;
    }
  }
}

}  // namespace esparse
