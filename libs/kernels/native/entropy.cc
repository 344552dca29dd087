// Merging and reading the histograms of the entropy statistic. See src/entropy.ts.
#include <vector>

#include "entropy_histogram.h"
#include "natural_log.h"

namespace esparse {

Napi::Value entropy_update(const Napi::CallbackInfo& info);

namespace {

// Channels per chunk.
constexpr std::size_t kStripe = 64;
// Most coarse bins: see ENTROPY_MAX_BINS.
constexpr std::size_t kMaxBins = 65536;

void merge_channel(const Histograms& into, const Histograms& from, std::size_t c) {
  if (from.min[c] > from.max[c]) return;
  const int e = widen_to(into, c, lesser(into.min[c], from.min[c]), greater(into.max[c], from.max[c]));
  into.zeros[c] += from.zeros[c];
  add_at(into.bins + c * kSlots, e, from.bins + c * kSlots, from.min[c], from.max[c]);
}

// entropyMerge(ranges, zeros, bins, fromRanges, fromZeros, fromBins): Promise<void>
Napi::Value entropy_merge(const Napi::CallbackInfo& info) {
  Call call(info);
  std::size_t channels = 0, others = 0;
  const Histograms into = take(call, 0, channels);
  const Histograms from = take(call, 3, others);
  if (call.failed()) return info.Env().Undefined();
  if (channels != others) {
    Napi::TypeError::New(info.Env(), "the two states differ in channels").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::size_t chunks = (channels + kStripe - 1) / kStripe;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(channels, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t c = begin; c < end; c++) merge_channel(into, from, c);
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

// The mass of channel c in each equal bin between low and high: see src/entropy-rebin.ts.
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

// entropyFinish(ranges, zeros, bins, bounds: Float32Array(2 * channels), tokens, bins, out): Promise<void>
Napi::Value entropy_finish(const Napi::CallbackInfo& info) {
  Call call(info);
  std::size_t channels = 0;
  const Histograms state = take(call, 0, channels);
  const auto bounds = call.array<float>(3, 2 * channels);
  const double tokens = call.number(4);
  const std::size_t bins = call.size(5);
  const auto out = call.array<float>(6, channels);
  if (call.failed()) return info.Env().Undefined();
  if (bins == 0 || bins > kMaxBins) {
    Napi::RangeError::New(info.Env(), "between 1 and 65536 bins were expected").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::size_t chunks = (channels + kStripe - 1) / kStripe;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        std::vector<double> mass(bins);
        in_range(channels, chunks, chunk, [&](std::size_t begin, std::size_t end) {
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
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_entropy(Napi::Env env, Napi::Object exports) {
  exports.Set("entropyUpdate", Napi::Function::New(env, entropy_update));
  exports.Set("entropyMerge", Napi::Function::New(env, entropy_merge));
  exports.Set("entropyFinish", Napi::Function::New(env, entropy_finish));
}

}  // namespace esparse
