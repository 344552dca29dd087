// The histograms of the entropy statistic: their memory, and how one takes in another. See src/entropy.ts.
#pragma once
#include "entropy_grid.h"
#include "promise_job.h"

namespace esparse {

// One bin: its count in the low half, the sum of its positions modulo 2^32 in the high half; one addition does both.
using Bin = std::uint64_t;
inline std::uint32_t count_in(Bin bin) { return static_cast<std::uint32_t>(bin); }
inline std::uint32_t sum_in(Bin bin) { return static_cast<std::uint32_t>(bin >> 32); }

struct Histograms {
  float* min;
  float* max;
  std::uint32_t* zeros;
  Bin* bins;
};

// The three arrays of a state, from argument `at` on.
inline Histograms take(Call& call, std::size_t at, std::size_t& channels) {
  const auto zeros = call.array<std::uint32_t>(at + 1);
  channels = zeros.length;
  const auto ranges = call.array<float>(at, 2 * channels);
  const auto bins = call.array<std::uint32_t>(at + 2, 2 * kSlots * channels);
  return {ranges.data, ranges.data + channels, zeros.data, reinterpret_cast<Bin*>(bins.data)};
}

// Adds a histogram with the range min..max to `bins`, whose exponent `e` is no smaller: whole bins, so exactly.
inline void add_at(Bin* bins, int e, const Bin* from, float min, float max) {
  const int from_exponent = exponent_of(min, max);
  if (e == from_exponent) {
    for (std::size_t i = 0; i < kSlots; i++) bins[i] += from[i];
    return;
  }
  const std::int32_t last = order_of(max, from_exponent);
  for (std::int32_t order = order_of(min, from_exponent); order <= last; order++) {
    const Bin held = from[slot_at(order)];
    if (held == 0) continue;
    bins[slot_at(coarsened(order, e - from_exponent))] += held;
  }
}

// Records the joint range of channel c, coarsens its histogram where that asks for wider bins; returns the exponent.
inline int widen_to(const Histograms& into, std::size_t c, float min, float max) {
  const float old_min = into.min[c], old_max = into.max[c];
  into.min[c] = min;
  into.max[c] = max;
  const int e = exponent_of(min, max);
  if (old_min > old_max || e == exponent_of(old_min, old_max)) return e;
  Bin* bins = into.bins + c * kSlots;
  Bin old[kSlots];
  std::memcpy(old, bins, sizeof old);
  std::memset(bins, 0, sizeof old);
  add_at(bins, e, old, old_min, old_max);
  return e;
}

// The lesser and the greater, -0 below 0, so that the order of arrival leaves no trace.
inline float lesser(float a, float b) { return a < b || (a == b && std::signbit(a)) ? a : b; }
inline float greater(float a, float b) { return a > b || (a == b && !std::signbit(a)) ? a : b; }

}  // namespace esparse
