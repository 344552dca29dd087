// Conjugate gradients for the survivors of many rows at a time, as `solveSurvivors` of @esparse/reconstruction takes its steps:
// values are f32, what is added up is f64. A block of threads has a row.
#pragma once
#include "matrices.cuh"

namespace esparse::solve {

// The solution to begin with, and how far the dense weights are from it.
ESPARSE_KERNEL survivors_begin(const float* weights, const float* start, const float* kept, float* solution,
                               float* difference, std::size_t count) {
  const std::size_t i = own_index();
  if (i >= count) return;
  solution[i] = kept[i] * start[i];
  difference[i] = weights[i] - solution[i];
}

// The residual, the first direction and its energy; `image` is direction H. A shift is optional. `scale`: 1 / (diagonal + damping).
ESPARSE_KERNEL survivors_residual(const float* image, const float* weights, const float* kept, const float* shift,
                                  const float* scale, double damping, double tolerance, float* residual,
                                  float* direction, double* energy, double* goal, int cols) {
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * cols;
  double sum = 0, length = 0;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    const double more = shift == nullptr ? 0 : static_cast<double>(shift[i]);
    const float value = static_cast<float>(kept[i] * (image[i] + damping * direction[i] + more));
    residual[i] = value;
    direction[i] = static_cast<float>(static_cast<double>(value) * scale[j]);
    sum += static_cast<double>(value) * direction[i];
    const double weight = static_cast<double>(kept[i]) * weights[i];
    length += weight * weight / scale[j];
  }
  sum = block_sum(sum);
  length = block_sum(length);
  if (threadIdx.x > 0) return;
  energy[blockIdx.x] = sum;
  goal[blockIdx.x] = tolerance * tolerance * length;
}

// A step of every row that is not solved; `image` is direction H. `failed` becomes 1 where the curvature is not positive.
ESPARSE_KERNEL survivors_step(float* image, const float* kept, const float* scale, double damping, float* solution,
                              float* residual, float* direction, double* energy, const double* goal, int* failed,
                              int cols) {
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * cols;
  const double before = energy[blockIdx.x];
  if (before <= goal[blockIdx.x]) return;
  double curvature = 0;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    const double value = kept[i] * (image[i] + damping * direction[i]);
    image[i] = static_cast<float>(value);
    curvature += value * direction[i];
  }
  curvature = block_sum(curvature);
  if (!(curvature > 0 && curvature < HUGE_VAL)) {
    if (threadIdx.x == 0) atomicMax(failed, 1);
    return;
  }
  const double length = before / curvature;
  double after = 0;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    solution[i] = static_cast<float>(solution[i] + length * direction[i]);
    const double value = residual[i] - length * image[i];
    residual[i] = static_cast<float>(value);
    after += value * value * scale[j];
  }
  after = block_sum(after);
  const double beta = after / before;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    direction[i] = static_cast<float>(static_cast<double>(residual[i]) * scale[j] + beta * direction[i]);
  }
  if (threadIdx.x == 0) energy[blockIdx.x] = after;
}

}  // namespace esparse::solve
