// f32 as a sum of two f16, high and low: 22 bits of it, in products of which all but 2^-22 is left when low times low is left out.
// f16 ends at 65504, so whatever is split has been scaled, by powers of two.
#pragma once
#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

#include "matrices.cuh"

namespace esparse::solve {

__device__ inline float of_half(std::uint16_t bits) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(bits));
#else
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16, exponent = bits >> 10 & 31, rest = bits & 0x3ff;
  if (exponent == 31) return float_of(sign | 0x7f800000 | rest << 13);
  if (exponent == 0) return (sign == 0 ? 1 : -1) * (static_cast<float>(rest) / 16777216);
  return float_of(sign | (exponent + 112) << 23 | rest << 13);
#endif
}

// To the nearest, ties to even.
__device__ inline std::uint16_t half_of(float value) {
#ifdef __CUDA_ARCH__
  return __half_as_ushort(__float2half_rn(value));
#else
  const std::uint32_t bits = bits_of(value), size = bits & 0x7fffffff;
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00;
  if (size < 0x38800000) return sign | static_cast<std::uint16_t>(nearbyintf(float_of(size) * 16777216));
  return sign | static_cast<std::uint16_t>((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13);
#endif
}

struct Halves {
  std::uint16_t high, low;
};

__device__ inline Halves halves_of(float value) {
  const std::uint16_t high = half_of(value);
  return {high, half_of(value - of_half(high))};
}

__device__ inline float sum_of(Halves halves) { return of_half(halves.high) + of_half(halves.low); }

// 2^e.
__device__ inline double power(int e) { return ldexp(1.0, e); }

// Of a power of two.
__device__ inline float inverse_of(float value) { return float_of((254u << 23) - bits_of(value)); }

// Entries of a matrix that is scaled to a diagonal of about one are below 4.
constexpr int kMatrixUnits = 12;

// H, symmetric, scaled: (i, j) is H_ij 2^12 / (lift_i lift_j), (size, 2 padded): a row's low halves, then its high ones. `padded` is
// `size` up to a multiple of eight; what is beyond is zeros. Grid: (padded / threads, rounded up; size).
ESPARSE_KERNEL halves_matrix(const float* hessian, const float* lift, std::uint16_t* to, int size, int padded) {
  const int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (j >= padded) return;
  Halves halves{0, 0};
  if (j < size) {
    const float value = hessian[static_cast<std::size_t>(i) * size + j];
    halves = halves_of(static_cast<float>(value * (power(kMatrixUnits) * inverse_of(lift[i]) * inverse_of(lift[j]))));
  }
  std::uint16_t* const row = to + 2 * static_cast<std::size_t>(i) * padded;
  row[j] = halves.low;
  row[padded + j] = halves.high;
}

}  // namespace esparse::solve
