// The histograms of the entropy statistic: their memory, and how one takes in another. See src/pruning/entropy.ts.
#pragma once
#include "entropy_grid.h"
#include "runtime/kernel.h"

namespace esparse {

// One bin: its count in the low half, the sum of its positions modulo 2^32 in the high half; one addition does both.
using Bin = std::uint64_t;
inline std::uint32_t count_in(Bin bin) { return static_cast<std::uint32_t>(bin); }
inline std::uint32_t sum_in(Bin bin) { return static_cast<std::uint32_t>(bin >> 32); }

// Rows that may wait to be counted, and the channels that lie side by side while they do: one cache line of f32.
constexpr std::size_t kPendingRows = 2048;
constexpr std::size_t kLanes = 16;
// Channels per chunk of a job: whole groups of kLanes.
constexpr std::size_t kStripe = 4 * kLanes;

struct Histograms {
  float* min;
  float* max;
  std::uint32_t* zeros;
  Bin* bins;
  float* pending;
  std::size_t channels, waiting, counted;

  // The row `at` of those waiting, of the kLanes channels from c on.
  float* waiting_row(std::size_t c, std::size_t at) const { return pending + c * kPendingRows + at * kLanes; }
  bool seen_nothing() const { return waiting + counted == 0; }
};

// A state as arguments: its fields have other names where a kernel takes a second one.
struct HistogramArguments {
  Span<float> ranges;  // (2, channels)
  Span<std::uint32_t> zeros;  // (channels)
  Span<std::uint32_t> bins;   // (channels, 2 * kSlots)
  Span<float> pending;        // (channels / kLanes, kPendingRows, kLanes)
  std::size_t waiting, counted;

  using Names = const char* const[6];
  static constexpr Names kNames = {"ranges", "zeros", "bins", "pending", "waiting", "counted"};
  static constexpr Names kOtherNames = {"fromRanges",  "fromZeros",   "fromBins",
                                        "fromPending", "fromWaiting", "fromCounted"};

  template <typename Each>
  void fields(Each& each, const Names& names = kNames) {
    each(names[0], ranges), each(names[1], zeros), each(names[2], bins), each(names[3], pending);
    each(names[4], waiting), each(names[5], counted);
  }
};

inline Histograms checked(Call& call, const HistogramArguments& a,
                          const HistogramArguments::Names& names = HistogramArguments::kNames) {
  const std::size_t channels = a.zeros.length;
  const std::size_t groups = (channels + kLanes - 1) / kLanes;
  call.exactly(names[0], a.ranges, 2 * channels);
  call.exactly(names[2], a.bins, 2 * kSlots * channels);
  call.exactly(names[3], a.pending, groups * kLanes * kPendingRows);
  call.at_most(names[4], a.waiting, kPendingRows - 1);
  return {a.ranges.data,  a.ranges.data + channels, a.zeros.data, reinterpret_cast<Bin*>(a.bins.data),
          a.pending.data, channels,                 a.waiting,    a.counted};
}
constexpr std::size_t kStateArguments = 6;

inline std::size_t stripes(std::size_t channels) { return (channels + kStripe - 1) / kStripe; }

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

// Records the joint range of channel c, and coarsens its histogram where that asks for wider bins.
inline void widen_to(const Histograms& into, std::size_t c, float min, float max) {
  const float old_min = into.min[c], old_max = into.max[c];
  into.min[c] = min;
  into.max[c] = max;
  if (into.counted == 0 || (old_min == min && old_max == max)) return;
  const int e = exponent_of(min, max);
  if (e == exponent_of(old_min, old_max)) return;
  Bin* bins = into.bins + c * kSlots;
  Bin old[kSlots];
  std::memcpy(old, bins, sizeof old);
  std::memset(bins, 0, sizeof old);
  add_at(bins, e, old, old_min, old_max);
}

// The lesser and the greater, -0 below 0, so that the order of arrival leaves no trace.
inline float lesser(float a, float b) { return a < b || (a == b && std::signbit(a)) ? a : b; }
inline float greater(float a, float b) { return a > b || (a == b && !std::signbit(a)) ? a : b; }

}  // namespace esparse
