// A fused multiply-add where the processor has none: the same bits as one, for f32.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace esparse {

// The product of two f32 is exact in f64. Their sum with a third, rounded to f64 and then to f32, would be rounded
// twice; rounding the first time to odd (if inexact, the last bit is one) leaves the second right.
inline float emulated_fma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double sum = product + static_cast<double>(c);
  // What the sum lost, exactly (Knuth's two-sum).
  const double back = sum - product;
  const double lost = (product - (sum - back)) + (static_cast<double>(c) - back);
  std::uint64_t bits;
  std::memcpy(&bits, &sum, 8);
  // Of a NaN nothing is lost in this sense: the comparisons are false.
  if ((lost > 0 || lost < 0) && (bits & 1) == 0) {
    // Towards what was lost: away from zero where it has the sum's sign.
    bits += ((lost > 0) == (sum > 0)) ? 1 : -1;
    double odd;
    std::memcpy(&odd, &bits, 8);
    return static_cast<float>(odd);
  }
  return static_cast<float>(sum);
}

inline float exact_fma(float a, float b, float c) {
#if defined(__FP_FAST_FMAF) || defined(__FMA__)
  return std::fma(a, b, c);
#else
  return emulated_fma(a, b, c);
#endif
}

}  // namespace esparse
