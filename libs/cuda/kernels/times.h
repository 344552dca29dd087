// A product that is rounded by itself, never a part of a fused one: as the processor's.
#pragma once
#include "layout.h"

namespace esparse {

ESPARSE_BOTH double times(double a, double b) {
#ifdef __CUDA_ARCH__
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

}  // namespace esparse
