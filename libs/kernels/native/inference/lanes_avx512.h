// Sixteen f32 as one 512-bit register. Include between ESPARSE_TARGET_BEGIN and END, within an anonymous namespace;
// needs <immintrin.h>, <cstdint>, <cstring> and target.h before.

// Vbmi: with the instructions of VBMI2 and VNNI.
template <bool Vbmi>
struct Lanes512 {
  using V = __m512;
  using P = __m512i;

  static constexpr bool kTwoSlotsAtOnce = true;
  // Accumulators that fit the registers beside what else a kernel holds.
  static constexpr std::size_t kMaxTokens = 16;
  static constexpr std::size_t tiles_at_once(std::size_t tokens) { return tokens <= 2 ? 4 : tokens <= 8 ? 2 : 1; }
  static constexpr std::size_t kDenseRows = 4, kDenseTokens = 4;
  static constexpr std::size_t kQuantizedTokens = 8;
  static constexpr std::size_t quantized_tiles(std::size_t tokens) { return tokens <= 2 ? 4 : tokens <= 4 ? 2 : 1; }

  ESPARSE_INLINE V zero() { return _mm512_setzero_ps(); }
  ESPARSE_INLINE __mmask16 first(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  ESPARSE_INLINE V load(const float* from) { return _mm512_loadu_ps(from); }
  ESPARSE_INLINE V load_first(const float* from, std::size_t count) {
    return _mm512_maskz_loadu_ps(first(count), from);
  }
  ESPARSE_INLINE void store(float* to, V v) { _mm512_storeu_ps(to, v); }
  ESPARSE_INLINE void store_first(float* to, V v, std::size_t count) {
    _mm512_mask_storeu_ps(to, first(count), v);
  }
  ESPARSE_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
  ESPARSE_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }

  template <bool F16>
  ESPARSE_INLINE V widen(__m256i halves) {
    if constexpr (F16) return _mm512_cvtph_ps(halves);
    else return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  template <bool F16>
  ESPARSE_INLINE V halves(const std::uint16_t* from) {
    return widen<F16>(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  template <bool F16>
  ESPARSE_INLINE V halves_first(const std::uint16_t* from, std::size_t count) {
    return widen<F16>(_mm256_maskz_loadu_epi16(first(count), from));
  }

  // The positions of 16 rows, a string of 16 * Bits bits, in group g of a vector of groups of Width.
  template <int Bits, int Width>
  ESPARSE_INLINE P positions(const std::uint8_t* string, int g) {
    constexpr int b = Bits;
    __m512i each;
    if constexpr (Bits <= 2) {
      std::uint32_t all = 0;
      std::memcpy(&all, string, 2 * Bits);
      each = _mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(all)),
                               _mm512_setr_epi32(0, b, 2 * b, 3 * b, 4 * b, 5 * b, 6 * b, 7 * b, 8 * b, 9 * b, 10 * b,
                                                 11 * b, 12 * b, 13 * b, 14 * b, 15 * b));
    } else {
      std::uint32_t low = 0, high = 0;
      std::memcpy(&low, string, Bits);
      std::memcpy(&high, string + Bits, Bits);
      const __m512i words =
          _mm512_mask_set1_epi32(_mm512_set1_epi32(static_cast<int>(low)), 0xff00, static_cast<int>(high));
      each = _mm512_srlv_epi32(words, _mm512_setr_epi32(0, b, 2 * b, 3 * b, 4 * b, 5 * b, 6 * b, 7 * b, 0, b, 2 * b,
                                                        3 * b, 4 * b, 5 * b, 6 * b, 7 * b));
    }
    // (each & mask) | offset. A vpermps looks at four bits, so that the whole vector needs neither.
    if constexpr (Width == 16) return each;
    return _mm512_ternarylogic_epi32(each, _mm512_set1_epi32((1 << Bits) - 1), _mm512_set1_epi32(g * Width), 0xea);
  }

  // Both slots of 2:4 at once, in fewer instructions: in products with several tokens, the units that permute and multiply
  // are what there is too little of. (For the positions, a vpmultishiftqb would do for two instructions; but it takes the
  // unit that multiplies.)
  template <bool F16>
  ESPARSE_INLINE void two_halves(const std::uint16_t* from, V& first, V& second) {
    if constexpr (F16) {
      first = halves<true>(from);
      second = halves<true>(from + 16);
    } else {
      // Lane l takes word l, or 16 + l, as its upper half.
      const __m512i both = _mm512_loadu_si512(from);
      const __m512i upper = _mm512_setr_epi32(0, 1 << 16, 2 << 16, 3 << 16, 4 << 16, 5 << 16, 6 << 16, 7 << 16, 8 << 16,
                                              9 << 16, 10 << 16, 11 << 16, 12 << 16, 13 << 16, 14 << 16, 15 << 16);
      const __m512i other = _mm512_add_epi32(upper, _mm512_set1_epi32(16 << 16));
      first = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, upper, both));
      second = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, other, both));
    }
  }
  // The inputs that the positions choose. (A vpermps from memory: broadcasting a group of four first, for a vpermilps,
  // costs the same execution unit once more.)
  template <int Width>
  ESPARSE_INLINE V choose(const float* x, int, P positions) {
    return _mm512_permutexvar_ps(positions, _mm512_loadu_ps(x));
  }

  // The rows of a mask as lanes; and its values, which lie without gaps, in their places. (Expanding straight from memory
  // is microcode on AMD: ten times slower.)
  using Mask = __mmask16;
  ESPARSE_INLINE Mask mask(std::uint32_t bits) { return static_cast<Mask>(bits); }
  template <bool F16>
  ESPARSE_INLINE V expand(const std::uint16_t* values, std::uint32_t bits) {
    const __m256i next = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
    if constexpr (!Vbmi) {
      return _mm512_maskz_expand_ps(static_cast<Mask>(bits), widen<F16>(next));
    } else if constexpr (F16) {
      return widen<F16>(_mm256_maskz_expand_epi16(static_cast<Mask>(bits), next));
    } else {
      // Each bf16 straight into the upper half of its lane: nothing is left to convert.
      __m512i wide = _mm512_castsi256_si512(next);
      const __mmask32 upper = _pdep_u32(bits, 0xaaaaaaaau);
      // On AMD a vpexpandw waits for what its destination held before, even where it sets that to zero. Let that be what
      // it waits for anyway.
      __asm__("vpexpandw %0, %0 %{%1%}%{z%}" : "+v"(wide) : "Yk"(upper));
      return _mm512_castsi512_ps(wide);
    }
  }
  // sum + w * *x. (The compiler would broadcast x first, which takes the execution unit that expanding needs.)
  ESPARSE_INLINE V fma_where(Mask where, V w, const float* x, V sum) {
    __asm__("vfmadd231ps %1%{1to16%}, %2, %0%{%3%}" : "+v"(sum) : "m"(*x), "v"(w), "Yk"(where));
    return sum;
  }

  // Lane l gets lane l + 8, then 4, 2, 1.
  ESPARSE_INLINE float sum(V v) {
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  // A 32-bit integer for each row; two 16-bit ones for each, also for where they stand.
  using I = __m512i;
  using Pairs = __m512i;
  using Places = __m512i;
  ESPARSE_INLINE I none() { return _mm512_setzero_si512(); }
  ESPARSE_INLINE Pairs pairs_of_8(const std::uint8_t* codes) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  }
  ESPARSE_INLINE Pairs pairs_of_4(const std::uint8_t* codes) {
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    // The lower half of a byte into the lower word, its upper half into the upper one. A vpermw looks at five bits of a word,
    // the fifth of which is of the other half.
    const __m512i halves = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12));
    const __m512i levels =
        _mm512_broadcast_i64x4(_mm256_setr_epi16(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7));
    return _mm512_permutexvar_epi16(halves, levels);
  }
  ESPARSE_INLINE Pairs pairs_of_16(const std::uint8_t* codes) { return _mm512_loadu_si512(codes); }
  // Of 2:4: the word of a row and slot begins with its position; what follows in it is of other rows.
  ESPARSE_INLINE Places places(const std::uint8_t* indices) {
    std::uint64_t both;
    std::memcpy(&both, indices, 8);
    const __m512i words = _mm512_shuffle_epi8(
        _mm512_set1_epi64(static_cast<long long>(both)),
        _mm512_inserti64x4(_mm512_set1_epi32(0x05040100), _mm256_set1_epi32(0x07060302), 1));
    const __m512i shifts = _mm512_broadcast_i64x4(
        _mm256_setr_epi16(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14));
    return _mm512_srlv_epi16(words, shifts);
  }
  // The group of four lies everywhere, so that it does not matter what a vpermw sees beyond the position.
  ESPARSE_INLINE Pairs choose_pairs(const std::int16_t* x, Places places) {
    std::uint64_t group;
    std::memcpy(&group, x, 8);
    return _mm512_permutexvar_epi16(places, _mm512_set1_epi64(static_cast<long long>(group)));
  }
  ESPARSE_INLINE Pairs one_pair(const std::int16_t* x) {
    std::uint32_t pair;
    std::memcpy(&pair, x, 4);
    return _mm512_set1_epi32(static_cast<int>(pair));
  }
  ESPARSE_INLINE I dot(I sum, Pairs a, Pairs b) {
    if constexpr (Vbmi) return _mm512_dpwssd_epi32(sum, a, b);
    else return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }
  ESPARSE_INLINE V floats(I a) { return _mm512_cvtepi32_ps(a); }
  ESPARSE_INLINE V times(V a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }

  ESPARSE_INLINE void prefetch(const void* address) {
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
  }
};
