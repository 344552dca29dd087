// Conjugate gradients for the survivors of many rows at a time, as `solveSurvivors` of @esparse/reconstruction takes its steps:
// values are f32, what is added up is f64. A block of threads has a row.
//
// Directions are sums of two f16, high and low, which is what the tensor cores multiply. A channel's element is scaled by its `lift`,
// the power of two next to the root of the damped diagonal, and a row by 2^units: so it depends neither on how large channels are, nor
// how far the row has come. The sum of the squares of what is scaled, before 2^units, is `reach`: the directions of conjugate
// gradients are such that it follows from the energies alone.
#pragma once
#include "halves.cuh"

namespace esparse::solve {

// The root of `reach` times 2^units is next to 2^kReach: no element is beyond f16, and small ones lose nothing.
constexpr int kReach = 11;

__device__ inline int units_of(double reach) {
  int e = 0;
  if (reach > 0 && reach < HUGE_VAL) frexp(reach, &e);
  return kReach - e / 2;
}

// One row of a linear, and its direction. `parts` is (rows, 2 padded): a row's high halves, then its low ones.
struct Direction {
  std::uint16_t* high;
  std::uint16_t* low;
  const float* lift;
  int units;
  double up, down;

  __device__ Direction(std::uint16_t* parts, const float* lift, int padded, int units)
      : high(parts + 2 * static_cast<std::size_t>(blockIdx.x) * padded), low(high + padded), lift(lift), units(units),
        up(power(units)), down(power(-units)) {}
  __device__ double at(int j) const { return sum_of({high[j], low[j]}) * (down * inverse_of(lift[j])); }
  __device__ void put(int j, double value) const {
    const Halves halves = halves_of(static_cast<float>(value * (up * lift[j])));
    high[j] = halves.high;
    low[j] = halves.low;
  }
};

// The solution to begin with, and how far the dense weights are from it.
ESPARSE_KERNEL survivors_begin(const float* weights, const float* start, const std::uint8_t* kept, float* solution,
                               float* difference, std::size_t count) {
  const std::size_t i = own_index();
  if (i >= count) return;
  const float begin = kept[i] ? start[i] : 0;
  solution[i] = begin;
  difference[i] = weights[i] - begin;
}

// The first residual, in the place of the difference, and the first direction; `image` is difference H. A shift is optional. `scale`:
// 1 / (diagonal + damping). Of each row: its energy, what that is to fall to, its reach and units.
ESPARSE_KERNEL survivors_residual(const float* image, const float* weights, const std::uint8_t* kept, const float* shift,
                                  const float* scale, const float* lift, double damping, double tolerance,
                                  float* residual, std::uint16_t* parts, double* energy, double* goal, double* reach,
                                  int* units, int cols, int padded) {
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * cols;
  double sum = 0, length = 0;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    const double more = shift == nullptr ? 0 : static_cast<double>(shift[i]);
    const float value = kept[i] ? static_cast<float>(image[i] + damping * residual[i] + more) : 0;
    residual[i] = value;
    sum += static_cast<double>(value) * value * scale[j];
    const double weight = kept[i] ? weights[i] : 0;
    length += weight * weight / scale[j];
  }
  sum = block_sum(sum);
  length = block_sum(length);
  const Direction direction(parts, lift, padded, units_of(sum));
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    direction.put(j, static_cast<double>(residual[row + j]) * scale[j]);
  }
  if (threadIdx.x > 0) return;
  energy[blockIdx.x] = reach[blockIdx.x] = sum;
  goal[blockIdx.x] = tolerance * tolerance * length;
  units[blockIdx.x] = direction.units;
}

// A step of every row that is not solved; `image` is the product of the scaled direction and the scaled H. `failed` becomes 1 where
// the curvature is not positive.
ESPARSE_KERNEL survivors_step(float* image, const std::uint8_t* kept, const float* scale, const float* lift,
                              double damping, float* solution, float* residual, std::uint16_t* parts, double* energy,
                              const double* goal, double* reach, int* units, int* failed, int cols, int padded) {
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * cols;
  const double before = energy[blockIdx.x], reached = reach[blockIdx.x];
  if (before <= goal[blockIdx.x]) return;
  const Direction old(parts, lift, padded, units[blockIdx.x]);
  const double unit = power(-old.units - kMatrixUnits);
  double curvature = 0;
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    const std::size_t i = row + j;
    const double along = old.at(j), value = kept[i] ? image[i] * (unit * lift[j]) + damping * along : 0;
    image[i] = static_cast<float>(value);
    curvature += value * along;
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
    solution[i] = static_cast<float>(solution[i] + length * old.at(j));
    const double value = residual[i] - length * image[i];
    residual[i] = static_cast<float>(value);
    after += value * value * scale[j];
  }
  after = block_sum(after);
  const double beta = after / before, reaches = after + beta * beta * reached;
  const Direction next(parts, lift, padded, units_of(reaches));
  for (int j = threadIdx.x; j < cols; j += blockDim.x) {
    next.put(j, static_cast<double>(residual[row + j]) * scale[j] + beta * old.at(j));
  }
  if (threadIdx.x > 0) return;
  energy[blockIdx.x] = after;
  reach[blockIdx.x] = reaches;
  units[blockIdx.x] = next.units;
}

}  // namespace esparse::solve
