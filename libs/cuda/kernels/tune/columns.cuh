// Gradients of what every row has a part of: the scale of a norm, a bias. A thread takes a column of a slice of rows, one row after
// another; a second kernel adds up the slices, in order.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// Of each column the sum of `given`, or with `stats` that of given (x - mean) / root. Grid: (columns / kThreads, rounded up; slices);
// `parts`: (slices x columns).
ESPARSE_KERNEL tune_column_parts(const void* given, int given_type, const void* x, int x_type, const float* stats,
                                 float* parts, int rows, int columns) {
  const int column = blockIdx.x * kThreads + threadIdx.x;
  if (column >= columns) return;
  const int slices = gridDim.y, slice = blockIdx.y;
  const int begin = static_cast<std::size_t>(rows) * slice / slices, end = static_cast<std::size_t>(rows) * (slice + 1) / slices;
  float sum = 0;
  for (int row = begin; row < end; row++) {
    const std::size_t i = static_cast<std::size_t>(row) * columns + column;
    const float g = load(given, given_type, i);
    sum += stats == nullptr ? g : g * ((load(x, x_type, i) - stats[2 * row]) / stats[2 * row + 1]);
  }
  parts[static_cast<std::size_t>(slice) * columns + column] = sum;
}

// Grid: columns / kThreads, rounded up.
ESPARSE_KERNEL tune_columns(const float* parts, float* to, int slices, int columns, int accumulate) {
  const int column = blockIdx.x * kThreads + threadIdx.x;
  if (column >= columns) return;
  float sum = accumulate ? to[column] : 0;
  for (int slice = 0; slice < slices; slice++) sum += parts[static_cast<std::size_t>(slice) * columns + column];
  to[column] = sum;
}

}  // namespace esparse::tune
