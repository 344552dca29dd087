// Sixteen f32 as four 128-bit registers. Include within an anonymous namespace; needs <arm_neon.h>, <cstdint>, <cstring>
// and target.h before.

// For each four bits, where the bytes of four values of 16 bits go: as many values as there are bits, zeros elsewhere.
struct Places {
  std::uint8_t of[16][8];
  constexpr Places() : of() {
    for (int bits = 0; bits < 16; bits++) {
      int next = 0;
      for (int lane = 0; lane < 4; lane++) {
        const bool here = (bits >> lane) & 1;
        of[bits][2 * lane] = static_cast<std::uint8_t>(here ? 2 * next : 255);
        of[bits][2 * lane + 1] = static_cast<std::uint8_t>(here ? 2 * next + 1 : 255);
        next += here ? 1 : 0;
      }
    }
  }
};
constexpr Places kPlaces;

struct LanesNeon {
  struct V {
    float32x4_t quarter[4];
  };
  // The four bytes of each lane's input.
  struct P {
    uint8x16_t quarter[4];
  };

  static constexpr bool kTwoSlotsAtOnce = false;
  static constexpr std::size_t kMaxTokens = 4;
  static constexpr std::size_t tiles_at_once(std::size_t) { return 1; }
  static constexpr std::size_t kDenseRows = 2, kDenseTokens = 2;
  static constexpr std::size_t kQuantizedTokens = 4;
  static constexpr std::size_t quantized_tiles(std::size_t) { return 1; }

  ESPARSE_INLINE V zero() {
    const float32x4_t z = vdupq_n_f32(0);
    return {{z, z, z, z}};
  }
  ESPARSE_INLINE V load(const float* from) {
    return {{vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)}};
  }
  ESPARSE_INLINE V load_first(const float* from, std::size_t count) {
    float all[16] = {};
    std::memcpy(all, from, count * sizeof(float));
    return load(all);
  }
  ESPARSE_INLINE void store(float* to, V v) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) vst1q_f32(to + 4 * q, v.quarter[q]);
  }
  ESPARSE_INLINE void store_first(float* to, V v, std::size_t count) {
    float all[16];
    store(all, v);
    std::memcpy(to, all, count * sizeof(float));
  }
  ESPARSE_INLINE V add(V a, V b) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) a.quarter[q] = vaddq_f32(a.quarter[q], b.quarter[q]);
    return a;
  }
  ESPARSE_INLINE V fma(V a, V b, V c) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) c.quarter[q] = vfmaq_f32(c.quarter[q], a.quarter[q], b.quarter[q]);
    return c;
  }

  template <bool F16>
  ESPARSE_INLINE float32x4_t widen(uint16x4_t halves) {
    if constexpr (F16) return vcvt_f32_f16(vreinterpret_f16_u16(halves));
    else return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(halves), 16));
  }
  template <bool F16>
  ESPARSE_INLINE V halves(const std::uint16_t* from) {
    V v;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) v.quarter[q] = widen<F16>(vld1_u16(from + 4 * q));
    return v;
  }
  template <bool F16>
  ESPARSE_INLINE V halves_first(const std::uint16_t* from, std::size_t count) {
    std::uint16_t all[16] = {};
    std::memcpy(all, from, count * sizeof(std::uint16_t));
    return halves<F16>(all);
  }

  template <int Bits, int Width>
  ESPARSE_INLINE P positions(const std::uint8_t* string, int) {
    std::uint32_t half[2] = {0, 0};
    if constexpr (Bits <= 2) {
      std::memcpy(half, string, 2 * Bits);
      half[1] = half[0] >> (8 * Bits);
    } else {
      std::memcpy(half, string, Bits);
      std::memcpy(half + 1, string + Bits, Bits);
    }
    const std::int32_t each[4] = {0, -Bits, -2 * Bits, -3 * Bits};
    const int32x4_t shifts = vld1q_s32(each);
    P p;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const uint32x4_t word = vdupq_n_u32(half[q / 2] >> (q % 2 * 4 * Bits));
      const uint32x4_t position = vandq_u32(vshlq_u32(word, shifts), vdupq_n_u32((1u << Bits) - 1));
      p.quarter[q] = vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100u), position, 0x04040404u));
    }
    return p;
  }
  template <int Width>
  ESPARSE_INLINE V choose(const float* x, int g, P p) {
    V v;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(x + Width * g);
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      uint8x16_t chosen;
      if constexpr (Width == 4) {
        chosen = vqtbl1q_u8(vld1q_u8(bytes), p.quarter[q]);
      } else if constexpr (Width == 8) {
        chosen = vqtbl2q_u8({{vld1q_u8(bytes), vld1q_u8(bytes + 16)}}, p.quarter[q]);
      } else {
        chosen = vqtbl4q_u8({{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}},
                            p.quarter[q]);
      }
      v.quarter[q] = vreinterpretq_f32_u8(chosen);
    }
    return v;
  }

  struct Mask {
    uint32x4_t quarter[4];
  };
  ESPARSE_INLINE Mask mask(std::uint32_t bits) {
    const std::uint32_t each[4] = {1, 2, 4, 8};
    Mask where;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      where.quarter[q] = vtstq_u32(vdupq_n_u32(bits >> (4 * q)), vld1q_u32(each));
    }
    return where;
  }
  template <bool F16>
  ESPARSE_INLINE V expand(const std::uint16_t* values, std::uint32_t bits) {
    V v;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const std::uint32_t four = (bits >> (4 * q)) & 15;
      const uint8x8_t bytes = vreinterpret_u8_u16(vld1_u16(values));
      v.quarter[q] = widen<F16>(vreinterpret_u16_u8(vtbl1_u8(bytes, vld1_u8(kPlaces.of[four]))));
      values += __builtin_popcount(four);
    }
    return v;
  }
  ESPARSE_INLINE V fma_where(Mask where, V w, const float* x, V sum) {
    const float32x4_t input = vld1q_dup_f32(x);
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const float32x4_t all = vfmaq_f32(sum.quarter[q], w.quarter[q], input);
      sum.quarter[q] = vbslq_f32(where.quarter[q], all, sum.quarter[q]);
    }
    return sum;
  }

  ESPARSE_INLINE float sum(V v) {
    const float32x4_t low = vaddq_f32(v.quarter[0], v.quarter[2]), high = vaddq_f32(v.quarter[1], v.quarter[3]);
    const float32x4_t four = vaddq_f32(low, high);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }

  // A 32-bit integer for each row; four bytes for each: numbers, inputs, or where they stand.
  struct I {
    int32x4_t quarter[4];
  };
  using Quads = P;
  using Exact = I;
  struct Count {};
  static constexpr std::uint8_t kFlip = 0;
  ESPARSE_INLINE Exact nothing() {
    const int32x4_t z = vdupq_n_s32(0);
    return {{z, z, z, z}};
  }
  ESPARSE_INLINE Count no_count() { return {}; }
  ESPARSE_INLINE Quads quads(const std::uint8_t* from) {
    Quads all;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) all.quarter[q] = vld1q_u8(from + 16 * q);
    return all;
  }
  // Sixteen times the numbers of 4 bits in the lower, or upper, halves of all bytes.
  ESPARSE_INLINE Quads lower_halves(Quads both) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) both.quarter[q] = vshlq_n_u8(both.quarter[q], 4);
    return both;
  }
  ESPARSE_INLINE Quads upper_halves(Quads both) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) both.quarter[q] = vandq_u8(both.quarter[q], vdupq_n_u8(0xf0));
    return both;
  }
  // 32 times the K-th numbers of 3 bits: the K mod 4-th two bits of all bytes, and the K-th bit of others, their signs.
  template <int K>
  ESPARSE_INLINE Quads threes(Quads low, Quads signs) {
    constexpr int kUp = 5 - 2 * (K % 4);
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      uint8x16_t two = low.quarter[q];
      if constexpr (kUp > 0) two = vshlq_n_u8(two, kUp);
      else two = vshrq_n_u8(two, -kUp);
      const uint8x16_t sign = vandq_u8(vshlq_n_u8(signs.quarter[q], 7 - K), vdupq_n_u8(0x80));
      low.quarter[q] = vorrq_u8(vandq_u8(two, vdupq_n_u8(0x60)), sign);
    }
    return low;
  }
  // Of 2:4: the k-th two bits of all bytes, and whether it is the first or the second group.
  template <int K>
  ESPARSE_INLINE Quads fields(Quads words) {
    const uint8x16_t second = vreinterpretq_u8_u32(vdupq_n_u32(0x04040000));
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      if constexpr (K > 0) words.quarter[q] = vshrq_n_u8(words.quarter[q], 2 * K);
      words.quarter[q] = vorrq_u8(vandq_u8(words.quarter[q], vdupq_n_u8(3)), second);
    }
    return words;
  }
  // Of 4:8: the set bits of a byte for each row.
  ESPARSE_INLINE Quads masks(const std::uint8_t* rows) {
    std::uint32_t places[16];
    for (int r = 0; r < 16; r++) places[r] = kSetBits.of[rows[r]];
    return quads(reinterpret_cast<const std::uint8_t*>(places));
  }
  // The bytes of eight that stand at these places.
  ESPARSE_INLINE Quads choose(const std::uint8_t* eight, Quads places) {
    const uint8x16_t all = vcombine_u8(vld1_u8(eight), vdup_n_u8(0));
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) places.quarter[q] = vqtbl1q_u8(all, places.quarter[q]);
    return places;
  }
  ESPARSE_INLINE Quads four(const std::uint8_t* four) {
    std::uint32_t bytes;
    std::memcpy(&bytes, four, 4);
    const uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(bytes));
    return {{all, all, all, all}};
  }
  ESPARSE_INLINE void count(Count&, Quads) {}
  // Bytes become words in pairs: those at even places, and those at odd ones.
  ESPARSE_INLINE void dot(Exact& sum, Quads numbers, Quads low, Quads high) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const int8x16_t w = vreinterpretq_s8_u8(numbers.quarter[q]);
      const int16x8_t even = vreinterpretq_s16_u8(vtrn1q_u8(low.quarter[q], high.quarter[q]));
      const int16x8_t odd = vreinterpretq_s16_u8(vtrn2q_u8(low.quarter[q], high.quarter[q]));
      const int16x8_t evens = vshrq_n_s16(vshlq_n_s16(vreinterpretq_s16_s8(w), 8), 8);
      const int16x8_t odds = vshrq_n_s16(vreinterpretq_s16_s8(w), 8);
      int32x4_t first = vmull_s16(vget_low_s16(evens), vget_low_s16(even));
      int32x4_t second = vmull_high_s16(evens, even);
      first = vmlal_s16(first, vget_low_s16(odds), vget_low_s16(odd));
      second = vmlal_high_s16(second, odds, odd);
      sum.quarter[q] = vaddq_s32(sum.quarter[q], vpaddq_s32(first, second));
    }
  }
  // Of numbers that are 2^Shift times too large.
  template <int Shift>
  ESPARSE_INLINE I total(Exact sum, Count) {
    if constexpr (Shift > 0) {
      ESPARSE_UNROLL for (int q = 0; q < 4; q++) sum.quarter[q] = vshrq_n_s32(sum.quarter[q], Shift);
    }
    return sum;
  }
  ESPARSE_INLINE V floats(I a) {
    V v;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) v.quarter[q] = vcvtq_f32_s32(a.quarter[q]);
    return v;
  }
  ESPARSE_INLINE V times(V a, float b) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) a.quarter[q] = vmulq_n_f32(a.quarter[q], b);
    return a;
  }

  ESPARSE_INLINE void prefetch(const void* address) { __builtin_prefetch(address); }
};
