// The grid of the entropy histograms: `entropy-grid.ts` of @esparse/kernels says what it is and why. The same places, to the
// bit.
#pragma once
#include "../block/gpu.cuh"

namespace esparse {

constexpr int kLinear = 2048, kMantissaBits = 4, kOctaves = 12, kInner = 1 << kMantissaBits;
constexpr int kNearZero = (kOctaves + 1) * kInner, kSlots = kLinear + 2 * kNearZero;
constexpr int kMinExponent = -100, kFractionBits = 23, kPositionShift = 6;
constexpr int kPositionBits = kFractionBits - kMantissaBits - kPositionShift;

__device__ inline unsigned long long bits_of(double value) {
#ifdef __CUDA_ARCH__
  return static_cast<unsigned long long>(__double_as_longlong(value));
#else
  union {
    double value;
    unsigned long long bits;
  } both{value};
  return both.bits;
#endif
}

__device__ inline double double_of(unsigned long long bits) {
#ifdef __CUDA_ARCH__
  return __longlong_as_double(static_cast<long long>(bits));
#else
  union {
    unsigned long long bits;
    double value;
  } both{bits};
  return both.value;
#endif
}

// The exponent of a positive f64; below the normal range, some value under -1000.
__device__ inline int floor_log2(double x) { return static_cast<int>(bits_of(x) >> 52 & 0x7ff) - 1023; }

// 2^e for e in [-126, 127].
__device__ inline float power_of_two(int e) { return float_of(static_cast<std::uint32_t>(e + 127) << 23); }

// A channel's exponent: a function of its range only.
__device__ inline int exponent_of(float min, float max) {
  const double low = min, high = max, span = high - low;
  const double largest = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
  int e = floor_log2(largest) - kFractionBits;
  if (e < kMinExponent) e = kMinExponent;
  const int least = floor_log2(span) - 11 - 1;
  if (e < least) e = least;
  for (;; e++) {
    const double width = power_of_two(-e);
    const auto index = [&](double x) {
      const auto magnitude = static_cast<long long>(fabs(x) * width);
      return x < 0 ? ~magnitude : magnitude;
    };
    if (index(high) - index(low) < kLinear) return e;
  }
}

// Places away from zero of a magnitude in the innermost bins' widths, 2^(e - kOctaves).
__device__ inline int distance_of(long long fine) {
  if (fine >= static_cast<long long>(kInner) << kOctaves) return kNearZero - kInner + static_cast<int>(fine >> kOctaves);
  const int near = static_cast<int>(fine);
  if (near < kInner) return near;
  const int octave = floor_log2(static_cast<double>(near)) - kMantissaBits;
  return octave * kInner + (near >> octave);
}

// A value's place in ascending order of bins, `scale` being 2^-e: ~n is the mirror image of n. In f32, which is exact.
__device__ inline int order_of(float x, float scale) {
  const float y = fabsf(x) * scale;
  int from_zero;
  if (y >= kInner) from_zero = kNearZero - kInner + static_cast<int>(y);
  else {
    const int fine = static_cast<int>(y * (1 << kOctaves));
    if (fine < kInner) from_zero = fine;
    else {
      const int octave = static_cast<int>(bits_of(static_cast<float>(fine)) >> 23) - 127 - kMantissaBits;
      from_zero = octave * kInner + (fine >> octave);
    }
  }
  return x < 0 ? ~from_zero : from_zero;
}

__device__ inline int places_from_zero(int order) { return order < 0 ? ~order : order; }

__device__ inline int slot_at(int order) {
  const int from_zero = places_from_zero(order);
  if (from_zero < kNearZero) return kLinear + (order < 0 ? kNearZero : 0) + from_zero;
  const int index = from_zero - kNearZero + kInner;
  return (order < 0 ? ~index : index) & (kLinear - 1);
}

// The magnitude at which the bin `from_zero` places away from zero begins, in the innermost bins' widths.
__device__ inline long long fine_at(int from_zero) {
  if (from_zero >= kNearZero) return static_cast<long long>(from_zero - kNearZero + kInner) << kOctaves;
  const int octave = (from_zero >> kMantissaBits) - 1 > 0 ? (from_zero >> kMantissaBits) - 1 : 0;
  return static_cast<long long>(from_zero - octave * kInner) << octave;
}

// The same in units of 2^e.
__device__ inline double magnitude_at(int from_zero) {
  return static_cast<double>(fine_at(from_zero)) / (1 << kOctaves);
}

// Where the bin at place `order` goes when the exponent grows by `steps`.
__device__ inline int coarsened(int order, int steps) {
  const int to = distance_of(fine_at(places_from_zero(order)) >> (steps < 63 ? steps : 63));
  return order < 0 ? ~to : to;
}

// Whether each bin holds a single f32, in the octave of the largest magnitude.
__device__ inline bool is_finest(float min, float max, int e) {
  const double largest = fabsf(min) > fabsf(max) ? fabsf(min) : fabsf(max);
  return e > kMinExponent && e == floor_log2(largest) - kFractionBits;
}

// log2 of the number of positions in the bin between two magnitudes; negative where they are too coarse.
__device__ inline int positions_between(double near, double far) {
  return floor_log2(far - near) - floor_log2(near) + kFractionBits - kPositionShift;
}

// The position of an f32 within its octave.
__device__ inline std::uint32_t position_of(float x) {
  return bits_of(x) >> kPositionShift & ((1u << kPositionBits) - 1);
}

}  // namespace esparse
