// What a linear makes of a few inputs: linear-reference.ts of @esparse/kernels says in which order products are added; here they are
// added in the same, so the same bits.
#pragma once
#include "halves.cuh"

namespace esparse::solve {

// Partial sums of a dense output; rows and inputs that a thread has of each; inputs that one has of a pruned row.
constexpr int kOutputLanes = 16, kOutputRows = 4, kOutputInputs = 8, kKeptInputs = 4;

__device__ inline float weight_at(const std::uint16_t* bits, int is_half, std::size_t at) {
  return is_half ? of_half(bits[at]) : widened(bits[at]);
}

// (inputs, cols) as (cols, inputs). Grid: (cols / threads, rounded up; inputs).
ESPARSE_KERNEL outputs_turn(const float* x, float* turned, int cols) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < cols) turned[static_cast<std::size_t>(c) * gridDim.y + blockIdx.y] = x[static_cast<std::size_t>(blockIdx.y) * cols + c];
}

// y = x Wᵀ, (inputs, rows): sixteen sums for each output, which take every sixteenth channel. A thread has a lane of some rows and
// inputs. Grid: (rows / (rows of a thread * threads / lanes), rounded up; inputs / those of a thread, rounded up).
ESPARSE_KERNEL outputs_dense(const std::uint16_t* bits, int is_half, const float* x, float* y, int rows, int cols,
                             int inputs) {
  const int lane = threadIdx.x % kOutputLanes;
  const int first_row = (blockIdx.x * (blockDim.x / kOutputLanes) + threadIdx.x / kOutputLanes) * kOutputRows;
  const int first_input = blockIdx.y * kOutputInputs;
  float sums[kOutputRows][kOutputInputs] = {};
  for (int k = lane; k < (cols + kOutputLanes - 1) / kOutputLanes * kOutputLanes; k += kOutputLanes) {
    float w[kOutputRows], in[kOutputInputs];
    for (int r = 0; r < kOutputRows; r++) {
      const bool is_there = k < cols && first_row + r < rows;
      w[r] = is_there ? weight_at(bits, is_half, static_cast<std::size_t>(first_row + r) * cols + k) : 0.0f;
    }
    for (int t = 0; t < kOutputInputs; t++) {
      const bool is_there = k < cols && first_input + t < inputs;
      in[t] = is_there ? x[static_cast<std::size_t>(first_input + t) * cols + k] : 0.0f;
    }
    for (int r = 0; r < kOutputRows; r++) {
      for (int t = 0; t < kOutputInputs; t++) sums[r][t] = fmaf(w[r], in[t], sums[r][t]);
    }
  }
  for (int r = 0; r < kOutputRows; r++) {
    for (int t = 0; t < kOutputInputs; t++) {
      for (int apart = kOutputLanes / 2; apart > 0; apart /= 2) {
        sums[r][t] += __shfl_xor_sync(kAllLanes, sums[r][t], apart);
      }
      if (lane == 0 && first_row + r < rows && first_input + t < inputs) {
        y[static_cast<std::size_t>(first_input + t) * rows + first_row + r] = sums[r][t];
      }
    }
  }
}

// The same of what a mask keeps: one sum for each output, positions in their order. A thread has a row, and some inputs. Grid: (rows /
// (threads / 16), rounded up; inputs / (16 times those of a thread), rounded up).
ESPARSE_KERNEL outputs_kept(const std::uint16_t* bits, int is_half, const int* order, const std::uint8_t* mask,
                            const float* turned, float* y, int rows, int cols, int inputs) {
  // Its inputs are sixteen apart, so that those of its neighbours lie beside each.
  const int first = blockIdx.y * kOutputLanes * kKeptInputs + threadIdx.x % kOutputLanes;
  const auto input = [&](int t) { return first + t * kOutputLanes; };
  const int row = blockIdx.x * (blockDim.x / kOutputLanes) + threadIdx.x / kOutputLanes, bytes = (cols + 7) / 8;
  if (row >= rows) return;
  float sums[kKeptInputs] = {};
  for (int byte = 0; byte < bytes; byte++) {
    const unsigned kept = mask[static_cast<std::size_t>(row) * bytes + byte];
    for (int j = 0; j < 8; j++) {
      if ((kept >> j & 1) == 0) continue;
      const int channel = order[8 * byte + j];
      const float w = weight_at(bits, is_half, static_cast<std::size_t>(row) * cols + channel);
      for (int t = 0; t < kKeptInputs; t++) {
        const float x = input(t) < inputs ? turned[static_cast<std::size_t>(channel) * inputs + input(t)] : 0.0f;
        sums[t] = fmaf(w, x, sums[t]);
      }
    }
  }
  for (int t = 0; t < kKeptInputs; t++) {
    if (input(t) < inputs) y[static_cast<std::size_t>(input(t)) * rows + row] = sums[t];
  }
}

}  // namespace esparse::solve
