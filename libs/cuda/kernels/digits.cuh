// Activations as the linears of integers multiply them: two digits of 8 bits, X = 256 hi + lo, and a factor, for the inputs that
// share a scale of weights. Whole numbers are summed exactly, so all that is rounded is X, to 2^-15 of the greatest of those inputs.
//
// A kernel before has written bf16, hi and lo, as for every linear. A warp makes digits of them where they stand in shared memory, for
// 64 inputs of a token at a time: in the place of the first 32 inputs, the factors in that of the others. So the digits of a token
// depend on nothing but its activations.
#pragma once
#include "weights.cuh"

namespace esparse {

constexpr int kDigitInputs = 64;
constexpr int kTokenStepBytes = kColumnsPerToken * 4 * kChunkBytes;  // of 32 inputs of a token

// Where the factors of a token begin, after the beginning of those 64 inputs of `tokens` tokens. Four tokens are in four banks.
ESPARSE_BOTH int factor_offset(int token, int tokens) { return (tokens + token) * kTokenStepBytes + token % 8 * 16; }

// A lane's part of eight columns of 64 inputs, the digits of four tokens, and the factors of the token whose sums it has.
template <int kSpans>
struct DigitColumns {
  Words4 digits;
  float factors[kSpans];

  template <int kTokens>
  static __device__ __forceinline__ DigitColumns load(const std::uint8_t* step, int eight, int lane) {
    DigitColumns out;
    out.digits = load_columns<kTokens>(step, eight, lane);
    const auto* const at =
        reinterpret_cast<const float*>(step + factor_offset(min(eight * 4 + lane % 4, kTokens - 1), kTokens));
#pragma unroll
    for (int span = 0; span < kSpans; span++) out.factors[span] = at[span];
    return out;
  }
};

// By what activations are multiplied to be whole numbers, and by what these are multiplied, of inputs whose greatest hi part has
// these bits (as a magnitude).
template <int kBits>
struct DigitScale {
  float up, factor;
  explicit __device__ __forceinline__ DigitScale(std::uint32_t greatest) {
    // x < 1.989 * 2^(exponent - 127), which becomes less than 127.5 * 256. What is smaller than 2^-78 is zero.
    const std::uint32_t exponent = max((greatest + 1) >> 7, 64u);
    constexpr int kWeights = kBits == 4 ? 4 : 0;  // these are 16 times as large
    up = __uint_as_float((268 - exponent) << 23);
    // Of what is no finite number all sums are none.
    factor = __uint_as_float(greatest >= 0x7f80 ? 0x7fffffffu : (exponent - 14 - kWeights) << 23);
  }
};

// A lane's chunk of digits, from those that it made of its own chunks of 32 inputs. Of 2:4 it has two inputs of each of eight groups,
// and the lane beside it the other two: each gets four groups whole.
template <bool kSparse>
__device__ __forceinline__ Words4 digit_chunk(const std::uint32_t (&digits)[2][2], int lane) {
  if constexpr (!kSparse) return {{digits[0][0], digits[0][1], digits[1][0], digits[1][1]}};
  const bool odd = lane % 2 != 0;
  Words4 out;
#pragma unroll
  for (int step = 0; step < 2; step++) {
    const std::uint32_t kept = odd ? digits[step][1] : digits[step][0];
    const std::uint32_t other = __shfl_xor_sync(~0u, odd ? digits[step][0] : digits[step][1], 1);
    out.word[2 * step] = __byte_perm(kept, other, odd ? 0x1054 : 0x5410);
    out.word[2 * step + 1] = __byte_perm(kept, other, odd ? 0x3276 : 0x7632);
  }
  return out;
}

// Digits of activations: 64 inputs of a token are one piece of work, and the tokens of these inputs stand beside each other. Pieces
// from `first` to `end`, by a warp.
template <class Weights, int kTokens>
__device__ __forceinline__ void make_digits(std::uint8_t* activations, int first, int end) {
  constexpr int kAtOnce = kLanes / 4, kSpans = Weights::kSpans;
  const int lane = threadIdx.x % kLanes, quad = lane % 4;
#pragma unroll 1
  for (; first < end; first += kAtOnce) {
    const int piece = min(first + lane / 4, end - 1);
    std::uint8_t* const inputs = activations + piece / kTokens * (2 * kTokens * kTokenStepBytes);
    std::uint8_t* const own = inputs + piece % kTokens * kTokenStepBytes + quad * kChunkBytes;
    float x[2][kChunk];
    std::uint32_t greatest[2];
#pragma unroll
    for (int step = 0; step < 2; step++) {
      const auto* const chunk = own + step * kTokens * kTokenStepBytes;
      const Words4 hi = *reinterpret_cast<const Words4*>(chunk), lo = *reinterpret_cast<const Words4*>(chunk + kLoOffset);
      std::uint32_t pairs = 0;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        x[step][2 * i] = __uint_as_float(hi.word[i] << 16) + __uint_as_float(lo.word[i] << 16);
        x[step][2 * i + 1] = __uint_as_float(hi.word[i] & 0xffff0000u) + __uint_as_float(lo.word[i] & 0xffff0000u);
        pairs = __vmaxu2(pairs, hi.word[i] & 0x7fff7fffu);
      }
      greatest[step] = max(pairs & 0xffff, pairs >> 16);
    }
    if constexpr (kSpans == 1) greatest[0] = greatest[1] = max(greatest[0], greatest[1]);
#pragma unroll
    for (int distance = 1; distance <= 2; distance++) {
#pragma unroll
      for (int span = 0; span < kSpans; span++) {
        greatest[span] = max(greatest[span], __shfl_xor_sync(~0u, greatest[span], distance));
      }
    }
    // Of each 32 inputs four pairs, as two words of digits.
    std::uint32_t hi[2][2], lo[2][2];
    float factors[kSpans];
#pragma unroll
    for (int step = 0; step < 2; step++) {
      const DigitScale<Weights::kOrder.bits> scale(greatest[kSpans == 1 ? 0 : step]);
      factors[kSpans == 1 ? 0 : step] = scale.factor;
      std::uint32_t pairs[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        // The whole number plus 128 in the lowest bits: its digit hi in the second byte, and lo, but for the sign, in the first.
        constexpr float kBase = 12582912 + 128;
        const std::uint32_t first_number = __float_as_uint(fmaf(x[step][2 * i], scale.up, kBase));
        const std::uint32_t second_number = __float_as_uint(fmaf(x[step][2 * i + 1], scale.up, kBase));
        pairs[i] = __byte_perm(first_number, second_number, 0x5140);
      }
#pragma unroll
      for (int i = 0; i < 2; i++) {
        lo[step][i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x5410) ^ 0x80808080u;
        hi[step][i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x7632);
      }
    }
    __syncwarp();  // all of the piece has been read
    const auto put = [&](int offset, const std::uint32_t (&digits)[2][2]) {
      *reinterpret_cast<Words4*>(own + offset) = digit_chunk<Weights::kShuffled>(digits, lane);
    };
    put(0, hi);
    put(kLoOffset, lo);
    if (quad == 0) {
      auto* const at = reinterpret_cast<float*>(inputs + factor_offset(piece % kTokens, kTokens));
#pragma unroll
      for (int span = 0; span < kSpans; span++) at[span] = factors[span];
    }
  }
}

}  // namespace esparse
