#include <algorithm>

#include "linear.h"
#include "parallel.h"

namespace esparse {
namespace {

constexpr std::size_t kPartBytes = 256 << 10;

}  // namespace

void apply_dense(const Kernels& kernels, const DenseWeights& weights, const float* x, std::size_t tokens, float* y) {
  const auto& kernel = kernels.dense[weights.kind];
  const std::size_t row_bytes = weights.cols * (weights.kind == kDenseF32 ? 4 : 2);
  const std::size_t most_rows = kernels.dense_rows;
  const std::size_t blocks = (tokens + kernels.dense_tokens - 1) / kernels.dense_tokens;
  // Few tokens: whole rows as they come. More: the inputs of a block stay near while the rows of a part pass.
  const std::size_t size = std::max<std::size_t>(1, kPartBytes / std::max<std::size_t>(1, row_bytes * most_rows)) * most_rows;
  parallel_for((weights.rows + size - 1) / size, [&](std::size_t part) {
    const std::size_t end = std::min(weights.rows, (part + 1) * size);
    for (std::size_t b = 0; b < blocks; b++) {
      const std::size_t first = tokens * b / blocks, count = tokens * (b + 1) / blocks - first;
      for (std::size_t row = part * size; row < end;) {
        const bool many = row + most_rows <= end;
        RowJob job;
        job.weights = static_cast<const char*>(weights.weights) + row * row_bytes;
        job.cols = weights.cols;
        job.x = x + first * weights.cols;
        job.y = y + first * weights.rows + row;
        job.y_stride = weights.rows;
        job.bias = weights.bias == nullptr ? nullptr : weights.bias + row;
        kernel[many ? 1 : 0][count - 1](job);
        row += many ? most_rows : 1;
      }
    }
  });
}

}  // namespace esparse
