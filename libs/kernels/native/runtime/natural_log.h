// ln x in plain arithmetic: the same bits as src/runtime/natural-log.ts on every machine.
#pragma once
#include <cstdint>
#include <cstring>

namespace esparse {

inline double natural_log(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, 8);
  int k = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double f;
  std::memcpy(&f, &bits, 8);
  if (f > 1.4142135623730951) {
    f /= 2;
    k += 1;
  }
  const double s = (f - 1) / (f + 1);
  const double square = s * s;
  double series = 1.0 / 23;
  for (int odd = 21; odd >= 1; odd -= 2) series = series * square + 1.0 / odd;
  return k * 0.6931471805599453 + 2 * s * series;
}

}  // namespace esparse
