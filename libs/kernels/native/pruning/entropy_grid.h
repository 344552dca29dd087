// The grid of the entropy histograms: where a value falls. See src/pruning/entropy-grid.ts for what it is and why.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace esparse {

constexpr std::int32_t kLinear = 2048;
constexpr std::int32_t kMantissaBits = 4;
constexpr std::int32_t kOctaves = 12;
constexpr std::int32_t kInner = 1 << kMantissaBits;
constexpr std::int32_t kNearZero = (kOctaves + 1) * kInner;
constexpr std::size_t kSlots = kLinear + 2 * kNearZero;
constexpr int kMinExponent = -100;
constexpr int kFractionBits = 23;
constexpr int kPositionShift = 6;
constexpr int kPositionBits = kFractionBits - kMantissaBits - kPositionShift;

// The exponent of a positive f64; below the normal range, some value under -1000.
inline int floor_log2(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, 8);
  return static_cast<int>((bits >> 52) & 0x7ff) - 1023;
}

// 2^e for e in [-1022, 1023].
inline double power_of_two(int e) {
  const std::uint64_t bits = static_cast<std::uint64_t>(e + 1023) << 52;
  double x;
  std::memcpy(&x, &bits, 8);
  return x;
}

// The channel's exponent: a function of its range only.
inline int exponent_of(float min, float max) {
  const double low = min, high = max;
  const double span = high - low;
  int e = std::max(kMinExponent, floor_log2(std::max(std::fabs(low), std::fabs(high))) - kFractionBits);
  // At less than span / kLinear / 2 a bin the range cannot fit: start there, at most a few steps below the answer.
  e = std::max(e, floor_log2(span) - floor_log2(kLinear) - 1);
  const auto index = [&](double x) {
    const auto magnitude = static_cast<std::int64_t>(std::fabs(x) * power_of_two(-e));
    return x < 0 ? ~magnitude : magnitude;
  };
  while (index(high) - index(low) >= kLinear) e++;
  return e;
}

inline bool is_finest(float min, float max, int e) {
  const double largest = std::max(std::fabs(static_cast<double>(min)), std::fabs(static_cast<double>(max)));
  return e > kMinExponent && e == floor_log2(largest) - kFractionBits;
}

// Places away from zero of a magnitude in the innermost bins' widths, 2^(e - kOctaves).
inline std::int32_t distance_of(std::int64_t fine) {
  if (fine >= std::int64_t{kInner} << kOctaves) {
    return kNearZero - kInner + static_cast<std::int32_t>(fine >> kOctaves);
  }
  const auto near = static_cast<std::int32_t>(fine);
  if (near < kInner) return near;
  const std::int32_t octave = floor_log2(near) - kMantissaBits;
  return octave * kInner + (near >> octave);
}

// A value's place in ascending order of bins: ~n is the mirror image of n.
inline std::int32_t order_of(double x, int e) {
  const std::int32_t from_zero = distance_of(static_cast<std::int64_t>(std::fabs(x) * power_of_two(kOctaves - e)));
  return x < 0 ? ~from_zero : from_zero;
}

inline std::size_t slot_at(std::int32_t order) {
  const std::int32_t from_zero = order < 0 ? ~order : order;
  if (from_zero < kNearZero) return kLinear + (order < 0 ? kNearZero : 0) + from_zero;
  const std::int32_t index = from_zero - kNearZero + kInner;
  return (order < 0 ? ~index : index) & (kLinear - 1);
}

// The magnitude at which the bin `from_zero` places away from zero begins, in the innermost bins' widths.
inline std::int64_t fine_at(std::int32_t from_zero) {
  if (from_zero >= kNearZero) return std::int64_t{from_zero - kNearZero + kInner} << kOctaves;
  const std::int32_t octave = std::max((from_zero >> kMantissaBits) - 1, 0);
  return std::int64_t{from_zero - octave * kInner} << octave;
}

// The same in units of 2^e.
inline double magnitude_at(std::int32_t from_zero) {
  return static_cast<double>(fine_at(from_zero)) * power_of_two(-kOctaves);
}

// Where the bin at place `order` goes when the exponent grows by `steps`.
inline std::int32_t coarsened(std::int32_t order, int steps) {
  const std::int32_t to = distance_of(fine_at(order < 0 ? ~order : order) >> std::min(steps, 63));
  return order < 0 ? ~to : to;
}

// The position of an f32 within its octave, in [0, 2^kPositionBits).
inline std::uint32_t position_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return (bits >> kPositionShift) & ((1u << kPositionBits) - 1);
}

// log2 of the number of positions in the bin between two magnitudes; negative where they are too coarse.
inline int positions_between(double near, double far) {
  return floor_log2(far - near) - floor_log2(near) + kFractionBits - kPositionShift;
}

}  // namespace esparse
