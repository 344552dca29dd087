// The places of the set bits of a byte.
#pragma once
#include <cstdint>

namespace esparse {

// For each byte its first four set bits, a byte each from the lowest on: zeros where there are fewer.
struct SetBits {
  std::uint32_t of[256];
  constexpr SetBits() : of() {
    for (int mask = 0; mask < 256; mask++) {
      int found = 0;
      for (std::uint32_t bit = 0; bit < 8; bit++) {
        if (((mask >> bit) & 1) == 0 || found == 4) continue;
        of[mask] |= bit << (8 * found++);
      }
    }
  }
};
constexpr SetBits kSetBits;

}  // namespace esparse
