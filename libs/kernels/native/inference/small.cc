#include "small.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "runtime/target.h"

namespace esparse {

#if defined(__x86_64__)
ESPARSE_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl")
namespace wide {
#define ESPARSE_WIDTH 16
#include "lanes16.inc"
#include "small_body.inc"
#undef ESPARSE_WIDTH
}  // namespace wide
ESPARSE_TARGET_END

ESPARSE_TARGET_BEGIN("avx2")
namespace middle {
#define ESPARSE_WIDTH 8
#include "lanes16.inc"
#include "small_body.inc"
#undef ESPARSE_WIDTH
}  // namespace middle
ESPARSE_TARGET_END
#endif

// What every processor of the architecture has: SSE2, or NEON.
namespace narrow {
#define ESPARSE_WIDTH 4
#include "lanes16.inc"
#include "small_body.inc"
#undef ESPARSE_WIDTH
}  // namespace narrow

namespace {

const SmallKernels* choose() {
#if defined(__x86_64__)
  const char* forced = std::getenv("ESPARSE_ISA");
  const auto allowed = [&](const char* name) {
    return forced == nullptr || *forced == '\0' || std::strcmp(forced, name) == 0;
  };
  if (allowed("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return &wide::kSmall;
  }
  if (allowed("avx2") && __builtin_cpu_supports("avx2")) return &middle::kSmall;
#endif
  return &narrow::kSmall;
}

}  // namespace

const SmallKernels& small_kernels() {
  static const SmallKernels* const chosen = choose();
  return *chosen;
}

}  // namespace esparse
