// How far the tokens that a model expects are from those that another does: KL divergence, row by row of their logits, and what it
// gives back. With p the wanted shares and q the found ones it is the sum of p (log p - log q), and its gradient by the found
// logits q - p.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// The sum, or the largest, of a value of each thread of a block, always in the same order. `shared`: kThreads.
template <class Join>
__device__ inline float of_block(float value, float* shared, Join join) {
  shared[threadIdx.x] = value;
#pragma unroll 1
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) shared[threadIdx.x] = join(shared[threadIdx.x], shared[threadIdx.x + half]);
  }
  __syncthreads();
  const float all = shared[0];
  __syncthreads();
  return all;
}

// The logarithm of what the exponentials of a row add up to.
__device__ inline float log_sum(const float* row, int columns, float* shared) {
  float most = -INFINITY;
#pragma unroll 1
  for (int i = threadIdx.x; i < columns; i += kThreads) most = fmaxf(most, row[i]);
  most = of_block(most, shared, [](float a, float b) { return fmaxf(a, b); });
  float sum = 0;
#pragma unroll 1
  for (int i = threadIdx.x; i < columns; i += kThreads) sum += expf(row[i] - most);
  return most + logf(of_block(sum, shared, [](float a, float b) { return a + b; }));
}

// Of each row its divergence; and, unless `to` is none, `scale` times the gradient. A block a row; `columns`: tokens that there are.
ESPARSE_KERNEL tune_divergence(const float* wanted, const float* found, float scale, std::uint16_t* to, float* of_rows,
                               int columns) {
  __shared__ float shared[kThreads];
  const std::size_t first = static_cast<std::size_t>(blockIdx.x) * columns;
  const float of_wanted = log_sum(wanted + first, columns, shared);
  const float of_found = log_sum(found + first, columns, shared);
  float sum = 0;
#pragma unroll 1
  for (int i = threadIdx.x; i < columns; i += kThreads) {
    const float p = wanted[first + i] - of_wanted, q = found[first + i] - of_found;
    sum += expf(p) * (p - q);
    if (to != nullptr) to[first + i] = rounded(scale * (expf(q) - expf(p)));
  }
  sum = of_block(sum, shared, [](float a, float b) { return a + b; });
  if (threadIdx.x == 0) of_rows[blockIdx.x] = sum;
}

}  // namespace esparse::tune
