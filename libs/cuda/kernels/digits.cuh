// Activations as the linears of integers multiply them: two digits of 8 bits, X = 256 hi + lo, and a factor, for the inputs that
// share a scale of weights. Whole numbers are summed exactly, so all that is rounded is X, to 2^-15 of the greatest of those inputs.
//
// A kernel before has written bf16, hi and lo, as for every linear. A warp makes digits of them in shared memory, for 64 inputs of a
// token at a time, which take little more than half of the room and so stand before what is still to be read. The digits of a token
// depend on nothing but its activations. A kernel before that has the inputs of a factor in a warp writes the same digits itself;
// attention has not, nor has a linear that ends in SwiGLU.
#pragma once
#include "planes.cuh"
#include "weights.cuh"

namespace esparse {

constexpr int kTokenStepBytes = kColumnsPerToken * 4 * kChunkBytes;  // of 32 inputs of a token

// What sums of digits are multiplied by, and what is added to them: products of integers begin at kIntegerBase, so that 256 (base + hi)
// + base + lo, less 257 times the base, is what they say, here times the factor: a power of 2, so nothing is rounded by it.
struct alignas(8) DigitFactor {
  float of_lo, base;
  __device__ __forceinline__ float of_hi() const { return 256 * of_lo; }
  static __device__ __forceinline__ DigitFactor of(float factor) {
    constexpr float kBase = 12582912;  // kIntegerBase
    return {factor, -257 * kBase * factor};
  }
};

// Where the factors of a token begin, after the beginning of 64 inputs of `tokens` tokens.
ESPARSE_BOTH int factor_offset(int token, int tokens) { return tokens * kTokenDigitBytes + token * kTokenFactorBytes; }

// A lane's part of eight columns of 64 inputs, the digits of four tokens, and the factors of the token whose sums it has.
template <int kSpans>
struct DigitColumns {
  Words4 digits;
  DigitFactor factors[kSpans];

  template <int kTokens>
  static __device__ __forceinline__ DigitColumns load(const std::uint8_t* step, int eight, int lane) {
    DigitColumns out;
    out.digits = load_columns<kTokens>(step, eight, lane);
    const auto* const at =
        reinterpret_cast<const DigitFactor*>(step + factor_offset(min(eight * 4 + lane % 4, kTokens - 1), kTokens));
#pragma unroll
    for (int span = 0; span < kSpans; span++) out.factors[span] = at[span];
    return out;
  }
};

// By what activations are multiplied to be whole numbers, and by what these are multiplied, of inputs whose greatest hi part has
// these bits (as a magnitude).
struct DigitScale {
  float up, factor;
  __device__ __forceinline__ DigitScale(std::uint32_t greatest, int bits) {
    // x < 1.989 * 2^(exponent - 127), which becomes less than 127.5 * 256. What is smaller than 2^-78 is zero.
    const std::uint32_t exponent = max((greatest + 1) >> 7, 64u);
    const std::uint32_t of_weights = bits == 4 ? 4 : 0;  // these are 16 times as large
    up = __uint_as_float((268 - exponent) << 23);
    // Of what is no finite number all sums are none.
    factor = __uint_as_float(greatest >= 0x7f80 ? 0x7fffffffu : (exponent - 14 - of_weights) << 23);
  }
  // Two numbers: their digits lo in the first two bytes, but for the sign, and hi in the others.
  __device__ __forceinline__ std::uint32_t digits(float first, float second) const {
    constexpr float kBase = 12582912 + 128;  // the whole number plus 128 is in the lowest bits
    return __byte_perm(__float_as_uint(fmaf(first, up, kBase)), __float_as_uint(fmaf(second, up, kBase)), 0x5140);
  }
};

// A lane's chunk of digits, from those that it made of its own chunks of 32 inputs. Of 2:4 it has two inputs of each of eight groups,
// and the lane beside it the other two: each gets four groups whole.
__device__ __forceinline__ Words4 digit_chunk(const std::uint32_t (&digits)[2][2], bool shuffled, int lane) {
  if (!shuffled) return {{digits[0][0], digits[0][1], digits[1][0], digits[1][1]}};
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

// 64 inputs of a token, as hi and lo parts, in the hands of four lanes: a lane has a chunk of each 32.
struct DigitPiece {
  float x[2][kChunk];
  std::uint32_t greatest[2];  // hi part, as bits, of each 32

  __device__ __forceinline__ void take(int step, Words4 hi, Words4 lo) {
    std::uint32_t pairs = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      x[step][2 * i] = __uint_as_float(hi.word[i] << 16) + __uint_as_float(lo.word[i] << 16);
      x[step][2 * i + 1] = __uint_as_float(hi.word[i] & 0xffff0000u) + __uint_as_float(lo.word[i] & 0xffff0000u);
      pairs = __vmaxu2(pairs, hi.word[i] & 0x7fff7fffu);
    }
    greatest[step] = max(pairs & 0xffff, pairs >> 16);
  }

  // Writes the digits to where those of the inputs of `tokens` tokens stand, by all lanes of a warp, unless `read` says no, which it
  // calls when this lane has read what it takes.
  template <class Read>
  __device__ __forceinline__ void write(std::uint8_t* inputs, int token, int tokens, DigitOrder order, const Read& read) {
    const int lane = threadIdx.x % kLanes, quad = lane % 4;
    const bool whole = order.span == kDigitInputs;
    if (whole) greatest[0] = greatest[1] = max(greatest[0], greatest[1]);
#pragma unroll
    for (int distance = 1; distance <= 2; distance++) {
      greatest[0] = max(greatest[0], __shfl_xor_sync(~0u, greatest[0], distance));
      if (!whole) greatest[1] = max(greatest[1], __shfl_xor_sync(~0u, greatest[1], distance));
    }
    if (whole) greatest[1] = greatest[0];
    // Of each 32 inputs four pairs, as two words of digits.
    std::uint32_t hi[2][2], lo[2][2];
    float factors[2];
#pragma unroll
    for (int step = 0; step < 2; step++) {
      const DigitScale scale(greatest[step], order.bits);
      factors[step] = scale.factor;
      std::uint32_t pairs[4];
#pragma unroll
      for (int i = 0; i < 4; i++) pairs[i] = scale.digits(x[step][2 * i], x[step][2 * i + 1]);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        lo[step][i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x5410) ^ 0x80808080u;
        hi[step][i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x7632);
      }
    }
    if (!read()) return;
    std::uint8_t* const own = inputs + token * kTokenDigitBytes + quad * kChunkBytes;
    *reinterpret_cast<Words4*>(own) = digit_chunk(hi, order.shuffled, lane);
    *reinterpret_cast<Words4*>(own + kLoOffset) = digit_chunk(lo, order.shuffled, lane);
    if (quad == 0) {
      auto* const at = reinterpret_cast<DigitFactor*>(inputs + factor_offset(token, tokens));
      at[0] = DigitFactor::of(factors[0]);
      if (!whole) at[1] = DigitFactor::of(factors[1]);
    }
  }
};

// 64 inputs of a token are a piece of work; the tokens of these inputs stand beside each other. A warp makes digits of so many at once.
constexpr int kWarpPieces = kLanes / kDigitLanes;

// Of the pieces from `first` on before `end`; calls `read` when they have been read by this lane.
template <class Read>
__device__ __forceinline__ void make_digits(const std::uint8_t* from, std::uint8_t* to, int first, int end, int tokens, DigitOrder order,
                                            const Read& read) {
  const int lane = threadIdx.x % kLanes, at = min(first + lane / kDigitLanes, max(end, 1) - 1), inputs = at / tokens, token = at % tokens;
  DigitPiece piece;
#pragma unroll
  for (int step = 0; step < 2; step++) {
    const auto* const chunk = from + ((2 * inputs + step) * tokens + token) * kTokenStepBytes + lane % 4 * kChunkBytes;
    piece.take(step, *reinterpret_cast<const Words4*>(chunk), *reinterpret_cast<const Words4*>(chunk + kLoOffset));
  }
  piece.write(to + inputs * digit_bytes(kDigitInputs, tokens), token, tokens, order, [&] {
    read();
    return first < end;
  });
}

// Where the digits of inputs `input` (even) and input + 1 of 64 stand after the beginning of the token's, those of hi: the lo digits
// are kLoOffset further. `digit_chunk` puts them there.
ESPARSE_BOTH int digit_offset(int input, bool shuffled) {
  const int step = input / kStepInputs, within = input % kStepInputs;
  const int element = within / 8 * 2, quad = within / 2 % 4;  // the chunk's
  if (!shuffled) return quad * kChunkBytes + step * 8 + element;
  return (quad / 2 * 2 + element / 4) * kChunkBytes + step * 8 + element % 4 * 2 + quad % 2 * 2;
}

// Writes inputs `input` (even) and input + 1 as `make_digits` would, to a `digit_place`, by a warp whose lanes have 64 inputs
// beside each other.
__device__ __forceinline__ void write_digits(const TokenPlace& to, int input, float first, float second, DigitOrder order) {
  const Split both = split(first, second);
  std::uint32_t greatest = max(both.hi & 0x7fffu, both.hi >> 16 & 0x7fffu);
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
    const std::uint32_t other = __shfl_xor_sync(~0u, greatest, distance);
    if (2 * distance < order.span) greatest = max(greatest, other);
  }
  const DigitScale scale(greatest, order.bits);
  const std::uint32_t digits = scale.digits(__uint_as_float(both.hi << 16) + __uint_as_float(both.lo << 16),
                                            __uint_as_float(both.hi & 0xffff0000u) + __uint_as_float(both.lo & 0xffff0000u));
  std::uint8_t* const inputs = to.fragments + input / kDigitInputs * digit_bytes(kDigitInputs, to.tokens);
  std::uint8_t* const own = inputs + to.token * kTokenDigitBytes + digit_offset(input % kDigitInputs, order.shuffled);
  *reinterpret_cast<std::uint16_t*>(own) = static_cast<std::uint16_t>(digits >> 16);
  *reinterpret_cast<std::uint16_t*>(own + kLoOffset) = static_cast<std::uint16_t>(digits ^ 0x8080u);
  if (input % order.span != 0) return;
  auto* const factors = reinterpret_cast<DigitFactor*>(inputs + factor_offset(to.token, to.tokens));
  factors[input % kDigitInputs / order.span] = DigitFactor::of(scale.factor);
}

}  // namespace esparse
