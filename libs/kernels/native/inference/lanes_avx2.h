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

  // A 32-bit integer for each row; two 16-bit ones for each; the bytes of where they stand.
  using I = P;
  using Pairs = P;
  using Places = P;
  ESPARSE_INLINE I none() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  ESPARSE_INLINE Pairs pairs_of_8(const std::uint8_t* codes) {
    const auto* from = reinterpret_cast<const __m128i*>(codes);
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(from)), _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1))};
  }
  ESPARSE_INLINE Pairs pairs_of_4(const std::uint8_t* codes) {
    const auto* from = reinterpret_cast<const __m128i*>(codes);
    return {levels(_mm_loadl_epi64(from)), levels(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8)))};
  }
  // The code less eight: the lower half of a byte in the lower word, its upper half in the upper one.
  ESPARSE_INLINE __m256i levels(__m128i eight) {
    const __m256i bytes = _mm256_cvtepu8_epi32(eight);
    const __m256i halves = _mm256_or_si256(bytes, _mm256_slli_epi32(bytes, 12));
    return _mm256_sub_epi16(_mm256_and_si256(halves, _mm256_set1_epi16(15)), _mm256_set1_epi16(8));
  }
  ESPARSE_INLINE Pairs pairs_of_16(const std::uint8_t* codes) {
    const auto* from = reinterpret_cast<const __m256i*>(codes);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  // Of 2:4: a word of a row and slot, with the two bytes of its input.
  ESPARSE_INLINE Places places(const std::uint8_t* indices) {
    std::uint64_t both;
    std::memcpy(&both, indices, 8);
    const __m256i all = _mm256_set1_epi64x(static_cast<long long>(both));
    return {bytes_of(_mm256_shuffle_epi8(all, _mm256_set1_epi32(0x05040100))),
            bytes_of(_mm256_shuffle_epi8(all, _mm256_set1_epi32(0x07060302)))};
  }
  ESPARSE_INLINE __m256i bytes_of(__m256i words) {
    // The position to the top of its word, then down: there is no shift by another count for each.
    const __m256i up = _mm256_setr_epi16(1 << 14, 1 << 14, 1 << 12, 1 << 12, 1 << 10, 1 << 10, 1 << 8, 1 << 8, 1 << 6,
                                         1 << 6, 1 << 4, 1 << 4, 1 << 2, 1 << 2, 1, 1);
    const __m256i position = _mm256_srli_epi16(_mm256_mullo_epi16(words, up), 14);
    return _mm256_add_epi16(_mm256_mullo_epi16(position, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100));
  }
  ESPARSE_INLINE Pairs choose_pairs(const std::int16_t* x, Places places) {
    std::uint64_t group;
    std::memcpy(&group, x, 8);
    const __m256i four = _mm256_set1_epi64x(static_cast<long long>(group));
    return {_mm256_shuffle_epi8(four, places.low), _mm256_shuffle_epi8(four, places.high)};
  }
  ESPARSE_INLINE Pairs one_pair(const std::int16_t* x) {
    std::uint32_t pair;
    std::memcpy(&pair, x, 4);
    const __m256i all = _mm256_set1_epi32(static_cast<int>(pair));
    return {all, all};
  }
  ESPARSE_INLINE I dot(I sum, Pairs a, Pairs b) {
    return {_mm256_add_epi32(sum.low, _mm256_madd_epi16(a.low, b.low)),
            _mm256_add_epi32(sum.high, _mm256_madd_epi16(a.high, b.high))};
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
