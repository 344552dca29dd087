// Sixteen keys and values of a head in a warp's registers, and their products with up to eight queries by mma.sync.
//
// Lane l = 4 * row + quad. Dims may be multiplied in any order, so a lane's 16 bytes of a key are two steps of the
// product as they are; and so are the scores that come out, as weights, in the product with the values. Nothing is
// exchanged between lanes but maxima and sums. Keys may stand in any order, too: a lane weighs four that follow each other.
#pragma once
#include "attention_plan.h"
#include "planes.cuh"

namespace esparse {

// A thread's number among those of a CTA, or of a half of it, that do the same.
__device__ __forceinline__ int attention_thread() { return threadIdx.x % kAttentionThreads; }

// Lane (row, quad): of the keys of `key_of`, dims 32 chunk + 8 quad to the seventh after.
template <int kDims>
struct KeyBlock {
  static constexpr int kChunks = kDims / 32;
  uint4 words[2][kChunks];

  static __device__ __forceinline__ int key_of(int half, int lane) { return lane / 8 * 4 + lane / 4 % 2 + 2 * half; }

  // `from`: the block's first key. What stands behind the last one may be anything: its scores are not looked at.
  __device__ __forceinline__ void load(const std::uint16_t* from, int lane) {
    from += key_of(0, lane) * kDims + 8 * (lane % 4);
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
      for (int chunk = 0; chunk < kChunks; chunk++) {
        words[half][chunk] = __ldcg(reinterpret_cast<const uint4*>(from + 2 * half * kDims + 32 * chunk));
      }
    }
  }
  // From shared memory.
  __device__ __forceinline__ void take(const std::uint16_t* from, int lane) {
    from += key_of(0, lane) * kDims + 8 * (lane % 4);
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
      for (int chunk = 0; chunk < kChunks; chunk++) {
        words[half][chunk] = *reinterpret_cast<const uint4*>(from + 2 * half * kDims + 32 * chunk);
      }
    }
  }
  // Puts key number `key` in its place.
  __device__ __forceinline__ void put(const std::uint16_t* from, int key, int lane) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (key_of(half, lane) != key) continue;
#pragma unroll
      for (int chunk = 0; chunk < kChunks; chunk++) {
        words[half][chunk] = *reinterpret_cast<const uint4*>(from + 32 * chunk + 8 * (lane % 4));
      }
    }
  }
};

// Lane (row, quad): of keys 4 quad to the third after, eight of 64 dims from 8 row on.
template <int kDims>
struct ValueBlock {
  uint4 words[4];

  static __device__ __forceinline__ int key_of(int i, int lane) { return lane % 4 * 4 + i; }

  // `from`: the first key's first of the 64 dims.
  __device__ __forceinline__ void load(const std::uint16_t* from, int lane) {
    from += key_of(0, lane) * kDims + 8 * (lane / 4);
#pragma unroll
    for (int i = 0; i < 4; i++) words[i] = __ldcg(reinterpret_cast<const uint4*>(from + i * kDims));
  }
  // From shared memory, where fours of keys stand `four` elements apart.
  __device__ __forceinline__ void take(const std::uint16_t* from, int four, int lane) {
    from += lane % 4 * four + 8 * (lane / 4);
#pragma unroll
    for (int i = 0; i < 4; i++) words[i] = *reinterpret_cast<const uint4*>(from + i * kDims);
  }
  // Puts key number `last` in its place, and zeros behind it: a weight of zero takes NaN of NaN.
  __device__ __forceinline__ void put_last(const std::uint16_t* from, int last, int lane) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int key = key_of(i, lane);
      if (key < last) continue;
      words[i] = key == last ? *reinterpret_cast<const uint4*>(from + 8 * (lane / 4)) : make_uint4(0, 0, 0, 0);
    }
  }
};

__device__ __forceinline__ std::uint32_t word_of(const uint4& words, int i) {
  return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// The scores of query `row` with keys 4 quad to the third after: hi and lo parts of the queries are rows `row` and `row + 8`
// of one product.
template <int kDims>
__device__ __forceinline__ void score_block(const NewHead<kDims>& head, const KeyBlock<kDims>& keys, int lane,
                                            float (&scores)[4]) {
  float sums[2][4] = {};
#pragma unroll
  for (int chunk = 0; chunk < KeyBlock<kDims>::kChunks; chunk++) {
    const int at = 32 * chunk + 8 * (lane % 4);
    const uint4 hi = *reinterpret_cast<const uint4*>(&head.queries[0][lane / 4][at]);
    const uint4 lo = *reinterpret_cast<const uint4*>(&head.queries[1][lane / 4][at]);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const uint4& key = keys.words[half][chunk];
      multiply_dense(sums[half], Words4{{hi.x, lo.x, hi.y, lo.y}}, key.x, key.y);
      multiply_dense(sums[half], Words4{{hi.z, lo.z, hi.w, lo.w}}, key.z, key.w);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; i++) scores[i] = sums[i / 2][i % 2] + sums[i / 2][2 + i % 2];
}

// What a warp makes of scores: weights relative to the greatest of query `row`, as hi and lo parts, and the lane's part of
// their sum.
struct WarpWeights {
  Split first, second;  // of keys 4 quad and 4 quad + 1, and of the two behind them
  float maximum, sum;

  __device__ __forceinline__ explicit WarpWeights(float (&scores)[4]) {
    maximum = fmaxf(fmaxf(scores[0], scores[1]), fmaxf(scores[2], scores[3]));
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 1));
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 2));
#pragma unroll
    for (int i = 0; i < 4; i++) scores[i] = power_of_2(scores[i] - maximum);
    sum = (scores[0] + scores[1]) + (scores[2] + scores[3]);
    first = split(scores[0], scores[1]);
    second = split(scores[2], scores[3]);
  }
  // Outputs of 64 dims. Tile t: dims 8 row + 2 t (0, 1) and the next (2, 3) of queries 2 quad and 2 quad + 1.
  template <int kDims>
  __device__ __forceinline__ void weigh(const ValueBlock<kDims>& values, float (&outputs)[4][4]) const {
#pragma unroll
    for (int tile = 0; tile < 4; tile++) {
      std::uint32_t of[4];
#pragma unroll
      for (int i = 0; i < 4; i++) of[i] = word_of(values.words[i], tile);
      const Words4 a{{__byte_perm(of[0], of[1], 0x5410), __byte_perm(of[0], of[1], 0x7632),
                      __byte_perm(of[2], of[3], 0x5410), __byte_perm(of[2], of[3], 0x7632)}};
      multiply_dense_first(outputs[tile], a, first.hi, second.hi);
      multiply_dense(outputs[tile], a, first.lo, second.lo);
    }
  }
};

}  // namespace esparse
