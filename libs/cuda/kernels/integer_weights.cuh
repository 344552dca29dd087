// Weights as integers in registers. The linears of decode multiply them as they are, with activations as two digits of 8 bits
// (`digits.cuh`): the sums of a span of inputs that share a scale are exact, and become f32 when they are multiplied by it. Those of
// prefill have them as bf16.
#pragma once
#include "digits.cuh"
#include "integer_layout.h"
#include "weights.cuh"

namespace esparse {

// Two integers from the lowest bits of the halves of a word, as bf16.
template <int kBits>
__device__ __forceinline__ std::uint32_t widened_pair(std::uint32_t word) {
  // 0x4300 is 128, whose last bit of mantissa is 1. With the bits below the sign in it and the sign taken from it, there are
  // no other roundings. A number of 4 bits with its sign turned round is 8 more than it was, from 0 to 15.
  constexpr std::uint32_t k128 = 0x43004300u;
  if constexpr (kBits == 8) return subtract_pairs((word & 0x007f007fu) | k128, (word & 0x00800080u) | k128);
  constexpr std::uint32_t k136 = k128 + 0x00080008u;
  return subtract_pairs((word & 0x000f000fu) ^ k136, k136);
}

// Metadata of 64 inputs in the order of integers: groups q, 4 + q, 8 + q and 12 + q, of which lane q of a quad has values, stand at
// 2q, 2q + 1, 8 + 2q and 9 + 2q. `even` and `odd` are words of `sparse_metadata`, of the quad's lanes 0 and 1, or, in lanes 2 and 3,
// of these: groups 4q to 4q + 3 of two rows. Lane 2i + r gets the eight of row r, which are those of `even` and `odd` by turns.
__device__ __forceinline__ std::uint32_t integer_metadata(std::uint32_t even, std::uint32_t odd, int lane) {
  const std::uint32_t both = __byte_perm(even, odd, lane % 2 == 0 ? 0x5140 : 0x7362);
  const std::uint32_t swapped = (both ^ both >> 4) & 0x00f000f0u;
  return both ^ 17 * swapped;  // swapped ^ swapped << 4
}

// sums[0] and [2] += the sums of a token's digits, of the lane's row and the one eight below, times their scale and the token's.
__device__ __forceinline__ void add_products(float (&sums)[4], const std::uint32_t (&products)[4], const float (&scale)[2],
                                             const DigitFactor& factor) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    // 256 (base + hi) - 257 base is a multiple of 256 below 2^28; with lo it is rounded once.
    const float hi = fmaf(__uint_as_float(products[2 * half]), factor.of_hi(), factor.base);
    sums[2 * half] = fmaf(scale[half], fmaf(__uint_as_float(products[2 * half + 1]), factor.of_lo, hi), sums[2 * half]);
  }
}

// What a lane needs to multiply 64 inputs, of kSpans scales: of its row, and of the one eight below.
template <int kSpans>
struct SparseIntegerStep {
  Words4 numbers;
  std::uint32_t metadata;
  float scale[kSpans][2];
  __device__ __forceinline__ void multiply(std::uint32_t (&products)[kSpans][4], const Words4& digits) const {
    if constexpr (kSpans == 1) {
      multiply_sparse_integers(products[0], numbers, digits, metadata);
    } else {
      multiply_sparse_integers(products[0], numbers, {digits.word[0], digits.word[1], 0, 0}, metadata);
      multiply_sparse_integers(products[1], numbers, {0, 0, digits.word[2], digits.word[3]}, metadata);
    }
  }
};

struct DenseIntegerStep {
  Words4 numbers[2];
  float scale[2][2];
  __device__ __forceinline__ void multiply(std::uint32_t (&products)[2][4], const Words4& digits) const {
#pragma unroll
    for (int span = 0; span < 2; span++) {
      multiply_dense_integers(products[span], numbers[span], digits.word[2 * span], digits.word[2 * span + 1]);
    }
  }
};

template <bool kSparse, int kBits, int kScales>
struct Integers {
  static constexpr IntegerOrder kOrder{kSparse, kBits, kScales};
  static constexpr Format kFormat = integer_format(kOrder);
  static constexpr DigitOrder kDigits{kBits, kOrder.span(), kSparse};
  static constexpr int kSteps = kOrder.inputs() / kDigitInputs, kSpans = kScales / kSteps;
  static constexpr int kTogether = 4 / kSpans;  // eights of columns whose products are under way at once
  static constexpr bool kShuffled = kSparse, kScaled = true;
  static constexpr int kWords = kOrder.words();
  using Columns = DigitColumns<kSpans>;
  struct Products {
    std::uint32_t of[kSpans][4];
  };
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
    if constexpr (kSparse) {
      const Words4 of_two = *reinterpret_cast<const Words4*>(tile + kOrder.metadata() + lane / 2 * 16);
#pragma unroll
      for (int i = 0; i < 2; i++) metadata.word[i] = integer_metadata(of_two.word[i], of_two.word[i + 2], lane);
    }
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

  // A fragment of integers: two of bf16, kAt and the next. Those of 4 bits are 16 times as large.
  template <int kAt>
  __device__ __forceinline__ Words4 numbers() const {
    Words4 out;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if constexpr (kBits == 8) {
        out.word[i] = words[2 * kAt + i];
      } else {
        const std::uint32_t two = words[kAt + i / 2];
        out.word[i] = (i % 2 == 0 ? two << 4 : two) & 0xf0f0f0f0u;
      }
    }
    return out;
  }
  // Four pairs as a fragment's registers of bf16.
  template <int kAt>
  __device__ __forceinline__ Words4 fragment() const {
    Words4 out;
#pragma unroll
    for (int i = 0; i < kPairsAtOnce; i++) {
      const std::uint32_t word = kBits == 8 ? words[2 * kAt + i % 2] : words[kAt] >> (i % 2 * 4);
      out.word[i] = widened_pair<kBits>(__byte_perm(word, 0, i / 2 == 0 ? 0x4140 : 0x4342));
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
    if constexpr (kSparse) {
      SparseIntegerStep<kSpans> out{numbers<2 * kStep>(), metadata.word[kStep], {}};
      set_scales<kStep>(out.scale);
      return out;
    } else {
      DenseIntegerStep out{{numbers<0>(), numbers<2>()}, {}};
      set_scales<kStep>(out.scale);
      return out;
    }
  }
  template <class Step>
  static __device__ __forceinline__ void multiply(const Step& step, Products& products, const Columns& x) {
    step.multiply(products.of, x.digits);
  }
  template <class Step>
  static __device__ __forceinline__ void add(const Step& step, float (&sums)[4], const Products& products, const Columns& x) {
#pragma unroll
    for (int span = 0; span < kSpans; span++) add_products(sums, products.of[span], step.scale[span], x.factors[span]);
  }

  template <int kStep>
  __device__ __forceinline__ void set_scales(float (&of)[kSpans][2]) const {
#pragma unroll
    for (int span = 0; span < kSpans; span++) {
#pragma unroll
      for (int half = 0; half < 2; half++) of[span][half] = scale(half, kStep * kSpans + span);
    }
  }
};

struct SparseInt8 : Integers<true, 8, 2> {};
struct SparseInt4 : Integers<true, 4, 2> {};
struct SparseInt4Fine : Integers<true, 4, 4> {};  // a scale for every 16 survivors
struct DenseInt8 : Integers<false, 8, 2> {};
struct DenseInt4 : Integers<false, 4, 2> {};

}  // namespace esparse
