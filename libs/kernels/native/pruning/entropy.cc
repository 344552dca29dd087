// Merging and reading the histograms of the entropy statistic. See src/pruning/entropy.ts.
#include <vector>

#include "entropy_pending.h"
#include "runtime/natural_log.h"

namespace esparse {

namespace {

// Most coarse bins: see ENTROPY_MAX_BINS.
constexpr std::size_t kMaxBins = 65536;

void merge_stripe(const Histograms& into, const Histograms& from, std::size_t begin, std::size_t width) {
  for (std::size_t c = begin; c < begin + width; c++) {
    widen_to(into, c, lesser(into.min[c], from.min[c]), greater(into.max[c], from.max[c]));
    into.zeros[c] += from.zeros[c];
    if (from.counted == 0) continue;
    add_at(into.bins + c * kSlots, exponent_of(into.min[c], into.max[c]), from.bins + c * kSlots, from.min[c],
           from.max[c]);
  }
  for (std::size_t c = begin; c < begin + width; c += kLanes) {
    append(into, c, std::min(kLanes, begin + width - c), from.waiting_row(c, 0), from.waiting, kLanes, 0);
  }
}

struct EntropyMergeArguments {
  HistogramArguments into, from;
  template <typename Each>
  void fields(Each& each) {
    into.fields(each), from.fields(each, HistogramArguments::kOtherNames);
  }
};

Napi::Value entropy_merge(Call& call, const EntropyMergeArguments& a) {
  const Histograms into = checked(call, a.into);
  const Histograms from = checked(call, a.from, HistogramArguments::kOtherNames);
  if (into.channels != from.channels) call.refuse("fromZeros", "the two states differ in channels");
  if (call.failed()) return call.nothing();
  return call.promise(
      from.seen_nothing() ? 0 : stripes(into.channels),
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kStripe;
        merge_stripe(into, from, begin, std::min(kStripe, into.channels - begin));
      });
}

// At once and on this thread: for a caller that cannot wait.
Napi::Value entropy_count(Call& call, const HistogramArguments& a) {
  const Histograms state = checked(call, a);
  if (!call.failed()) count_waiting(state, 0, state.channels, state.waiting);
  return call.nothing();
}

// The mass of channel c in each equal bin between low and high: see src/pruning/entropy-rebin.ts.
void rebin(const Histograms& state, std::size_t c, double low, double high, std::vector<double>& mass) {
  std::fill(mass.begin(), mass.end(), 0.0);
  const Bin* grid = state.bins + c * kSlots;
  const double bins = static_cast<double>(mass.size());
  const float min = state.min[c], max = state.max[c];
  const int e = exponent_of(min, max);
  const bool finest = is_finest(min, max, e);
  const double width = power_of_two(e);
  const double scale = bins / (high - low);
  const auto coarse = [&](double position) {
    return static_cast<std::size_t>(std::min(std::max(0.0, std::floor(position)), bins - 1));
  };
  const std::int32_t head = order_of(min, e);
  const std::int32_t last = order_of(max, e);
  const auto density_at = [&](std::int32_t order) {
    const std::int32_t from_zero = order < 0 ? ~order : order;
    const double held = order < head || order > last ? 0 : count_in(grid[slot_at(order)]);
    return held / (magnitude_at(from_zero + 1) - magnitude_at(from_zero));
  };

  for (std::int32_t order = head; order <= last; order++) {
    const Bin bin = grid[slot_at(order)];
    const std::uint32_t held = count_in(bin) - (order == 0 ? state.zeros[c] : 0);
    if (held == 0) continue;
    const std::int32_t from_zero = order < 0 ? ~order : order;
    const double near = magnitude_at(from_zero) * width;
    const double far = magnitude_at(from_zero + 1) * width;
    const double from = (std::max(order < 0 ? -far : near, static_cast<double>(min)) - low) * scale;
    const double to = (std::min(order < 0 ? -near : far, static_cast<double>(max)) - low) * scale;
    if (finest) {
      mass[coarse(order < 0 ? to : from)] += held;
      continue;
    }
    const std::size_t first = coarse(from);
    const std::size_t final = coarse(to);
    if (first == final) {
      mass[first] += held;
      continue;
    }

    double spread = held;
    const int resolution = positions_between(near, far);
    if (from_zero >= kInner && resolution >= 0 && held * power_of_two(resolution) <= 4294967296.0) {
      const double here = magnitude_at(from_zero + 1) - magnitude_at(from_zero);
      spread = std::min({density_at(order - 1) * here, density_at(order + 1) * here, spread});
      const double point = held - spread;
      if (point > 0) {
        const std::uint32_t offsets = sum_in(bin) - held * position_of(static_cast<float>(near));
        const double moment = (offsets + 0.5 * held) / power_of_two(resolution) - 0.5 * spread;
        const double place = std::min(std::max(moment / point, 0.0), 1.0);
        const double magnitude = near + place * (far - near);
        const double position = ((order < 0 ? -magnitude : magnitude) - low) * scale;
        mass[coarse(std::min(std::max(position, from), to))] += point;
      }
    }
    const double density = spread / (to - from);
    mass[first] += (static_cast<double>(first) + 1 - from) * density;
    for (std::size_t k = first + 1; k < final; k++) mass[k] += density;
    mass[final] += (to - static_cast<double>(final)) * density;
  }
  if (state.zeros[c] > 0) mass[coarse((0 - low) * scale)] += state.zeros[c];
}

struct EntropyFinishArguments : HistogramArguments {
  Span<float> bounds;  // (2, channels): the lower ones, then the upper
  double tokens;
  std::size_t intervals;
  Span<float> out;  // (channels)
  template <typename Each>
  void fields(Each& each) {
    HistogramArguments::fields(each), each("bounds", bounds), each("tokens", tokens);
    each("intervals", intervals), each("out", out);
  }
};

// Counts what waits.
Napi::Value entropy_finish(Call& call, const EntropyFinishArguments& a) {
  const Histograms state = checked(call, a);
  const std::size_t channels = state.channels, intervals = a.intervals;
  const auto bounds = a.bounds, out = a.out;
  const double tokens = a.tokens;
  call.exactly("bounds", bounds, 2 * channels);
  call.exactly("out", out, channels);
  call.at_most("intervals", intervals, kMaxBins);
  if (intervals == 0) call.refuse("intervals", "at least one was expected");
  if (call.failed()) return call.nothing();
  return call.promise(
      stripes(channels),
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kStripe, end = std::min(begin + kStripe, channels);
        count_waiting(state, begin, end - begin, state.waiting);
        std::vector<double> mass(intervals);
        for (std::size_t c = begin; c < end; c++) {
          const double low = bounds.data[c], high = bounds.data[channels + c];
          out.data[c] = 0;
          if (!(low < high)) continue;
          rebin(state, c, low, high, mass);
          double entropy = 0;
          for (const double held : mass) {
            const double p = held / tokens;
            if (p > 0) entropy -= p * natural_log(p);
          }
          out.data[c] = static_cast<float>(entropy);
        }
      });
}

}  // namespace

void register_entropy(Napi::Object exports) {
  add_kernel(exports, "entropyCount", entropy_count);
  add_kernel(exports, "entropyMerge", entropy_merge);
  add_kernel(exports, "entropyFinish", entropy_finish);
}

}  // namespace esparse
