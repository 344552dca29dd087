// Norms of rows, or of the parts of rows: a block of threads each.
#pragma once
#include "gpu.cuh"

namespace esparse {

// out = in / sqrt(mean(in²) + epsilon) * (weight + offset), over `channels`. Grid: the rows, or their parts.
ESPARSE_KERNEL rms_norm(const void* in, int in_type, const float* weight, void* out, int out_type, int channels,
                        float epsilon, float offset) {
  const std::size_t first = static_cast<std::size_t>(blockIdx.x) * channels;
  float squares = 0;
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    const float value = load(in, in_type, first + c);
    squares += value * value;
  }
  const float factor = 1 / sqrtf(block_sum(squares) / channels + epsilon);
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    store(out, out_type, first + c, load(in, in_type, first + c) * factor * (weight[c] + offset));
  }
}

// out = (in - mean) / sqrt(variance + epsilon) * weight + bias, over `channels`. Grid: the rows.
ESPARSE_KERNEL layer_norm(const void* in, int in_type, const float* weight, const float* bias, void* out, int out_type,
                          int channels, float epsilon) {
  const std::size_t first = static_cast<std::size_t>(blockIdx.x) * channels;
  float sum = 0;
  for (int c = threadIdx.x; c < channels; c += blockDim.x) sum += load(in, in_type, first + c);
  const float mean = block_sum(sum) / channels;
  float squares = 0;
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    const float apart = load(in, in_type, first + c) - mean;
    squares += apart * apart;
  }
  const float factor = 1 / sqrtf(block_sum(squares) / channels + epsilon);
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    store(out, out_type, first + c, (load(in, in_type, first + c) - mean) * factor * weight[c] + bias[c]);
  }
}

}  // namespace esparse
