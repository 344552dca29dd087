// AVX-512 without VBMI2, as Intel had it since 2017.
#include "kernels.h"

#if defined(__x86_64__)

// GCC 12 takes the intrinsics' own undefined registers for our mistakes.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "target.h"

ESPARSE_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,popcnt")
namespace esparse {
namespace {

#include "lanes_avx512.h"
#include "packed_kernel.inc"
#include "dense_kernel.inc"
#include "table.inc"

Kernels make_table() { return table_of<Lanes512<false>>("avx512-base"); }

}  // namespace
}  // namespace esparse
ESPARSE_TARGET_END

namespace esparse {

const Kernels* avx512_base_kernels() {
  const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("fma");
  if (!there) return nullptr;
  static const Kernels table = make_table();
  return &table;
}

}  // namespace esparse

#else

namespace esparse {
const Kernels* avx512_base_kernels() { return nullptr; }
}  // namespace esparse

#endif
