// What a linear of prefill on Hopper does with the sums of its tile: they are turned through shared memory, which no product
// reads any more, and written (`prefill_rows.cuh`).
#pragma once
#include "prefill_rows.cuh"

namespace esparse {

// Where a warp's sums belong: lane l has tokens 8 j + 2 (l % 4) and the next, in row l / 4 and eight rows below.
struct PrefillPlace {
  int first_token;
  int cta_row, own_row;         // of the CTA in its segment, of the warp in the CTA
  int first_row, segment_rows;  // of the segment in the outputs
};

constexpr int kConsumers = 256;
__device__ __forceinline__ void consumers_sync() { asm volatile("bar.sync 1, 256;" ::: "memory"); }

template <int kTile, int kValues>
__device__ __forceinline__ auto share_of(const PrefillArguments& args, const PrefillPlace& place) {
  return PrefillShare<kPrefillRows, kTile, kConsumers, kValues>(args, threadIdx.x - 128, place.first_token, place.cta_row,
                                                                place.first_row, place.segment_rows);
}

// Adds the sums to the residual stream.
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
  add_rows<kRow>(args, share_of<kTile, 4>(args, place), staged);
}

// Writes rows of bf16, or of up, times silu(gate).
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
  store_rows<kGated>(args, share_of<kTile, 8>(args, place), [&](const auto& share) {
    const std::uint8_t* const from = stages + share.token * kRow + share.chunk * 16;
    return [=](int i) { return *reinterpret_cast<const uint4*>(from + i * share.kStep * kRow); };
  });
}

}  // namespace esparse
