// Weights as integers in registers. They become bf16, which has them exactly, on the way to the tensor cores; a scale is
// multiplied into the sums of its products, so that nothing is rounded that is not with weights of bf16.
#pragma once
#include "integer_layout.h"
#include "weights.cuh"

namespace esparse {

// Two integers from the lowest bits of the halves of a word.
template <int kBits>
__device__ __forceinline__ std::uint32_t widened_pair(std::uint32_t word) {
  // 0x4300 is 128, whose last bit of mantissa is 1. With the bits below the sign in it and the sign taken from it, there are
  // no other roundings.
  constexpr std::uint32_t k128 = 0x43004300u;
  if constexpr (kBits == 8) return subtract_pairs((word & 0x007f007fu) | k128, (word & 0x00800080u) | k128);
  return subtract_pairs((word & 0x000f000fu) | k128, k128 + 0x00080008u);
}

// What a lane needs to multiply a step of 2:4 integers, whose sums begin anew: (0, scale) of its row, and of the one eight below.
template <int kSelector>
struct SparseIntegerStep {
  Words4 values;
  std::uint32_t metadata;
  float scale[2];
  __device__ __forceinline__ void multiply(float (&sums)[4], const Words4& x) const {
    float products[4];
    multiply_sparse_first<kSelector>(products, values, x, metadata);
#pragma unroll
    for (int i = 0; i < 4; i++) sums[i] = fmaf(scale[i / 2], products[i], sums[i]);
  }
};

struct DenseIntegerStep {
  Words4 values[2];
  float scale[2];
  __device__ __forceinline__ void multiply(float (&sums)[4], const Words4& x) const {
    float products[4];
    multiply_dense_first(products, values[0], x.word[0], x.word[1]);
    multiply_dense(products, values[1], x.word[2], x.word[3]);
#pragma unroll
    for (int i = 0; i < 4; i++) sums[i] = fmaf(scale[i / 2], products[i], sums[i]);
  }
};

template <bool kSparse, int kBits, int kScales>
struct Integers {
  static constexpr IntegerOrder kOrder{kSparse, kBits, kScales};
  static constexpr Format kFormat = integer_format(kOrder);
  static constexpr int kSteps = kOrder.inputs() / kStepInputs;
  static constexpr bool kShuffled = kSparse, kScaled = true;
  static constexpr int kWords = kOrder.words();
  std::uint32_t words[kWords];
  Words2 metadata;
  std::uint32_t scales[2][kScales / 2];  // of the lane's row, and of the one eight below: two in a word

  __device__ __forceinline__ void load(const std::uint8_t* tile, int lane) {
#pragma unroll
    for (int i = 0; i < kWords / 4; i++) {
      const Words4 four = *reinterpret_cast<const Words4*>(tile + i * kStepBytes + lane * 16);
#pragma unroll
      for (int j = 0; j < 4; j++) words[4 * i + j] = four.word[j];
    }
    if constexpr (kSparse) metadata = *reinterpret_cast<const Words2*>(tile + kOrder.metadata() + lane * 8);
    const std::uint8_t* const of_rows = tile + kOrder.scale_offset() + lane / 4 * (4 * kScales);
    if constexpr (kScales == 2) {
      const Words2 both = *reinterpret_cast<const Words2*>(of_rows);
      scales[0][0] = both.word[0];
      scales[1][0] = both.word[1];
    } else {
      const Words4 all = *reinterpret_cast<const Words4*>(of_rows);
#pragma unroll
      for (int i = 0; i < 4; i++) scales[i / 2][i % 2] = all.word[i];
    }
  }

  // Four pairs as a fragment's registers.
  template <int kAt>
  __device__ __forceinline__ Words4 fragment() const {
    Words4 out;
#pragma unroll
    for (int i = 0; i < kPairsAtOnce; i++) {
      constexpr int kPairs = 16 / kBits;
      const int pair = kAt * kPairsAtOnce + i;
      out.word[i] = widened_pair<kBits>(words[pair / kPairs] >> (kBits * (pair % kPairs)));
    }
    return out;
  }
  // The scale of a row, as a number, and in both halves of a word.
  __device__ __forceinline__ float scale(int half, int span) const {
    const std::uint32_t both = scales[half][span / 2];
    return __uint_as_float(span % 2 == 0 ? both << 16 : both & 0xffff0000u);
  }
  __device__ __forceinline__ std::uint32_t scale_pair(int half, int span) const {
    return __byte_perm(scales[half][span / 2], 0, span % 2 == 0 ? 0x1010 : 0x3232);
  }

  template <int kStep>
  __device__ __forceinline__ auto step() const {
    constexpr int kSpan = kStep * kScales / kSteps;
    if constexpr (kSparse) {
      return SparseIntegerStep<kStep % 2>{fragment<kStep>(), metadata.word[kStep / 2], {scale(0, kSpan), scale(1, kSpan)}};
    } else {
      return DenseIntegerStep{{fragment<2 * kStep>(), fragment<2 * kStep + 1>()}, {scale(0, kSpan), scale(1, kSpan)}};
    }
  }
};

struct SparseInt8 : Integers<true, 8, 2> {};
struct SparseInt4 : Integers<true, 4, 2> {};
struct SparseInt4Fine : Integers<true, 4, 4> {};  // a scale for every 16 survivors
struct DenseInt8 : Integers<false, 8, 2> {};
struct DenseInt4 : Integers<false, 4, 2> {};

}  // namespace esparse
