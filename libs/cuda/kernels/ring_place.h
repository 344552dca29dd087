// Where a warp is in a ring of places that barriers guard.
#pragma once
#include <cstdint>

#include "layout.h"

namespace esparse {

// Places in a ring, one after the other: `step` further at a time. `parity`: of the barrier's phase that is waited for; it begins with 1
// where the first time round is as good as done.
struct RingPlace {
  int at;
  std::uint32_t parity;
  ESPARSE_BOTH void move(int step, int count) {
    at += step;
    if (at >= count) {
      at -= count;
      parity ^= 1;
    }
  }
};

}  // namespace esparse
