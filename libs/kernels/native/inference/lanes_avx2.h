// Sixteen f32 as two 256-bit registers. Include between ESPARSE_TARGET_BEGIN and END, within an anonymous namespace;
// needs <immintrin.h>, <cstdint>, <cstring> and target.h before.

// For each byte, the lanes that get the first, second … of as many values as it has bits; others get any.
struct Places {
  std::uint8_t of[256][8];
  constexpr Places() : of() {
    for (int bits = 0; bits < 256; bits++) {
      int next = 0;
      for (int lane = 0; lane < 8; lane++) {
        of[bits][lane] = static_cast<std::uint8_t>(next & 7);
        next += (bits >> lane) & 1;
      }
    }
  }
};
constexpr Places kPlaces;

struct Lanes256 {
  struct V {
    __m256 low, high;
  };
  struct P {
    __m256i low, high;
  };

  static constexpr bool kTwoSlotsAtOnce = false;
  static constexpr std::size_t kMaxTokens = 4;
  static constexpr std::size_t tiles_at_once(std::size_t) { return 1; }
  static constexpr std::size_t kDenseRows = 2, kDenseTokens = 2;
  static constexpr std::size_t kQuantizedTokens = 4;
  static constexpr std::size_t quantized_tiles(std::size_t) { return 1; }

  ESPARSE_INLINE V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  ESPARSE_INLINE V load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  ESPARSE_INLINE V load_first(const float* from, std::size_t count) {
    float all[16] = {};
    std::memcpy(all, from, count * sizeof(float));
    return load(all);
  }
  ESPARSE_INLINE void store(float* to, V v) {
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + 8, v.high);
  }
  ESPARSE_INLINE void store_first(float* to, V v, std::size_t count) {
    float all[16];
    store(all, v);
    std::memcpy(to, all, count * sizeof(float));
  }
  ESPARSE_INLINE V add(V a, V b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  ESPARSE_INLINE V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }

  template <bool F16>
  ESPARSE_INLINE __m256 eight(const std::uint16_t* from) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    if constexpr (F16) return _mm256_cvtph_ps(halves);
    else return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  template <bool F16>
  ESPARSE_INLINE V halves(const std::uint16_t* from) {
    return {eight<F16>(from), eight<F16>(from + 8)};
  }
  template <bool F16>
  ESPARSE_INLINE V halves_first(const std::uint16_t* from, std::size_t count) {
    std::uint16_t all[16] = {};
    std::memcpy(all, from, count * sizeof(std::uint16_t));
    return halves<F16>(all);
  }

  template <int Bits, int Width>
  ESPARSE_INLINE P positions(const std::uint8_t* string, int) {
    constexpr int b = Bits;
    std::uint32_t low = 0, high = 0;
    if constexpr (Bits <= 2) {
      std::memcpy(&low, string, 2 * Bits);
      high = low >> (8 * Bits);
    } else {
      std::memcpy(&low, string, Bits);
      std::memcpy(&high, string + Bits, Bits);
    }
    const __m256i shifts = _mm256_setr_epi32(0, b, 2 * b, 3 * b, 4 * b, 5 * b, 6 * b, 7 * b);
    const P each = {_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(low)), shifts),
                    _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(high)), shifts)};
    // A vpermilps looks at two bits, a vpermps at three.
    if constexpr (Bits != 1) return each;
    const __m256i one = _mm256_set1_epi32(1);
    return {_mm256_and_si256(each.low, one), _mm256_and_si256(each.high, one)};
  }
  template <int Width>
  ESPARSE_INLINE V choose(const float* x, int g, P p) {
    if constexpr (Width == 4) {
      const __m256 group = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(x + 4 * g));
      return {_mm256_permutevar_ps(group, p.low), _mm256_permutevar_ps(group, p.high)};
    } else if constexpr (Width == 8) {
      const __m256 group = _mm256_loadu_ps(x + 8 * g);
      return {_mm256_permutevar8x32_ps(group, p.low), _mm256_permutevar8x32_ps(group, p.high)};
    } else {
      const V group = load(x);
      return {of_sixteen(group, p.low), of_sixteen(group, p.high)};
    }
  }
  ESPARSE_INLINE __m256 of_sixteen(V group, __m256i p) {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(group.low, p), _mm256_permutevar8x32_ps(group.high, p),
                            _mm256_castsi256_ps(_mm256_slli_epi32(p, 28)));
  }

  using Mask = P;
  ESPARSE_INLINE __m256i lanes_of(std::uint32_t bits) {
    const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), each), each);
  }
  ESPARSE_INLINE Mask mask(std::uint32_t bits) { return {lanes_of(bits & 0xff), lanes_of(bits >> 8)}; }
  // Lanes that are not in the mask get anything.
  template <bool F16>
  ESPARSE_INLINE V expand(const std::uint16_t* values, std::uint32_t bits) {
    return {expand_eight<F16>(values, bits & 0xff), expand_eight<F16>(values + __builtin_popcount(bits & 0xff), bits >> 8)};
  }
  template <bool F16>
  ESPARSE_INLINE __m256 expand_eight(const std::uint16_t* values, std::uint32_t bits) {
    const __m128i places = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPlaces.of[bits]));
    return _mm256_permutevar8x32_ps(eight<F16>(values), _mm256_cvtepu8_epi32(places));
  }
  ESPARSE_INLINE V fma_where(Mask where, V w, const float* x, V sum) {
    const __m256 input = _mm256_broadcast_ss(x);
    const V all = fma(w, {input, input}, sum);
    return {_mm256_blendv_ps(sum.low, all.low, _mm256_castsi256_ps(where.low)),
            _mm256_blendv_ps(sum.high, all.high, _mm256_castsi256_ps(where.high))};
  }

  ESPARSE_INLINE float sum(V v) {
    const __m256 eight = _mm256_add_ps(v.low, v.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  // A 32-bit integer for each row; four bytes for each: numbers, inputs, or where they stand.
  using I = P;
  using Quads = P;
  using Exact = P;
  struct Count {};
  static constexpr std::uint8_t kFlip = 0;
  ESPARSE_INLINE Exact nothing() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  ESPARSE_INLINE Count no_count() { return {}; }
  ESPARSE_INLINE Quads quads(const std::uint8_t* bytes) {
    const auto* from = reinterpret_cast<const __m256i*>(bytes);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  // Sixteen times the numbers of 4 bits in the lower, or upper, halves of all bytes.
  ESPARSE_INLINE Quads lower_halves(Quads both) {
    return upper_halves({_mm256_slli_epi32(both.low, 4), _mm256_slli_epi32(both.high, 4)});
  }
  ESPARSE_INLINE Quads upper_halves(Quads both) {
    const __m256i upper = _mm256_set1_epi8(-16);
    return {_mm256_and_si256(both.low, upper), _mm256_and_si256(both.high, upper)};
  }
  // 32 times the K-th numbers of 3 bits: the K mod 4-th two bits of all bytes, and the K-th bit of others, their signs.
  template <int K>
  ESPARSE_INLINE Quads threes(Quads low, Quads signs) {
    return {threes_of<K>(low.low, signs.low), threes_of<K>(low.high, signs.high)};
  }
  template <int K>
  ESPARSE_INLINE __m256i threes_of(__m256i low, __m256i signs) {
    constexpr int kUp = 5 - 2 * (K % 4);
    __m256i two = low;
    if constexpr (kUp > 0) two = _mm256_slli_epi32(low, kUp);
    else two = _mm256_srli_epi32(low, -kUp);
    const __m256i sign = _mm256_and_si256(_mm256_slli_epi32(signs, 7 - K), _mm256_set1_epi8(-128));
    return _mm256_or_si256(_mm256_and_si256(two, _mm256_set1_epi8(0x60)), sign);
  }
  // Of 2:4: the k-th two bits of all bytes, and whether it is the first or the second group.
  template <int K>
  ESPARSE_INLINE Quads fields(Quads words) {
    return {fields_of(_mm256_srli_epi32(words.low, 2 * K)), fields_of(_mm256_srli_epi32(words.high, 2 * K))};
  }
  ESPARSE_INLINE __m256i fields_of(__m256i words) {
    return _mm256_or_si256(_mm256_and_si256(words, _mm256_set1_epi32(0x03030303)), _mm256_set1_epi32(0x04040000));
  }
  // Of 4:8: the set bits of a byte for each row.
  ESPARSE_INLINE Quads masks(const std::uint8_t* rows) {
    std::uint32_t places[16];
    for (int r = 0; r < 16; r++) places[r] = kSetBits.of[rows[r]];
    return quads(reinterpret_cast<const std::uint8_t*>(places));
  }
  // The bytes of eight that stand at these places.
  ESPARSE_INLINE Quads choose(const std::uint8_t* eight, Quads places) {
    std::uint64_t bytes;
    std::memcpy(&bytes, eight, 8);
    const __m256i all = _mm256_set1_epi64x(static_cast<long long>(bytes));
    return {_mm256_shuffle_epi8(all, places.low), _mm256_shuffle_epi8(all, places.high)};
  }
  ESPARSE_INLINE Quads four(const std::uint8_t* four) {
    std::uint32_t bytes;
    std::memcpy(&bytes, four, 4);
    const __m256i all = _mm256_set1_epi32(static_cast<int>(bytes));
    return {all, all};
  }
  ESPARSE_INLINE void count(Count&, Quads) {}
  ESPARSE_INLINE void dot(Exact& sum, Quads numbers, Quads low, Quads high) {
    sum.low = dot_of(sum.low, numbers.low, low.low, high.low);
    sum.high = dot_of(sum.high, numbers.high, low.high, high.high);
  }
  // Bytes become words: the even ones, and the odd ones.
  ESPARSE_INLINE __m256i dot_of(__m256i sum, __m256i numbers, __m256i low, __m256i high) {
    const __m256i lower = _mm256_set1_epi16(0xff);
    const __m256i even = _mm256_or_si256(_mm256_and_si256(low, lower), _mm256_slli_epi16(high, 8));
    const __m256i odd = _mm256_or_si256(_mm256_srli_epi16(low, 8), _mm256_andnot_si256(lower, high));
    const __m256i evens = _mm256_srai_epi16(_mm256_slli_epi16(numbers, 8), 8), odds = _mm256_srai_epi16(numbers, 8);
    const __m256i both = _mm256_add_epi32(_mm256_madd_epi16(evens, even), _mm256_madd_epi16(odds, odd));
    return _mm256_add_epi32(sum, both);
  }
  // Of numbers that are 2^Shift times too large.
  template <int Shift>
  ESPARSE_INLINE I total(Exact sum, Count) {
    if constexpr (Shift == 0) return sum;
    else return {_mm256_srai_epi32(sum.low, Shift), _mm256_srai_epi32(sum.high, Shift)};
  }
  ESPARSE_INLINE V floats(I a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
  ESPARSE_INLINE V times(V a, float b) {
    const __m256 all = _mm256_set1_ps(b);
    return {_mm256_mul_ps(a.low, all), _mm256_mul_ps(a.high, all)};
  }

  ESPARSE_INLINE void prefetch(const void* address) {
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
  }
};
