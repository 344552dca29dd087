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

  // A 32-bit integer for each row; two 16-bit ones for each; the bytes of where they stand.
  struct I {
    int32x4_t quarter[4];
  };
  struct Pairs {
    int16x8_t quarter[4];
  };
  using Places = P;
  ESPARSE_INLINE I none() {
    const int32x4_t z = vdupq_n_s32(0);
    return {{z, z, z, z}};
  }
  ESPARSE_INLINE Pairs pairs_of_8(const std::uint8_t* codes) {
    Pairs p;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) p.quarter[q] = vmovl_s8(vreinterpret_s8_u8(vld1_u8(codes + 8 * q)));
    return p;
  }
  // The code less eight: the lower half of a byte before its upper half.
  ESPARSE_INLINE Pairs pairs_of_4(const std::uint8_t* codes) {
    const uint8x16_t bytes = vld1q_u8(codes);
    const int8x16_t low = level(vandq_u8(bytes, vdupq_n_u8(15))), high = level(vshrq_n_u8(bytes, 4));
    const int8x16_t first = vzip1q_s8(low, high), second = vzip2q_s8(low, high);
    return {{vmovl_s8(vget_low_s8(first)), vmovl_s8(vget_high_s8(first)), vmovl_s8(vget_low_s8(second)),
             vmovl_s8(vget_high_s8(second))}};
  }
  ESPARSE_INLINE int8x16_t level(uint8x16_t code) {
    return vsubq_s8(vreinterpretq_s8_u8(code), vdupq_n_s8(8));
  }
  ESPARSE_INLINE Pairs pairs_of_16(const std::uint8_t* codes) {
    Pairs p;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) p.quarter[q] = vreinterpretq_s16_u8(vld1q_u8(codes + 16 * q));
    return p;
  }
  // Of 2:4: byte q of each slot's string has the positions of four rows.
  ESPARSE_INLINE Places places(const std::uint8_t* indices) {
    const std::int16_t each[8] = {0, 0, -2, -2, -4, -4, -6, -6};
    const int16x8_t shifts = vld1q_s16(each);
    Places p;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const std::uint32_t both = indices[q] | static_cast<std::uint32_t>(indices[4 + q]) << 16;
      const uint16x8_t position =
          vandq_u16(vshlq_u16(vreinterpretq_u16_u32(vdupq_n_u32(both)), shifts), vdupq_n_u16(3));
      p.quarter[q] = vreinterpretq_u8_u16(vmlaq_n_u16(vdupq_n_u16(0x0100), position, 0x0202));
    }
    return p;
  }
  ESPARSE_INLINE Pairs choose_pairs(const std::int16_t* x, Places places) {
    const uint8x16_t four = vreinterpretq_u8_s16(vcombine_s16(vld1_s16(x), vdup_n_s16(0)));
    Pairs p;
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) p.quarter[q] = vreinterpretq_s16_u8(vqtbl1q_u8(four, places.quarter[q]));
    return p;
  }
  ESPARSE_INLINE Pairs one_pair(const std::int16_t* x) {
    std::uint32_t pair;
    std::memcpy(&pair, x, 4);
    const int16x8_t all = vreinterpretq_s16_u32(vdupq_n_u32(pair));
    return {{all, all, all, all}};
  }
  ESPARSE_INLINE I dot(I sum, Pairs a, Pairs b) {
    ESPARSE_UNROLL for (int q = 0; q < 4; q++) {
      const int32x4_t low = vmull_s16(vget_low_s16(a.quarter[q]), vget_low_s16(b.quarter[q]));
      const int32x4_t high = vmull_high_s16(a.quarter[q], b.quarter[q]);
      sum.quarter[q] = vaddq_s32(sum.quarter[q], vpaddq_s32(low, high));
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
