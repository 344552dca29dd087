// Reads histograms: `rebin` and `entropyFinish` of @esparse/kernels say how. The same numbers, to the bit, so no product may be fused
// with a sum.
#pragma once
#include "../times.h"
#include "entropy_grid.cuh"

namespace esparse {

__device__ inline double lesser_of(double a, double b) { return b < a ? b : a; }
__device__ inline double greater_of(double a, double b) { return a < b ? b : a; }

// The histogram of a channel.
struct ChannelBins {
  const std::uint32_t* bins;
  int head, last;  // the places that its values lie between

  __device__ std::uint32_t count(int order) const { return bins[2 * slot_at(order)]; }
  __device__ std::uint32_t positions(int order) const { return bins[2 * slot_at(order) + 1]; }
  __device__ double density(int order) const {
    const int from_zero = places_from_zero(order);
    const double held = order < head || order > last ? 0 : count(order);
    return held / (magnitude_at(from_zero + 1) - magnitude_at(from_zero));
  }
};

// How many values of each channel lie in each of the equal intervals between its bounds. bounds: (2, channels), the lower ones, then the
// upper; masses: (intervals, channels), zeros where these are equal. A thread has a channel.
ESPARSE_KERNEL entropy_masses(const float* ranges, const std::uint32_t* zeros, const std::uint32_t* bins,
                              const float* bounds, int channels, int first, int count, int intervals, double* masses) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x, c = first + at;
  if (at >= count) return;
  double* const own = masses + at;
  const auto add = [&](int interval, double mass) { own[static_cast<std::size_t>(interval) * count] += mass; };
  for (int k = 0; k < intervals; k++) own[static_cast<std::size_t>(k) * count] = 0;
  const double low = bounds[c], high = bounds[channels + c];
  if (!(low < high)) return;

  const float min = ranges[c], max = ranges[channels + c];
  const int e = exponent_of(min, max);
  const bool finest = is_finest(min, max, e);
  const double width = power_of_two(e), scale = intervals / (high - low);
  const auto coarse = [&](double position) {
    return static_cast<int>(lesser_of(greater_of(0, floor(position)), intervals - 1));
  };
  const ChannelBins grid{bins + static_cast<std::size_t>(c) * 2 * kSlots, order_of(min, power_of_two(-e)),
                         order_of(max, power_of_two(-e))};
  for (int order = grid.head; order <= grid.last; order++) {
    const std::uint32_t values = grid.count(order) - (order == 0 ? zeros[c] : 0);
    if (values == 0) continue;
    const double held = values;
    const int from_zero = places_from_zero(order);
    const double near = times(magnitude_at(from_zero), width), far = times(magnitude_at(from_zero + 1), width);
    const double from = times(greater_of(order < 0 ? -far : near, min) - low, scale);
    const double to = times(lesser_of(order < 0 ? -near : far, max) - low, scale);
    if (finest) {
      add(coarse(order < 0 ? to : from), held);
      continue;
    }
    const int begin = coarse(from), end = coarse(to);
    if (begin == end) {
      add(begin, held);
      continue;
    }

    double spread = held;
    const int resolution = positions_between(near, far);
    if (from_zero >= kInner && resolution >= 0 && times(held, power_of_two(resolution)) <= 4294967296.0) {
      const double here = magnitude_at(from_zero + 1) - magnitude_at(from_zero);
      spread = lesser_of(lesser_of(times(grid.density(order - 1), here), times(grid.density(order + 1), here)), spread);
      const double point = held - spread;
      if (point > 0) {
        const std::uint32_t offsets = grid.positions(order) - values * position_of(static_cast<float>(near));
        const double moment = (offsets + times(0.5, held)) / power_of_two(resolution) - times(0.5, spread);
        const double place = lesser_of(greater_of(moment / point, 0), 1);
        const double magnitude = near + times(place, far - near);
        const double position = times((order < 0 ? -magnitude : magnitude) - low, scale);
        add(coarse(lesser_of(greater_of(position, from), to)), point);
      }
    }
    const double density = spread / (to - from);
    add(begin, times(static_cast<double>(begin) + 1 - from, density));
    for (int k = begin + 1; k < end; k++) add(k, density);
    add(end, times(to - end, density));
  }
  if (zeros[c] > 0) add(coarse(times(0 - low, scale)), zeros[c]);
}

// ln x: as `naturalLog` of @esparse/kernels.
__device__ inline double natural_log(double x) {
  const unsigned long long bits = bits_of(x);
  int k = static_cast<int>(bits >> 52) - 1023;
  double f = double_of((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  if (f > 1.4142135623730951) {
    f /= 2;
    k += 1;
  }
  const double s = (f - 1) / (f + 1), square = times(s, s);
  double series = 1.0 / 23;
  for (int odd = 21; odd >= 1; odd -= 2) series = times(series, square) + 1.0 / odd;
  return times(k, 0.6931471805599453) + times(times(2, s), series);
}

// entropies: (count), -Σ p ln p in nats, of channels whose masses make up `tokens`. A thread has a channel.
ESPARSE_KERNEL entropy_of_masses(const double* masses, double tokens, int count, int intervals, float* entropies) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  double entropy = 0;
  for (int k = 0; k < intervals; k++) {
    const double p = masses[static_cast<std::size_t>(k) * count + at] / tokens;
    if (p > 0) entropy -= times(p, natural_log(p));
  }
  entropies[at] = static_cast<float>(entropy);
}

}  // namespace esparse
