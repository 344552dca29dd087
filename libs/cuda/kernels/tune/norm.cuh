// Norms of rows, and of the heads of rows, and their gradients. A row is (x - mean) / root, times (weight + offset), plus bias; RMS
// norms take off no mean and have no bias. A warp takes a row. With n the row without weight and bias, and g the gradient of the
// output times (weight + offset), the gradient of the row is (g - mean(g) - n mean(g n)) / root, where RMS norms leave out mean(g).
#pragma once
#include "values.cuh"

namespace esparse::tune {

// `stats`: mean and root of each row. Grid: rows / kRows, rounded up; `eights`: of a row.
ESPARSE_KERNEL tune_norm(const void* x, int x_type, const float* weight, const float* bias, float offset, float epsilon,
                         int centred, float* stats, void* out, int out_type, int rows, int eights) {
  const auto [row, lane] = own_row();
  if (row >= rows) return;
  const std::size_t first = static_cast<std::size_t>(row) * eights;
  float mean = 0;
  if (centred) {
    float sum = 0;
    for (int i = lane; i < eights; i += kWarp) {
      const Eight v = load_eight(x, x_type, first + i);
      sum += sum_of(v);
    }
    mean = warp_sum(sum) / (8 * eights);
  }
  float squares = 0;
  for (int i = lane; i < eights; i += kWarp) {
    const Eight v = load_eight(x, x_type, first + i);
    for (int k = 0; k < 8; k++) squares += (v.of[k] - mean) * (v.of[k] - mean);
  }
  const float root = sqrtf(warp_sum(squares) / (8 * eights) + epsilon);
  if (lane == 0) {
    stats[2 * row] = mean;
    stats[2 * row + 1] = root;
  }
  for (int i = lane; i < eights; i += kWarp) {
    Eight v = load_eight(x, x_type, first + i);
    for (int k = 0; k < 8; k++) {
      v.of[k] = (v.of[k] - mean) / root * (weight[8 * i + k] + offset);
      if (bias != nullptr) v.of[k] += bias[8 * i + k];
    }
    store_eight(out, out_type, first + i, v);
  }
}

// `given`: the gradient of the output; `to`: that of x.
ESPARSE_KERNEL tune_norm_back(const void* x, int x_type, const float* weight, float offset, int centred,
                              const float* stats, const void* given, int given_type, void* to, int to_type,
                              int accumulate, int rows, int eights) {
  const auto [row, lane] = own_row();
  if (row >= rows) return;
  const std::size_t first = static_cast<std::size_t>(row) * eights;
  const float mean = stats[2 * row], root = stats[2 * row + 1];
  float level = 0, along = 0;
  for (int i = lane; i < eights; i += kWarp) {
    const Eight v = load_eight(x, x_type, first + i), g = load_eight(given, given_type, first + i);
    for (int k = 0; k < 8; k++) {
      const float of_normal = g.of[k] * (weight[8 * i + k] + offset);
      level += of_normal;
      along += of_normal * ((v.of[k] - mean) / root);
    }
  }
  level = centred ? warp_sum(level) / (8 * eights) : 0;
  along = warp_sum(along) / (8 * eights);
  for (int i = lane; i < eights; i += kWarp) {
    const Eight v = load_eight(x, x_type, first + i), g = load_eight(given, given_type, first + i);
    Eight back;
    for (int k = 0; k < 8; k++) {
      const float normal = (v.of[k] - mean) / root;
      back.of[k] = (g.of[k] * (weight[8 * i + k] + offset) - level - normal * along) / root;
    }
    give_eight(to, to_type, first + i, back, accumulate);
  }
}

}  // namespace esparse::tune
