// Σ leftᵀ right of a tap: the products of whole sequences come from a library, these kernels prepare what it multiplies and
// add up what it gives, exactly, as `addExactly` of @esparse/kernels does.
#pragma once
#include "columns.cuh"

namespace esparse {

constexpr double kPart = 1099511627776.0;  // 2^40
constexpr float kSumLimit = 1099511627776.0f;

// dense - own. Of bf16 it is a sum of two bf16, all but 2^-17 of it; of f32 it is one f32, and `low` is not written.
ESPARSE_KERNEL products_difference(const void* dense, const void* own, int type, void* high, void* low,
                                   std::size_t eights) {
  const std::size_t i = own_eight();
  if (i >= eights) return;
  Eight v = load_eight(dense, type, i);
  const Eight w = load_eight(own, type, i);
  for (int k = 0; k < 8; k++) v.of[k] -= w.of[k];
  store_eight(high, type, i, v);
  if (type == kF32) return;
  Eight rest;
  for (int k = 0; k < 8; k++) rest.of[k] = v.of[k] - widened(rounded(v.of[k]));
  store_eight(low, type, i, rest);
}

// Adds the products of `count` sequences, f32 (count, rows, cols), to the sums of a panel of rows. These lie tile by tile, each of
// (2, rows, columns of the tile), f64: whole numbers, then the rest in units of 2^-40. `refused` becomes the first row of the
// matrix with a number that no sum can hold. Grid: (cols / threads, rounded up; rows).
ESPARSE_KERNEL products_add(const float* products, int count, int rows, int cols, int panel, double* sums, int first,
                            int* refused) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (column >= cols) return;
  const int before = column / panel * panel, width = cols - before < panel ? cols - before : panel;
  double* const whole = sums + 2 * static_cast<std::size_t>(rows) * before + static_cast<std::size_t>(row) * width + column - before;
  double* const part = whole + static_cast<std::size_t>(rows) * width;
  const std::size_t size = static_cast<std::size_t>(rows) * cols;
  const float* next = products + static_cast<std::size_t>(row) * cols + column;
  double wholes = *whole, parts = *part;
  for (int i = 0; i < count; i++, next += size) {
    const double value = *next;
    if (!(fabs(value) < kSumLimit)) atomicMin(refused, first + row);
    const double large = value + kRoundToOne - kRoundToOne;
    wholes += large;
    parts += (value - large) * kPart + kRoundToOne - kRoundToOne;
  }
  *whole = wholes;
  *part = parts;
}

// Adds sums to others, both with the same tiles. Grid: count / threads, rounded up.
ESPARSE_KERNEL products_merge(const double* from, double* into, std::size_t count) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) into[i] += from[i];
}

// The sums of a panel of rows, which lie as above, rounded to f32 where they belong in a matrix of all channels; and across its diagonal
// what lies to the left of the panel, where that is the same. Grid: (cols / threads, rounded up; rows).
ESPARSE_KERNEL products_matrix(const double* sums, int rows, int cols, int panel, int first, int across, float* matrix,
                               int channels) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (column >= cols) return;
  const int before = column / panel * panel, width = cols - before < panel ? cols - before : panel;
  const double* const whole =
      sums + 2 * static_cast<std::size_t>(rows) * before + static_cast<std::size_t>(row) * width + column - before;
  const double* const part = whole + static_cast<std::size_t>(rows) * width;
  const auto value = static_cast<float>(*whole + *part / kPart);
  matrix[static_cast<std::size_t>(first + row) * channels + column] = value;
  if (across && column < first) matrix[static_cast<std::size_t>(column) * channels + first + row] = value;
}

// (size): of a matrix.
ESPARSE_KERNEL products_diagonal(const float* matrix, float* diagonal, int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < size) diagonal[i] = matrix[static_cast<std::size_t>(i) * size + i];
}

}  // namespace esparse
