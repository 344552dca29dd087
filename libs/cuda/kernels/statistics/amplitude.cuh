// Σx² of each channel, exactly, as `amplitudeUpdate` of @esparse/kernels sums it: a square is cut into three digits,
// multiples of 1, 2^-32 and 2^-64, which f64 adds without error, in any order.
#pragma once
#include "columns.cuh"

namespace esparse {

constexpr double kMiddleUnit = 1.0 / 4294967296.0, kSmallUnit = kMiddleUnit * kMiddleUnit;
constexpr double kAmplitudeLimit = 9007199254740992.0;

// digits: f64 (3, channels), to which the rows' digits are added.
ESPARSE_KERNEL amplitude_update(const void* tile, int type, int rows, int channels, double* digits) {
  double sums[3][8] = {};
  const int first = each_row(tile, type, rows, channels, [&](const Eight& values) {
    for (int i = 0; i < 8; i++) {
      const double x = values.of[i], square = x * x;
      const double large = square + kRoundToOne - kRoundToOne, rest = square - large;
      const double middle = rest + kRoundToOne * kMiddleUnit - kRoundToOne * kMiddleUnit;
      const double small = rest - middle + kRoundToOne * kSmallUnit - kRoundToOne * kSmallUnit;
      sums[0][i] += large;
      sums[1][i] += middle;
      sums[2][i] += small;
    }
  });
  if (first < 0) return;
  for (int digit = 0; digit < 3; digit++) {
    for (int i = 0; i < 8; i++) atomicAdd(&digits[digit * channels + first + i], sums[digit][i]);
  }
}

// Adds the digits `from` to `into` and carries, so that equal sums have equal digits; `refused` becomes the first channel
// whose sum is not finite or reaches the limit. `from` is zero afterwards.
ESPARSE_KERNEL amplitude_merge(double* into, double* from, int channels, int* refused) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const double small = into[2 * channels + c] + from[2 * channels + c];
  const double small_carry = floor(small / kMiddleUnit) * kMiddleUnit;
  const double middle = into[channels + c] + from[channels + c] + small_carry;
  const double middle_carry = floor(middle);
  const double large = into[c] + from[c] + middle_carry;
  if (!(large < kAmplitudeLimit)) atomicMin(refused, c);
  into[c] = large;
  into[channels + c] = middle - middle_carry;
  into[2 * channels + c] = small - small_carry;
  for (int digit = 0; digit < 3; digit++) from[digit * channels + c] = 0;
}

}  // namespace esparse
