#include "thresholds.h"

#include <limits>

#include "runtime/shuffled.h"
#include "runtime/simd.h"

namespace esparse {

ESPARSE_SIMD_CLONES
void thresholds(const Rows* values, std::size_t keep, std::size_t group, Rows* t) {
  Rows top[kMaxGroup];  // the keep + 1 largest, in descending order
  for (std::size_t s = 0; s <= keep; s++) {
    for (std::size_t r = 0; r < kPartialRows; r++) top[s][r] = -std::numeric_limits<float>::infinity();
  }
  for (std::size_t m = 0; m < group; m++) {
    Rows rest;
    for (std::size_t r = 0; r < kPartialRows; r++) rest[r] = values[m][r];
    for (std::size_t s = 0; s <= keep; s++) {
      for (std::size_t r = 0; r < kPartialRows; r++) {
        const float held = top[s][r], value = rest[r];
        top[s][r] = held > value ? held : value;
        rest[r] = held > value ? value : held;
      }
    }
  }
  // Without a score among the keep largest, the next one moves up.
  for (std::size_t m = 0; m < group; m++) {
    for (std::size_t r = 0; r < kPartialRows; r++) {
      t[m][r] = values[m][r] >= top[keep - 1][r] ? top[keep][r] : top[keep - 1][r];
    }
  }
}

}  // namespace esparse
