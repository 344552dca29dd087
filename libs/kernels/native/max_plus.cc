#include "max_plus.h"

#include <cstdint>

namespace esparse {
namespace {

#define ESPARSE_TARGET
#define ESPARSE_NAME max_plus_128
#define ESPARSE_LANES 4
#include "max_plus_body.inc"

#if defined(__x86_64__)
#define ESPARSE_TARGET __attribute__((target("avx2")))
#define ESPARSE_NAME max_plus_256
#define ESPARSE_LANES 8
#include "max_plus_body.inc"

#define ESPARSE_TARGET __attribute__((target("avx512f")))
#define ESPARSE_NAME max_plus_512
#define ESPARSE_LANES 16
#include "max_plus_body.inc"
#endif

auto best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return max_plus_512;
  if (__builtin_cpu_supports("avx2")) return max_plus_256;
#endif
  return max_plus_128;
}

}  // namespace

void max_plus(const float* x, std::size_t stride, std::size_t rows, std::size_t width, const float* t,
              double* const* d) {
  static const auto chosen = best();
  chosen(x, stride, rows, width, t, d);
}

}  // namespace esparse
