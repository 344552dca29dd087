// Whether packed indices can have been written by `pack`: they come from a file, and a position out of its group, or a
// mask that keeps too many, would make a kernel read beyond its arrays.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "runtime/simd.h"
#include "linear.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

// Two positions of 2 bits for 16 rows: the second above the first. A field is compared as two bits.
ESPARSE_SIMD_CLONES
bool pairs_of_4_ascend(const std::uint8_t* indices, std::size_t groups) {
  std::uint32_t wrong = 0;
  for (std::size_t g = 0; g < groups; g++) {
    std::uint32_t a, b;
    std::memcpy(&a, indices + 8 * g, 4);
    std::memcpy(&b, indices + 8 * g + 4, 4);
    const std::uint32_t high = b & ~a, equal = ~(a ^ b);
    wrong |= ~((high >> 1) | ((equal >> 1) & high)) & 0x55555555u;
  }
  return wrong == 0;
}

ESPARSE_SIMD_CLONES
bool positions_ascend(const std::uint8_t* indices, std::size_t groups, std::size_t keep, std::size_t group,
                      std::size_t bits) {
  std::uint64_t wrong = 0;
  const std::uint64_t mask = (1u << bits) - 1;
  for (std::size_t g = 0; g < groups; g++) {
    std::uint64_t least[kTileRows] = {};
    for (std::size_t slot = 0; slot < keep; slot++, indices += 2 * bits) {
      std::uint64_t string = 0;
      std::memcpy(&string, indices, 2 * bits);
      for (std::size_t r = 0; r < kTileRows; r++) {
        const std::uint64_t m = (string >> (r * bits)) & mask;
        // The difference of a smaller and a larger number has its upper bits set.
        wrong |= (m - least[r]) | (group - 1 - m);
        least[r] = m + 1;
      }
    }
  }
  return wrong >> 32 == 0;
}

// Counts the kept positions of 16 rows at once: bit r of digit d is bit d of row r's count. Also of the rows beyond the
// last: a mask's values follow each other, so that all rows have to keep N.
bool masks_keep(const std::uint8_t* indices, std::size_t groups, std::size_t keep, std::size_t group) {
  std::uint32_t wrong = 0;
  for (std::size_t g = 0; g < groups; g++) {
    std::uint32_t digits[5] = {};
    for (std::size_t m = 0; m < group; m++, indices += 2) {
      std::uint16_t mask;
      std::memcpy(&mask, indices, 2);
      std::uint32_t carry = mask;
      for (std::uint32_t& digit : digits) {
        const std::uint32_t both = digit & carry;
        digit ^= carry;
        carry = both;
      }
    }
    for (std::size_t d = 0; d < 5; d++) wrong |= digits[d] ^ ((keep >> d) & 1 ? 0xffffu : 0u);
  }
  return wrong == 0;
}

// The same for the common 4:8, where adders of three bits do.
ESPARSE_SIMD_CLONES
bool masks_of_8_keep_4(const std::uint8_t* indices, std::size_t groups) {
  std::uint32_t wrong = 0;
  for (std::size_t g = 0; g < groups; g++) {
    std::uint16_t m[8];
    std::memcpy(m, indices + 16 * g, 16);
    const auto sum = [](std::uint32_t a, std::uint32_t b, std::uint32_t c) { return a ^ b ^ c; };
    const auto carry = [](std::uint32_t a, std::uint32_t b, std::uint32_t c) { return (a & b) | (c & (a ^ b)); };
    const std::uint32_t s0 = sum(m[0], m[1], m[2]), c0 = carry(m[0], m[1], m[2]);
    const std::uint32_t s1 = sum(m[3], m[4], m[5]), c1 = carry(m[3], m[4], m[5]);
    const std::uint32_t s2 = sum(m[6], m[7], s0), c2 = carry(m[6], m[7], s0);
    const std::uint32_t ones = s1 ^ s2, c3 = s1 & s2;
    const std::uint32_t t0 = sum(c0, c1, c2), d0 = carry(c0, c1, c2);
    const std::uint32_t twos = t0 ^ c3, d1 = t0 & c3;
    const std::uint32_t fours = d0 ^ d1;  // both only where all eight are kept, and then this is zero: wrong, as it is
    wrong |= (ones | twos | ~fours) & 0xffffu;
  }
  return wrong == 0;
}

bool groups_right(const PackedWeights& w, const std::uint8_t* indices, std::size_t groups) {
  if (w.bits == 2 && w.keep == 2 && w.group == 4) return pairs_of_4_ascend(indices, groups);
  if (w.bits == 0 && w.keep == 4 && w.group == 8) return masks_of_8_keep_4(indices, groups);
  if (w.bits == 0) return masks_keep(indices, groups, w.keep, w.group);
  return positions_ascend(indices, groups, w.keep, w.group, w.bits);
}

// Of a 2:4 tile's words: the first field of each group below the second.
bool fields_ascend(const std::uint8_t* words, std::size_t rows, std::size_t groups) {
  std::uint32_t wrong = 0;
  for (std::size_t first = 0; first < groups; first += 8, words += 4 * kTileRows) {
    // Fields of groups that are there; survivors 4 k + j lie in byte j, so that a group has two neighbours.
    std::uint32_t there = 0;
    for (std::size_t g = first; g < std::min(groups, first + 8); g++) {
      there |= 1u << ((g - first) / 2 * 2 + (g - first) % 2 * 16);
    }
    for (std::size_t r = 0; r < rows; r++) {
      std::uint32_t word;
      std::memcpy(&word, words + 4 * r, 4);
      const std::uint32_t a = word & 0x00ff00ffu, b = (word >> 8) & 0x00ff00ffu;
      const std::uint32_t high = b & ~a, equal = ~(a ^ b);
      wrong |= ~((high >> 1) | ((equal >> 1) & high)) & there;
    }
  }
  return wrong == 0;
}

// Of a 4:8 tile's bytes: four bits in each.
bool bytes_keep_4(const std::uint8_t* masks, std::size_t rows, std::size_t groups) {
  std::uint32_t wrong = 0;
  for (std::size_t g = 0; g < groups; g++, masks += kTileRows) {
    for (std::size_t r = 0; r < rows; r++) {
      const std::uint32_t twos = masks[r] - ((masks[r] >> 1) & 0x55u), fours = (twos & 0x33u) + ((twos >> 2) & 0x33u);
      wrong |= ((fours + (fours >> 4)) & 0xfu) ^ 4u;
    }
  }
  return wrong == 0;
}

// Whether all of a tile's groups are right.
bool quantized_right(const QuantizedWeights& w, std::size_t tile) {
  const PackedWeights& p = w.where;
  const std::uint8_t* indices = p.indices + tile * w.index_bytes();
  const std::size_t rows = std::min(kTileRows, p.rows - tile * kTileRows);
  if (w.places() == kFieldsOf2) return fields_ascend(indices, rows, p.groups());
  return bytes_keep_4(indices, rows, p.groups());
}

// The first group of a tile that is wrong.
std::size_t wrong_in_tile(const QuantizedWeights& w, std::size_t tile) {
  const std::size_t rows = std::min(kTileRows, w.where.rows - tile * kTileRows);
  const std::uint8_t* indices = w.where.indices + tile * w.index_bytes();
  std::size_t groups = 1;
  // A tile of fewer groups has the same words, of which the last is looked at in part.
  const auto right = [&] {
    return w.places() == kFieldsOf2 ? fields_ascend(indices, rows, groups) : bytes_keep_4(indices, rows, groups);
  };
  while (right()) groups++;
  return groups - 1;
}

// The first tile * groups + group that is wrong.
template <typename Right, typename Wrong>
std::size_t first_wrong(std::size_t threads, std::size_t tiles, std::size_t groups, Right right, Wrong wrong) {
  std::atomic<std::size_t> first{kAllRight};
  parallel_for(threads, tiles, [&](std::size_t tile) {
    if (tile * groups > first.load() || right(tile)) return;
    const std::size_t found = tile * groups + wrong(tile);
    std::size_t seen = first.load();
    while (found < seen && !first.compare_exchange_weak(seen, found)) {
    }
  });
  return first.load();
}

}  // namespace

std::size_t first_wrong_group(const QuantizedWeights& weights, std::size_t threads) {
  if (weights.places() == kAllStand) return kAllRight;
  if (weights.places() == kPackedPlaces) return first_wrong_group(weights.where, threads);
  return first_wrong(
      threads, weights.where.tiles(), weights.where.groups(),
      [&](std::size_t tile) { return quantized_right(weights, tile); },
      [&](std::size_t tile) { return wrong_in_tile(weights, tile); });
}

std::size_t first_wrong_group(const PackedWeights& weights, std::size_t threads) {
  const std::size_t groups = weights.groups();
  const auto of = [&](std::size_t tile) { return weights.indices + tile * groups * weights.group_bytes(); };
  return first_wrong(
      threads, weights.tiles(), groups, [&](std::size_t tile) { return groups_right(weights, of(tile), groups); },
      [&](std::size_t tile) {
        std::size_t g = 0;
        while (groups_right(weights, of(tile) + g * weights.group_bytes(), 1)) g++;
        return g;
      });
}

}  // namespace esparse
