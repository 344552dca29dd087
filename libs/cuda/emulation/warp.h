// The tensor cores' products as the PTX manual defines them, one element after another over a warp's 32 lanes, in f64.
// Written from the manual's figures alone, not from `layout.h`: the tests hold one against the other.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace esparse::emulation {

constexpr int kLanes = 32;

inline double bf16(std::uint32_t bits) {
  const std::uint32_t wide = bits << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

// Element `half` (0 low, 1 high) of a register.
inline double element(std::uint32_t reg, int half) { return bf16(half == 0 ? reg & 0xffffu : reg >> 16); }

// b (depth x 8) of mma.m16n8k16 (depth 16, two registers) and mma.sp.m16n8k32 (depth 32, four): lane 4 n + t holds of
// column n, in register i, rows 8 i + 2 t and the next.
template <int kRegisters>
void columns(const std::uint32_t (&b)[kLanes][kRegisters], double (&out)[8 * kRegisters][8]) {
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < kRegisters; i++) {
      for (int half = 0; half < 2; half++) out[8 * i + 2 * (lane % 4) + half][lane / 4] = element(b[lane][i], half);
    }
  }
}

using Sums = double[16][8];

// mma.sync.m16n8k16, bf16: lane 4 g + t holds of a, in register i, row g + 8 (i % 2), columns 2 t + 8 (i / 2) and the
// next.
inline void mma(Sums& sums, const std::uint32_t (&a)[kLanes][4], const std::uint32_t (&b)[kLanes][2]) {
  double x[16][8];
  columns(b, x);
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < 4; i++) {
      for (int half = 0; half < 2; half++) {
        const int row = lane / 4 + 8 * (i % 2), col = 2 * (lane % 4) + 8 * (i / 2) + half;
        for (int n = 0; n < 8; n++) sums[row][n] += element(a[lane][i], half) * x[col][n];
      }
    }
  }
}

// mma.sp.sync.m16n8k32, bf16: lane 4 g + t holds of the kept elements of a, in register i, row g + 8 (i % 2), the two
// of columns 4 t + 16 (i / 2) to the third after. Lane 4 g + 2 selector + h holds their positions: columns 16 h + 4 k
// to the third after at bit 4 k for row g, 16 + 4 k for row g + 8, two bits each, the first of the two lowest.
inline void mma_sparse(Sums& sums, const std::uint32_t (&a)[kLanes][4], const std::uint32_t (&b)[kLanes][4],
                       const std::uint32_t (&metadata)[kLanes], int selector) {
  double x[32][8];
  columns(b, x);
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + 8 * (i % 2), group = lane % 4 + 4 * (i / 2);
      const std::uint32_t word = metadata[lane / 4 * 4 + 2 * selector + group / 4];
      const std::uint32_t positions = word >> (4 * (group % 4) + 16 * (i % 2));
      for (int half = 0; half < 2; half++) {
        const int col = 4 * group + static_cast<int>(positions >> (2 * half) & 3);
        for (int n = 0; n < 8; n++) sums[row][n] += element(a[lane][i], half) * x[col][n];
      }
    }
  }
}

// Integers of 8 bits with a sign: byte `byte` of a register.
inline std::int32_t integer(std::uint32_t reg, int byte) { return static_cast<std::int8_t>(reg >> (8 * byte)); }

// b (depth x 8) of mma.m16n8k32 (depth 32, two registers) and mma.sp.m16n8k64 (depth 64, four): lane 4 n + t holds of column n,
// in register i, rows 16 i + 4 t to the third after.
template <int kRegisters>
void integer_columns(const std::uint32_t (&b)[kLanes][kRegisters], std::int32_t (&out)[16 * kRegisters][8]) {
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < kRegisters; i++) {
      for (int byte = 0; byte < 4; byte++) out[16 * i + 4 * (lane % 4) + byte][lane / 4] = integer(b[lane][i], byte);
    }
  }
}

using IntegerSums = std::int32_t[16][8];

// mma.sync.m16n8k32, s8: lane 4 g + t holds of a, in register i, row g + 8 (i % 2), columns 4 t + 16 (i / 2) to the third after.
inline void mma_integers(IntegerSums& sums, const std::uint32_t (&a)[kLanes][4], const std::uint32_t (&b)[kLanes][2]) {
  std::int32_t x[32][8];
  integer_columns(b, x);
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < 4; i++) {
      for (int byte = 0; byte < 4; byte++) {
        const int row = lane / 4 + 8 * (i % 2), col = 4 * (lane % 4) + 16 * (i / 2) + byte;
        for (int n = 0; n < 8; n++) sums[row][n] += integer(a[lane][i], byte) * x[col][n];
      }
    }
  }
}

// mma.sp.sync.m16n8k64, s8: lane 4 g + t holds of the kept elements of a, in register i, row g + 8 (i % 2), the two of columns
// 8 t + 32 (i / 2) to the third after, then the two of the next four. Lane 4 g + 2 h + r holds the positions of row g + 8 r:
// columns 32 h + 4 k to the third after at bit 4 k.
inline void mma_sparse_integers(IntegerSums& sums, const std::uint32_t (&a)[kLanes][4], const std::uint32_t (&b)[kLanes][4],
                                const std::uint32_t (&metadata)[kLanes]) {
  std::int32_t x[64][8];
  integer_columns(b, x);
  for (int lane = 0; lane < kLanes; lane++) {
    for (int i = 0; i < 4; i++) {
      for (int byte = 0; byte < 4; byte++) {
        const int row = lane / 4 + 8 * (i % 2), group = 2 * (lane % 4) + 8 * (i / 2) + byte / 2;
        const std::uint32_t word = metadata[lane / 4 * 4 + 2 * (group / 8) + i % 2];
        const int col = 4 * group + static_cast<int>(word >> (4 * (group % 8) + 2 * (byte % 2)) & 3);
        for (int n = 0; n < 8; n++) sums[row][n] += integer(a[lane][i], byte) * x[col][n];
      }
    }
  }
}

}  // namespace esparse::emulation
