#include "max_plus.h"

#include <cstdint>

#include "runtime/simd.h"

namespace esparse {
namespace {

// Floats of which one at least has no sign are in the order of their bits, read as integers. Processors that add floats and
// compare integers in different units are nearly twice as fast so.

#define ESPARSE_TARGET
#define ESPARSE_NAME floats_128
#define ESPARSE_LANES 4
#define ESPARSE_ORDERED float
#include "max_plus_body.inc"

#if defined(__x86_64__)
// No integers of 128 bits: their largest came with SSE4.
constexpr auto integers_128 = floats_128;

#define ESPARSE_TARGET __attribute__((target("avx2")))
#define ESPARSE_NAME floats_256
#define ESPARSE_LANES 8
#define ESPARSE_ORDERED float
#include "max_plus_body.inc"

#define ESPARSE_TARGET __attribute__((target("avx2")))
#define ESPARSE_NAME integers_256
#define ESPARSE_LANES 8
#define ESPARSE_ORDERED std::int32_t
#include "max_plus_body.inc"

#define ESPARSE_TARGET __attribute__((target("avx512f")))
#define ESPARSE_NAME floats_512
#define ESPARSE_LANES 16
#define ESPARSE_ORDERED float
#include "max_plus_body.inc"

#define ESPARSE_TARGET __attribute__((target("avx512f")))
#define ESPARSE_NAME integers_512
#define ESPARSE_LANES 16
#define ESPARSE_ORDERED std::int32_t
#include "max_plus_body.inc"
#else
#define ESPARSE_TARGET
#define ESPARSE_NAME integers_128
#define ESPARSE_LANES 4
#define ESPARSE_ORDERED std::int32_t
#include "max_plus_body.inc"
#endif

struct Bodies {
  decltype(&floats_128) floats, integers;
};

Bodies best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {floats_512, integers_512};
  if (__builtin_cpu_supports("avx2")) return {floats_256, integers_256};
#endif
  return {floats_128, integers_128};
}

ESPARSE_SIMD_CLONES
bool any_signed(const float* t, std::size_t rows) {
  std::uint32_t all = 0;
  for (std::size_t p = 0; p < kMaxPlusPositions; p++) {
    for (std::size_t r = 0; r < rows; r++) {
      std::uint32_t bits;
      __builtin_memcpy(&bits, t + p * kPartialRows + r, sizeof(bits));
      all |= bits;
    }
  }
  return (all >> 31) != 0;
}

}  // namespace

void max_plus(const float* x, std::size_t stride, std::size_t rows, std::size_t width, const float* t,
              double* const* d) {
  static const Bodies chosen = best();
  (any_signed(t, rows) ? chosen.floats : chosen.integers)(x, stride, rows, width, t, d);
}

}  // namespace esparse
