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

  // A 32-bit integer for each row; four bytes for each: numbers, inputs, or where they stand.
  struct I {
    std::int32_t lane[16];
  };
  struct Quads {
    std::uint8_t of[64];
  };
  using Exact = I;
  struct Count {};
  static constexpr std::uint8_t kFlip = 0;
  ESPARSE_INLINE Exact nothing() { return {}; }
  ESPARSE_INLINE Count no_count() { return {}; }
  ESPARSE_INLINE Quads quads(const std::uint8_t* from) {
    Quads all;
    std::memcpy(all.of, from, sizeof all.of);
    return all;
  }
  // Sixteen times the numbers of 4 bits in the lower, or upper, halves of all bytes.
  ESPARSE_INLINE Quads lower_halves(Quads both) {
    for (std::uint8_t& byte : both.of) byte = static_cast<std::uint8_t>(byte << 4);
    return both;
  }
  ESPARSE_INLINE Quads upper_halves(Quads both) {
    for (std::uint8_t& byte : both.of) byte &= 0xf0;
    return both;
  }
  // 32 times the K-th numbers of 3 bits: the K mod 4-th two bits of all bytes, and the K-th bit of others, their signs.
  template <int K>
  ESPARSE_INLINE Quads threes(const Quads& low, const Quads& signs) {
    Quads all;
    for (int b = 0; b < 64; b++) {
      const int two = (low.of[b] >> (2 * (K % 4))) & 3, sign = (signs.of[b] >> K) & 1;
      all.of[b] = static_cast<std::uint8_t>(two << 5 | sign << 7);
    }
    return all;
  }
  // Of 2:4: the k-th two bits of all bytes, and whether it is the first or the second group.
  template <int K>
  ESPARSE_INLINE Quads fields(Quads words) {
    for (int b = 0; b < 64; b++) words.of[b] = ((words.of[b] >> (2 * K)) & 3) | (b % 4 < 2 ? 0 : 4);
    return words;
  }
  // Of 4:8: the set bits of a byte for each row.
  ESPARSE_INLINE Quads masks(const std::uint8_t* rows) {
    Quads places;
    for (int r = 0; r < 16; r++) std::memcpy(places.of + 4 * r, &kSetBits.of[rows[r]], 4);
    return places;
  }
  // The bytes of eight that stand at these places.
  ESPARSE_INLINE Quads choose(const std::uint8_t* eight, Quads places) {
    for (std::uint8_t& byte : places.of) byte = eight[byte];
    return places;
  }
  ESPARSE_INLINE Quads four(const std::uint8_t* four) {
    Quads all;
    for (int b = 0; b < 64; b++) all.of[b] = four[b % 4];
    return all;
  }
  ESPARSE_INLINE void count(Count&, const Quads&) {}
  ESPARSE_INLINE void dot(Exact& sum, const Quads& numbers, const Quads& low, const Quads& high) {
    for (int b = 0; b < 64; b++) {
      const int input = static_cast<std::int8_t>(high.of[b]) * 256 + low.of[b];
      sum.lane[b / 4] += static_cast<std::int8_t>(numbers.of[b]) * input;
    }
  }
  // Of numbers that are 2^Shift times too large.
  template <int Shift>
  ESPARSE_INLINE I total(Exact sum, Count) {
    // Exact: a multiple of that.
    for (std::int32_t& lane : sum.lane) lane /= 1 << Shift;
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
