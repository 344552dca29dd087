// A matrix whose columns are taken in a shuffled order and cut into groups of which N of M are kept.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "promise_job.h"

namespace esparse {

// Groups wider than this are refused by Pattern: a kept position is at most 4 bits.
constexpr std::size_t kMaxGroup = 16;
// Groups (of one row) that a vectorised loop handles at a time: a few cache lines per position.
constexpr std::size_t kGroupsAtOnce = 64;

// More rows or columns than any linear has, and few enough that no product of sizes overflows.
constexpr std::size_t kMaxDimension = 1u << 30;

// The shape of a job, and a private copy of its permutation: JavaScript may change the array meanwhile.
struct Shuffled {
  std::size_t rows = 0, cols = 0, keep = 0, group = 0;
  std::vector<std::uint32_t> order;  // order[i] = the original channel at position i
  std::size_t groups() const { return cols / group; }
};

// Reads (rows, cols, permutation, keep, group) from arguments `first` to `first + 4`; refuses a shape or a
// channel out of range, so that no kernel can read or write out of bounds.
inline std::shared_ptr<const Shuffled> take_shuffled(Call& call, Napi::Env env, std::size_t first) {
  const auto refuse = [env](const char* why) { Napi::RangeError::New(env, why).ThrowAsJavaScriptException(); };
  auto shape = std::make_shared<Shuffled>();
  shape->rows = call.size(first);
  shape->cols = call.size(first + 1);
  const auto permutation = call.array<std::int32_t>(first + 2, shape->cols);
  shape->keep = call.size(first + 3);
  shape->group = call.size(first + 4);
  if (call.failed()) return shape;
  if (shape->rows > kMaxDimension || shape->cols > kMaxDimension) {
    refuse("too many rows or columns");
    return shape;
  }
  if (shape->group > kMaxGroup || shape->keep < 1 || shape->keep >= shape->group ||
      shape->cols % shape->group != 0) {
    refuse("no N:M pattern that divides the columns");
    return shape;
  }
  shape->order.reserve(shape->cols);
  for (std::size_t i = 0; i < shape->cols; i++) {
    const std::int32_t channel = permutation.data[i];
    if (channel < 0 || static_cast<std::size_t>(channel) >= shape->cols) {
      refuse("a channel is out of range");
      return shape;
    }
    shape->order.push_back(static_cast<std::uint32_t>(channel));
  }
  return shape;
}

}  // namespace esparse
