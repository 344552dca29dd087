// Sixteen f32 as an array, in plain C++: the readable version of the other lanes, and the one for any other processor.

struct LanesPortable {
  struct V {
    float lane[16];
  };
  struct P {
    std::uint8_t lane[16];
  };

  static constexpr bool kTwoSlotsAtOnce = false;
  static constexpr std::size_t kMaxTokens = 4;
  static constexpr std::size_t tiles_at_once(std::size_t) { return 1; }
  static constexpr std::size_t kDenseRows = 2, kDenseTokens = 2;
  static constexpr std::size_t kQuantizedTokens = 4;
  static constexpr std::size_t quantized_tiles(std::size_t) { return 1; }

  ESPARSE_INLINE V zero() { return {}; }
  ESPARSE_INLINE V load(const float* from) { return load_first(from, 16); }
  ESPARSE_INLINE V load_first(const float* from, std::size_t count) {
    V v = {};
    std::memcpy(v.lane, from, 4 * count);
    return v;
  }
  ESPARSE_INLINE void store(float* to, V v) { std::memcpy(to, v.lane, sizeof v.lane); }
  ESPARSE_INLINE void store_first(float* to, V v, std::size_t count) { std::memcpy(to, v.lane, 4 * count); }
  ESPARSE_INLINE V add(V a, V b) {
    for (int l = 0; l < 16; l++) a.lane[l] += b.lane[l];
    return a;
  }
  // Called, not inlined: where the processor has no such instruction it is long, and there are hundreds of kernels.
  static __attribute__((noinline)) V fma(const V& a, const V& b, V c) {
    for (int l = 0; l < 16; l++) c.lane[l] = exact_fma(a.lane[l], b.lane[l], c.lane[l]);
    return c;
  }

  template <bool F16>
  ESPARSE_INLINE V halves(const std::uint16_t* from) {
    return halves_first<F16>(from, 16);
  }
  template <bool F16>
  ESPARSE_INLINE V halves_first(const std::uint16_t* from, std::size_t count) {
    V v = {};
    for (std::size_t l = 0; l < count; l++) v.lane[l] = float_of(F16 ? esparse::F16::widen(from[l]) : Bf16::widen(from[l]));
    return v;
  }

  template <int Bits, int Width>
  ESPARSE_INLINE P positions(const std::uint8_t* string, int g) {
    std::uint64_t all = 0;
    for (int b = 0; b < 2 * Bits; b++) all |= static_cast<std::uint64_t>(string[b]) << (8 * b);
    P p;
    for (int l = 0; l < 16; l++) {
      p.lane[l] = static_cast<std::uint8_t>(g * Width + ((all >> (l * Bits)) & ((1u << Bits) - 1)));
    }
    return p;
  }
  template <int Width>
  ESPARSE_INLINE V choose(const float* x, int, P positions) {
    V v;
    for (int l = 0; l < 16; l++) v.lane[l] = x[positions.lane[l]];
    return v;
  }

  using Mask = std::uint32_t;
  ESPARSE_INLINE Mask mask(std::uint32_t bits) { return bits; }
  template <bool F16>
  ESPARSE_INLINE V expand(const std::uint16_t* values, std::uint32_t bits) {
    V v = {};
    for (int l = 0; l < 16; l++) {
      if ((bits >> l) & 1) {
        v.lane[l] = float_of(F16 ? esparse::F16::widen(*values) : Bf16::widen(*values));
        values++;
      }
    }
    return v;
  }
  static __attribute__((noinline)) V fma_where(Mask where, const V& w, const float* x, V sum) {
    for (int l = 0; l < 16; l++) {
      if ((where >> l) & 1) sum.lane[l] = exact_fma(w.lane[l], *x, sum.lane[l]);
    }
    return sum;
  }

  ESPARSE_INLINE float sum(V v) {
    for (int half = 8; half > 0; half /= 2) {
      for (int l = 0; l < half; l++) v.lane[l] += v.lane[l + half];
    }
    return v.lane[0];
  }

  // A 32-bit integer for each row; two 16-bit ones for each; where two inputs of four stand.
  struct I {
    std::int32_t lane[16];
  };
  struct Pairs {
    std::int16_t of[16][2];
  };
  struct Places {
    std::uint8_t of[16][2];
  };
  ESPARSE_INLINE I none() { return {}; }
  ESPARSE_INLINE Pairs pairs_of_8(const std::uint8_t* codes) {
    Pairs p;
    for (int l = 0; l < 32; l++) p.of[l / 2][l % 2] = static_cast<std::int8_t>(codes[l]);
    return p;
  }
  ESPARSE_INLINE Pairs pairs_of_4(const std::uint8_t* codes) {
    Pairs p;
    for (int l = 0; l < 16; l++) {
      p.of[l][0] = static_cast<std::int16_t>((codes[l] & 15) - 8);
      p.of[l][1] = static_cast<std::int16_t>((codes[l] >> 4) - 8);
    }
    return p;
  }
  ESPARSE_INLINE Pairs pairs_of_16(const std::uint8_t* codes) {
    Pairs p;
    std::memcpy(&p, codes, sizeof p);
    return p;
  }
  ESPARSE_INLINE Places places(const std::uint8_t* indices) {
    Places p;
    for (int l = 0; l < 16; l++) {
      for (int s = 0; s < 2; s++) p.of[l][s] = (indices[4 * s + l / 4] >> (2 * (l % 4))) & 3;
    }
    return p;
  }
  ESPARSE_INLINE Pairs choose_pairs(const std::int16_t* x, Places places) {
    Pairs p;
    for (int l = 0; l < 16; l++) p.of[l][0] = x[places.of[l][0]], p.of[l][1] = x[places.of[l][1]];
    return p;
  }
  ESPARSE_INLINE Pairs one_pair(const std::int16_t* x) {
    Pairs p;
    for (int l = 0; l < 16; l++) p.of[l][0] = x[0], p.of[l][1] = x[1];
    return p;
  }
  ESPARSE_INLINE I dot(I sum, const Pairs& a, const Pairs& b) {
    for (int l = 0; l < 16; l++) sum.lane[l] += a.of[l][0] * b.of[l][0] + a.of[l][1] * b.of[l][1];
    return sum;
  }
  ESPARSE_INLINE V floats(I a) {
    V v;
    for (int l = 0; l < 16; l++) v.lane[l] = static_cast<float>(a.lane[l]);
    return v;
  }
  ESPARSE_INLINE V times(V a, float b) {
    for (int l = 0; l < 16; l++) a.lane[l] *= b;
    return a;
  }

  ESPARSE_INLINE void prefetch(const void*) {}
};
