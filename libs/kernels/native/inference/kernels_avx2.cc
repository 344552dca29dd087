// AVX2 with FMA and F16C, as every x86-64-v3 processor has them.
#include "kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "runtime/target.h"
#include "set_bits.h"

ESPARSE_TARGET_BEGIN("avx2,fma,f16c,bmi,bmi2,popcnt")
namespace esparse {
namespace {

#include "lanes_avx2.h"
#include "packed_kernel.inc"
#include "dense_kernel.inc"
#include "quantized_kernel.inc"
#include "table.inc"

Kernels make_table() { return table_of<Lanes256>("avx2"); }

}  // namespace
}  // namespace esparse
ESPARSE_TARGET_END

namespace esparse {

const Kernels* avx2_kernels() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c") ||
      !__builtin_cpu_supports("popcnt")) {
    return nullptr;
  }
  static const Kernels table = make_table();
  return &table;
}

}  // namespace esparse

#else

namespace esparse {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace esparse

#endif
