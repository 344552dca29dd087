// 16-bit floating point, held as its bits, to the bits of an f32: exact.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace esparse {

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

struct Bf16 {
  static std::uint32_t widen(std::uint32_t half) { return half << 16; }
};

struct F16 {
  // An f16 is sign, 5 bits of exponent (bias 15), 10 of fraction: placed as an f32 its exponent is 112 too
  // small, so it is multiplied by 2^112, which also normalises subnormals.
  static std::uint32_t widen(std::uint32_t half) {
    const std::uint32_t magnitude = half & 0x7fffu;
    const std::uint32_t finite = bits_of(float_of(magnitude << 13) * 5.192296858534828e33f);
    const std::uint32_t special = 0x7f800000u | ((magnitude & 0x3ffu) << 13);
    return ((half & 0x8000u) << 16) | (magnitude >= 0x7c00u ? special : finite);
  }
};

// The same for `count` of them, with the processor's widest vectors; see widen.cc.
void widen_bf16(const std::uint16_t* from, std::uint32_t* to, std::size_t count);
void widen_f16(const std::uint16_t* from, std::uint32_t* to, std::size_t count);

}  // namespace esparse
