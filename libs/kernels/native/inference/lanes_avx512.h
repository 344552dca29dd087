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

  // A 32-bit integer for each row; four bytes for each: numbers, inputs, or where they stand.
  using I = __m512i;
  using Quads = __m512i;
  // Sums of products: with VNNI those of the lower and of the upper bytes of inputs, whose products with unsigned bytes are
  // 2^15 too large for each number; these are counted beside them. Without it whole ones.
  struct Exact {
    __m512i low, high;
  };
  using Count = __m512i;
  static constexpr std::uint8_t kFlip = Vbmi ? 0x80 : 0;
  ESPARSE_INLINE Exact nothing() { return {_mm512_setzero_si512(), _mm512_setzero_si512()}; }
  ESPARSE_INLINE Count no_count() { return _mm512_setzero_si512(); }
  ESPARSE_INLINE Quads quads(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
  // Sixteen times the numbers of 4 bits in the lower, or upper, halves of all bytes.
  ESPARSE_INLINE Quads lower_halves(Quads both) {
    return _mm512_and_si512(_mm512_slli_epi32(both, 4), _mm512_set1_epi8(-16));
  }
  ESPARSE_INLINE Quads upper_halves(Quads both) { return _mm512_and_si512(both, _mm512_set1_epi8(-16)); }
  // 32 times the K-th numbers of 3 bits: the K mod 4-th two bits of all bytes, and the K-th bit of others, their signs.
  template <int K>
  ESPARSE_INLINE Quads threes(Quads low, Quads signs) {
    constexpr int kUp = 5 - 2 * (K % 4);
    __m512i two = low;
    if constexpr (kUp > 0) two = _mm512_slli_epi32(low, kUp);
    else two = _mm512_srli_epi32(low, -kUp);
    const __m512i sign = K == 7 ? signs : _mm512_slli_epi32(signs, 7 - K);
    // c ? a : b
    const __m512i all = _mm512_ternarylogic_epi32(two, sign, _mm512_set1_epi8(0x60), 0xe4);
    return _mm512_and_si512(all, _mm512_set1_epi8(-32));
  }
  // Of 2:4: the k-th two bits of all bytes, and whether it is the first or the second group.
  template <int K>
  ESPARSE_INLINE Quads fields(Quads words) {
    const __m512i down = K == 0 ? words : _mm512_srli_epi32(words, 2 * K);
    // (a & b) | c
    return _mm512_ternarylogic_epi32(down, _mm512_set1_epi32(0x03030303), _mm512_set1_epi32(0x04040000), 0xea);
  }
  // Of 4:8: the set bits of a byte for each row.
  ESPARSE_INLINE Quads masks(const std::uint8_t* rows) {
    if constexpr (Vbmi) {
      const __m512i each = _mm512_set1_epi64(0x0706050403020100);
      std::uint64_t low, high;
      std::memcpy(&low, rows, 8);
      std::memcpy(&high, rows + 8, 8);
      const __m512i first = _mm512_maskz_compress_epi8(low, each), second = _mm512_maskz_compress_epi8(high, each);
      return _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
    } else {
      std::uint32_t places[16];
      for (int r = 0; r < 16; r++) places[r] = kSetBits.of[rows[r]];
      return _mm512_loadu_si512(places);
    }
  }
  // The bytes of eight that stand at these places.
  ESPARSE_INLINE Quads choose(const std::uint8_t* eight, Quads places) {
    std::uint64_t all;
    std::memcpy(&all, eight, 8);
    return _mm512_shuffle_epi8(_mm512_set1_epi64(static_cast<long long>(all)), places);
  }
  ESPARSE_INLINE Quads four(const std::uint8_t* four) {
    std::uint32_t all;
    std::memcpy(&all, four, 4);
    return _mm512_set1_epi32(static_cast<int>(all));
  }
  ESPARSE_INLINE void count(Count& sum, Quads numbers) {
    if constexpr (Vbmi) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), numbers);
  }
  ESPARSE_INLINE void dot(Exact& sum, Quads numbers, Quads low, Quads high) {
    if constexpr (Vbmi) {
      sum.low = _mm512_dpbusd_epi32(sum.low, low, numbers);
      sum.high = _mm512_dpbusd_epi32(sum.high, high, numbers);
    } else {
      const __m512i lower = _mm512_set1_epi16(0xff);
      const __m512i even = _mm512_or_si512(_mm512_and_si512(low, lower), _mm512_slli_epi16(high, 8));
      const __m512i odd = _mm512_or_si512(_mm512_srli_epi16(low, 8), _mm512_andnot_si512(lower, high));
      const __m512i evens = _mm512_srai_epi16(_mm512_slli_epi16(numbers, 8), 8), odds = _mm512_srai_epi16(numbers, 8);
      sum.low = _mm512_add_epi32(sum.low, _mm512_madd_epi16(evens, even));
      sum.high = _mm512_add_epi32(sum.high, _mm512_madd_epi16(odds, odd));
    }
  }
  // Of numbers that are 2^Shift times too large.
  template <int Shift>
  ESPARSE_INLINE I total(Exact sum, Count numbers) {
    if constexpr (!Vbmi) {
      return down<Shift>(_mm512_add_epi32(sum.low, sum.high));
    } else {
      const __m512i all = _mm512_add_epi32(down<Shift>(sum.low), _mm512_slli_epi32(sum.high, 8 - Shift));
      return _mm512_sub_epi32(all, _mm512_slli_epi32(numbers, 15 - Shift));
    }
  }
  template <int Shift>
  ESPARSE_INLINE I down(I a) {
    return Shift == 0 ? a : _mm512_srai_epi32(a, Shift);
  }
  ESPARSE_INLINE V floats(I a) { return _mm512_cvtepi32_ps(a); }
  ESPARSE_INLINE V times(V a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }

  ESPARSE_INLINE void prefetch(const void* address) {
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
  }
};
