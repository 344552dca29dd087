#include "vector_kernels.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/target.h"

namespace esparse {

#if defined(__x86_64__)
ESPARSE_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl")
namespace wide {
#define ESPARSE_WIDTH 16
#include "lanes16.inc"
#include "vector_kernels_body.inc"
#undef ESPARSE_WIDTH
}  // namespace wide
ESPARSE_TARGET_END

ESPARSE_TARGET_BEGIN("avx2")
namespace middle {
#define ESPARSE_WIDTH 8
#include "lanes16.inc"
#include "vector_kernels_body.inc"
#undef ESPARSE_WIDTH
}  // namespace middle
ESPARSE_TARGET_END
#endif

// What every processor of the architecture has: SSE2, or NEON.
namespace narrow {
#define ESPARSE_WIDTH 4
#include "lanes16.inc"
#include "vector_kernels_body.inc"
#undef ESPARSE_WIDTH
}  // namespace narrow

const VectorKernels& vector_kernels(const Kernels& set) {
#if defined(__x86_64__)
  // Both sets of AVX-512: these functions need nothing that only one of them has.
  if (std::strncmp(set.name, "avx512", 6) == 0) return wide::kVectorKernels;
  if (std::strcmp(set.name, "avx2") == 0) return middle::kVectorKernels;
#else
  (void)set;
#endif
  return narrow::kVectorKernels;
}

}  // namespace esparse
