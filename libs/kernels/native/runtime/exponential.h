// e^x in plain arithmetic: the same bits as src/runtime/exponential.ts on every machine. Without a branch, so that a loop of
// them becomes vectors.
#pragma once
#include <cstdint>
#include <cstring>

namespace esparse {

inline double exponential(double x) {
  constexpr double kRound = 6755399441055744.0;
  const double bounded = x < -708.0 ? -708.0 : x;
  const double shifted = bounded * 1.4426950408889634 + kRound;
  const double n = shifted - kRound;
  const double r = (bounded - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  double y = 1.0 / 479001600;
  y = y * r + 1.0 / 39916800;
  y = y * r + 1.0 / 3628800;
  y = y * r + 1.0 / 362880;
  y = y * r + 1.0 / 40320;
  y = y * r + 1.0 / 5040;
  y = y * r + 1.0 / 720;
  y = y * r + 1.0 / 120;
  y = y * r + 1.0 / 24;
  y = y * r + 1.0 / 6;
  y = y * r + 0.5;
  y = y * r + 1;
  y = y * r + 1;
  // 2^n: n lies in the low bits of `shifted`, and moves to the exponent, whatever is above it falls off.
  std::uint64_t bits;
  std::memcpy(&bits, &shifted, 8);
  bits = (bits + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, 8);
  return y * power;
}

}  // namespace esparse
