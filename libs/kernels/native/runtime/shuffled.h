// A matrix whose columns are taken in a shuffled order and cut into groups of which N of M are kept.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernel.h"

namespace esparse {

// Groups wider than this are refused by Pattern: a kept position is at most 4 bits.
constexpr std::size_t kMaxGroup = 16;
// Groups (of one row) that a vectorised loop handles at a time: a few cache lines per position.
constexpr std::size_t kGroupsAtOnce = 64;

// More rows or columns than any linear has, and few enough that no product of sizes overflows.
constexpr std::size_t kMaxDimension = 1u << 30;

// The arguments that say in which order columns are taken, and what is kept of them.
struct ShuffledArguments {
  std::size_t rows, cols;
  Span<std::int32_t> permutation;
  std::size_t keep, group;
  template <typename Each>
  void fields(Each& each) {
    each("rows", rows), each("cols", cols), each("permutation", permutation), each("keep", keep), each("group", group);
  }
};

// The shape of a job, and a private copy of its permutation: JavaScript may change the array meanwhile.
struct Shuffled {
  std::size_t rows = 0, cols = 0, keep = 0, group = 0;
  std::vector<std::uint32_t> order;  // order[i] = the original channel at position i
  std::size_t groups() const { return cols / group; }
};

// Refuses a pattern that is none or does not divide the columns.
inline void check_pattern(Call& call, std::size_t keep, std::size_t group, std::size_t cols) {
  if (group > kMaxGroup || keep < 1 || keep >= group || cols % group != 0) {
    call.refuse("group", "no N:M pattern that divides the columns");
  }
}

// Refuses a shape or a channel out of range, so that no kernel can read or write out of bounds.
inline std::shared_ptr<const Shuffled> checked(Call& call, const ShuffledArguments& a) {
  auto shape = std::make_shared<Shuffled>();
  call.at_most("rows", a.rows, kMaxDimension);
  call.at_most("cols", a.cols, kMaxDimension);
  call.exactly("permutation", a.permutation, a.cols);
  check_pattern(call, a.keep, a.group, a.cols);
  if (call.failed()) return shape;
  shape->rows = a.rows, shape->cols = a.cols, shape->keep = a.keep, shape->group = a.group;
  shape->order.reserve(a.cols);
  for (std::size_t i = 0; i < a.cols; i++) {
    const std::int32_t channel = a.permutation.data[i];
    if (channel < 0 || static_cast<std::size_t>(channel) >= a.cols) {
      call.refuse("permutation", "a channel is out of range");
      return shape;
    }
    shape->order.push_back(static_cast<std::uint32_t>(channel));
  }
  return shape;
}

}  // namespace esparse
