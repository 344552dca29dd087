#include "largest.h"

#include "runtime/simd.h"

namespace esparse {

ESPARSE_SIMD_CLONES
void insert(Lanes* top, std::size_t keep, float* values) {
  for (std::size_t s = 0; s < keep; s++) {
    for (std::size_t g = 0; g < kGroupsAtOnce; g++) {
      const float held = top[s][g], value = values[g];
      top[s][g] = held > value ? held : value;
      values[g] = held > value ? value : held;
    }
  }
}

}  // namespace esparse
