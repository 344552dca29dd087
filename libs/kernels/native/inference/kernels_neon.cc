// NEON, which every 64-bit ARM processor has.
#include "kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

#include "runtime/target.h"
#include "set_bits.h"

namespace esparse {
namespace {

#include "lanes_neon.h"
#include "packed_kernel.inc"
#include "dense_kernel.inc"
#include "quantized_kernel.inc"
#include "table.inc"

}  // namespace

const Kernels* neon_kernels() {
  static const Kernels table = table_of<LanesNeon>("neon");
  return &table;
}

}  // namespace esparse

#else

namespace esparse {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace esparse

#endif
