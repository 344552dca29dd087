// SparseGPT (Frantar and Alistarh, arXiv 2301.00774, algorithm 1) of weights that have a row a channel, (channels, rows): see
// `sparseGpt` of @esparse/reconstruction, and native/pruning/sparse_gpt.cc of @esparse/kernels for the inner loop.
#pragma once
#include "matrices.cuh"

namespace esparse::solve {

// H in the order of the permutation, damped, from the end: (i, j) of the result is (size - 1 - i, size - 1 - j) in that order. `more`:
// (size), what is added to the diagonal. Grid: (size / threads, rounded up; size).
ESPARSE_KERNEL sparse_gpt_hessian(const float* hessian, const int* permutation, const float* more, float* to, int size) {
  const int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (j >= size) return;
  const int row = size - 1 - i, column = size - 1 - j;
  const float value = hessian[static_cast<std::size_t>(permutation[row]) * size + permutation[column]];
  to[static_cast<std::size_t>(i) * size + j] = row == column ? value + more[row] : value;
}

// All elements in reverse. Grid: count / threads, rounded up.
ESPARSE_KERNEL sparse_gpt_reverse(const float* from, float* to, std::size_t count) {
  const std::size_t i = own_index();
  if (i < count) to[i] = from[count - 1 - i];
}

// The weights with a row a channel, in the order of the permutation; none of a channel that is dead. Grid: (rows / threads, rounded
// up; cols).
ESPARSE_KERNEL sparse_gpt_channels(const float* weights, const int* permutation, const std::uint8_t* dead, float* to,
                                   int rows, int cols) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (row >= rows) return;
  const float value = weights[static_cast<std::size_t>(row) * cols + permutation[i]];
  to[static_cast<std::size_t>(i) * rows + row] = dead[i] ? 0 : value;
}

// And back. Grid: (cols / threads, rounded up; rows).
ESPARSE_KERNEL sparse_gpt_rows(const float* channels, const int* permutation, float* to, int rows, int cols) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (i < cols) to[static_cast<std::size_t>(row) * cols + permutation[i]] = channels[static_cast<std::size_t>(i) * rows + row];
}

// Prunes some channels, from `first` on; what each loses over its d goes to `errors`. `factor`: U, (cols, cols). A thread has a row
// of the linear: grid rows / threads, rounded up.
ESPARSE_KERNEL sparse_gpt_sweep(float* weights, float* errors, std::uint8_t* kept, const float* factor, int first,
                                int channels, int rows, int cols, int keep, int group) {
  const std::size_t row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= static_cast<std::size_t>(rows)) return;
  const auto at = [&](int i) { return static_cast<std::size_t>(first + i) * rows + row; };
  const auto u = [&](int i, int j) { return factor[static_cast<std::size_t>(first + i) * cols + first + j]; };
  std::uint32_t keeps = 0;
  for (int i = 0; i < channels; i++) {
    if (i % group == 0) {
      // Those of largest (w / d)², of equal ones the first.
      keeps = 0;
      for (int m = 0; m < group; m++) {
        const float own = weights[at(i + m)] / u(i + m, i + m);
        int before = 0;
        for (int o = 0; o < group; o++) {
          if (o == m) continue;
          const float other = weights[at(i + o)] / u(i + o, i + o);
          before += o < m ? other * other >= own * own : other * other > own * own;
        }
        if (before < keep) keeps |= 1u << m;
      }
    }
    const bool keeps_it = keeps >> (i % group) & 1;
    const float weight = weights[at(i)], error = keeps_it ? 0 : weight / u(i, i);
    kept[at(i)] = keeps_it;
    errors[at(i)] = error;
    if (keeps_it) continue;
    weights[at(i)] = 0;
    for (int j = i + 1; j < channels; j++) weights[at(j)] -= error * u(i, j);
  }
}

// The mask as bits, eight positions a byte, of `kept` (cols, rows). Grid: (bytes of a row / threads, rounded up; rows).
ESPARSE_KERNEL sparse_gpt_mask(const std::uint8_t* kept, std::uint8_t* mask, int rows, int cols) {
  const int byte = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y, bytes = (cols + 7) / 8;
  if (byte >= bytes) return;
  unsigned bits = 0;
  for (int bit = 0; bit < 8 && 8 * byte + bit < cols; bit++) {
    bits |= static_cast<unsigned>(kept[static_cast<std::size_t>(8 * byte + bit) * rows + row]) << bit;
  }
  mask[static_cast<std::size_t>(row) * bytes + byte] = static_cast<std::uint8_t>(bits);
}

}  // namespace esparse::solve
