// -O3 unrolls sixteen lanes in hundreds of kernels, which takes the compiler a minute; there are no vectors to fill here.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")
#endif
#include "kernels.h"

#include <cstring>

#include "runtime/half.h"
#include "exact_fma.h"
#include "runtime/target.h"
#include "set_bits.h"

namespace esparse {
namespace {

#include "lanes_portable.h"
#include "packed_kernel.inc"
#include "dense_kernel.inc"
#include "quantized_kernel.inc"
#include "table.inc"

}  // namespace

const Kernels* portable_kernels() {
  static const Kernels table = table_of<LanesPortable>("portable");
  return &table;
}

}  // namespace esparse
