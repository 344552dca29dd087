// The same operations in f64, plainly, on the device: what everything is held against.
#pragma once
#include "matrix.cuh"

namespace harness {

// y[token][row], natural order of rows and inputs. Grid (rows, tokens).
__global__ void reference_linear(const std::uint16_t* values, const Words2* positions, const std::int32_t* permutation,
                                 const double* x, double* y, int cols) {
  __shared__ double parts[256];
  const int row = blockIdx.x, token = blockIdx.y, thread = threadIdx.x, rows = gridDim.x;
  const double* input = x + static_cast<std::size_t>(token) * cols;
  double sum = 0;
  if (positions == nullptr) {
    for (int c = thread; c < cols; c += 256) {
      sum += bf16_value(values[static_cast<std::size_t>(row) * cols + c]) * input[c];
    }
  } else {
    const int groups = cols / kGroup;
    for (int g = thread; g < groups; g += 256) {
      const std::size_t at = static_cast<std::size_t>(row / kTileRows) * groups + g;
      for (int slot = 0; slot < kKeep; slot++) {
        const int position = positions[at].word[slot] >> (2 * (row % kTileRows)) & 3;
        const double weight = bf16_value(values[(at * kKeep + slot) * kTileRows + row % kTileRows]);
        sum += weight * input[permutation[g * kGroup + position]];
      }
    }
  }
  parts[thread] = sum;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (thread < half) parts[thread] += parts[thread + half];
    __syncthreads();
  }
  if (thread == 0) y[static_cast<std::size_t>(token) * rows + row] = parts[0];
}

// The same of integers.
__global__ void reference_integers(const StoredIntegers from, const std::int32_t* permutation, const double* x, double* y,
                                   int cols) {
  __shared__ double parts[256];
  const int row = blockIdx.x, token = blockIdx.y, thread = threadIdx.x, rows = gridDim.x;
  const double* input = x + static_cast<std::size_t>(token) * cols;
  double sum = 0;
  for (int n = thread; n < from.survivors; n += 256) {
    const int place = from.indices == nullptr ? n : n / kKeep * kGroup + static_cast<int>(from.position(row, n));
    sum += static_cast<double>(from.number(row, n)) * bf16_value(from.scale(row, n)) *
           input[permutation == nullptr ? place : permutation[place]];
  }
  parts[thread] = sum;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (thread < half) parts[thread] += parts[thread + half];
    __syncthreads();
  }
  if (thread == 0) y[static_cast<std::size_t>(token) * rows + row] = parts[0];
}

inline void reference_linear(const Matrix& matrix, const double* x, double* y, int tokens) {
  if (bits_of(matrix.encoding) != 0) {
    reference_integers<<<dim3(matrix.rows, tokens), 256>>>(matrix.integers(nullptr), matrix.permutation_device, x, y,
                                                           matrix.cols);
    CHECK(cudaGetLastError());
    return;
  }
  reference_linear<<<dim3(matrix.rows, tokens), 256>>>(matrix.values, matrix.positions, matrix.permutation_device, x, y,
                                                       matrix.cols);
  CHECK(cudaGetLastError());
}

// Grid (tokens), one thread: small and plain.
__global__ void reference_norm(const double* x, const float* weight, float epsilon, double* y, int channels) {
  const double* in = x + static_cast<std::size_t>(blockIdx.x) * channels;
  double square = 0;
  for (int c = 0; c < channels; c++) square += in[c] * in[c];
  const double scale = 1 / sqrt(square / channels + static_cast<double>(epsilon));
  for (int c = 0; c < channels; c++) y[static_cast<std::size_t>(blockIdx.x) * channels + c] = in[c] * scale * weight[c];
}

__global__ void reference_embed(const std::int32_t* ids, const std::uint16_t* table, double* x, int channels) {
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    x[static_cast<std::size_t>(blockIdx.x) * channels + c] =
        bf16_value(table[static_cast<std::size_t>(ids[blockIdx.x]) * channels + c]);
  }
}

__global__ void reference_add(double* x, const double* y, std::size_t count) {
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  if (i < count) x[i] += y[i];
}

// out[token][i] of gate_up [token][2 * inner]
__global__ void reference_swiglu(const double* gate, const double* up, double* out, std::size_t count) {
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  if (i < count) out[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
}

struct ReferenceCache {
  const std::uint16_t *keys, *values;
  const std::int32_t *page_table, *positions;
  int max_pages, heads, kv_heads, dims;
  const float2* rotary;
  HeadArguments head;
  int window;
};

// Attention of one new position; its key and value are rounded to bf16 as in the cache. Grid (heads, tokens), a thread
// a dim; shared: dims + positions f64.
__global__ void reference_attention(const ReferenceCache cache, const double* q, const double* k, const double* v,
                                    double* out) {
  extern __shared__ double scores[];
  const int head = blockIdx.x, token = blockIdx.y, dim = threadIdx.x, dims = cache.dims, half = dims / 2;
  const int kv_head = head / (cache.heads / cache.kv_heads), position = cache.positions[token];
  double* query = scores + position + 1;
  double* key = query + dims;
  const float2 turn = cache.rotary[static_cast<std::size_t>(position) * half + dim % half];
  // Bias, norm, rotation of the head whose first row this is.
  const auto prepared = [&](const double* from, int row, const float* norm, double* to) {
    const auto biased = [&](int d) { return from[d] + (cache.head.bias != nullptr ? cache.head.bias[row + d] : 0.0f); };
    double square = 0;
    for (int d = 0; d < dims; d++) square += biased(d) * biased(d);
    const double factor = norm != nullptr ? 1 / sqrt(square / dims + static_cast<double>(cache.head.epsilon)) : 1;
    const auto normed = [&](int d) { return biased(d) * factor * (norm != nullptr ? norm[d] : 1.0f); };
    const double a = normed(dim % half), b = normed(dim % half + half);
    to[dim] = dim < half ? a * turn.x - b * turn.y : b * turn.x + a * turn.y;
  };
  const auto rounded = [](double x) { return static_cast<double>(bf16_value(bf16_bits(static_cast<float>(x)))); };
  prepared(q + (static_cast<std::size_t>(token) * cache.heads + head) * dims, head * dims, cache.head.query_norm, query);
  prepared(k + (static_cast<std::size_t>(token) * cache.kv_heads + kv_head) * dims, (cache.heads + kv_head) * dims,
           cache.head.key_norm, key);
  key[dim] = rounded(key[dim]);
  const int value_row = (cache.heads + cache.kv_heads + kv_head) * dims + dim;
  const double value = rounded(v[(static_cast<std::size_t>(token) * cache.kv_heads + kv_head) * dims + dim] +
                               (cache.head.bias != nullptr ? cache.head.bias[value_row] : 0.0f));
  const int first = cache.window > 0 ? max(0, position + 1 - cache.window) : 0;
  const auto at = [&](int p) {
    const std::size_t page = cache.page_table[token * cache.max_pages + p / 64];
    return ((page * cache.kv_heads + kv_head) * 64 + p % 64) * dims;
  };
  __syncthreads();
  for (int p = first + dim; p <= position; p += dims) {
    double score = 0;
    for (int d = 0; d < dims; d++) {
      score += query[d] * (p < position ? static_cast<double>(bf16_value(cache.keys[at(p) + d])) : key[d]);
    }
    scores[p] = score / sqrt(static_cast<double>(dims));
  }
  __syncthreads();
  double maximum = -INFINITY, sum = 0, output = 0;
  for (int p = first; p <= position; p++) maximum = fmax(maximum, scores[p]);
  for (int p = first; p <= position; p++) {
    const double weight = exp(scores[p] - maximum);
    sum += weight;
    output += weight * (p < position ? static_cast<double>(bf16_value(cache.values[at(p) + dim])) : value);
  }
  out[(static_cast<std::size_t>(token) * cache.heads + head) * dims + dim] = output / sum;
}

}  // namespace harness
