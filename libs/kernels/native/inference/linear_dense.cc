#include <algorithm>

#include "linear.h"
#include "parallel.h"

namespace esparse {
namespace {

// Weights of one part: they stay in the second-level cache for the next block of tokens.
constexpr std::size_t kPartBytes = 256 << 10;

}  // namespace

void apply_dense(const Kernels& kernels, const DenseWeights& weights, const float* x, std::size_t tokens, float* y) {
  const auto& kernel = kernels.dense[weights.kind];
  const std::size_t row_bytes = weights.cols * (weights.kind == kDenseF32 ? 4 : 2);
  // One token: row after row, as the memory likes it best. More: several rows share what is read of the inputs.
  const std::size_t most_rows = tokens == 1 ? 1 : kernels.dense_rows;
  const std::size_t blocks = (tokens + kernels.dense_tokens - 1) / kernels.dense_tokens;
  const std::size_t rows = std::min(kPartBytes / row_bytes, weights.rows / (4 * compute_threads()));
  const std::size_t size = std::max<std::size_t>(1, rows / most_rows) * most_rows;
  parallel_for((weights.rows + size - 1) / size, [&](std::size_t part) {
    const std::size_t end = std::min(weights.rows, (part + 1) * size);
    // The inputs of a block of tokens stay near while the rows of the part pass.
    for (std::size_t b = 0; b < blocks; b++) {
      const std::size_t first = tokens * b / blocks, count = tokens * (b + 1) / blocks - first;
      for (std::size_t row = part * size; row < end;) {
        const bool many = most_rows > 1 && row + most_rows <= end;
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
