// d[p][b] += sum over rows r of max(x[r][b], t[p][r]): the inner product of the swap search.
#pragma once
#include <cstddef>

namespace esparse {

// Rows whose f32 partial sum is added to the f64 total at once. Part of the definition of the result.
constexpr std::size_t kPartialRows = 64;
// Columns are computed in whole steps of this many: round the width up and leave room.
constexpr std::size_t kMaxPlusStep = 32;
// Positions computed together.
constexpr std::size_t kMaxPlusPositions = 4;

// x: [rows][stride], rows <= kPartialRows, columns [0, width) with width a multiple of kMaxPlusStep.
// t: [kMaxPlusPositions][kPartialRows]. d: kMaxPlusPositions rows of `width`.
// For each (p, b): f32, rows in order, starting from 0; the sum is then added to d in f64.
// The same bits on every instruction set: each sum is one lane's own.
void max_plus(const float* x, std::size_t stride, std::size_t rows, std::size_t width, const float* t,
              double* const* d);

}  // namespace esparse
