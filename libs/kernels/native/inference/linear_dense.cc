#include <algorithm>

#include "linear.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

// Weights of one part: they stay in the second-level cache for the next block of tokens.
constexpr std::size_t kPartBytes = 256 << 10;

}  // namespace

void apply_dense(const Compute& compute, const DenseWeights& weights, const float* x, std::size_t tokens, float* y) {
  const Kernels& kernels = *compute.matrix;
  const auto& kernel = kernels.dense[weights.kind];
  const std::size_t row_bytes = weights.cols * (weights.kind == kDenseF32 ? 4 : 2);
  const std::size_t together = kernels.dense_rows;
  const std::size_t blocks = (tokens + kernels.dense_tokens - 1) / kernels.dense_tokens;
  const std::size_t rows = std::min(kPartBytes / row_bytes, weights.rows / (4 * compute.threads));
  const std::size_t size = std::max<std::size_t>(1, rows / together) * together;
  parallel_for(compute.threads, (weights.rows + size - 1) / size, [&](std::size_t part) {
    const std::size_t begin = part * size, count = std::min(weights.rows - begin, size);
    // Rows far from each other, one of each quarter of the part: as many streams of memory without a gap.
    const std::size_t apart = count / together;
    // The inputs of a block of tokens stay near while the rows of the part pass.
    for (std::size_t b = 0; b < blocks; b++) {
      const std::size_t first = tokens * b / blocks, taken = tokens * (b + 1) / blocks - first;
      const auto run = [&](std::size_t row, bool many) {
        RowJob job;
        job.weights = static_cast<const char*>(weights.weights) + row * row_bytes;
        job.apart = apart;
        job.cols = weights.cols;
        job.x = x + first * weights.cols;
        job.y = y + first * weights.rows + row;
        job.y_stride = weights.rows;
        job.bias = weights.bias == nullptr ? nullptr : weights.bias + row;
        kernel[many ? 1 : 0][taken - 1](job);
      };
      for (std::size_t i = 0; i < apart; i++) run(begin + i, true);
      for (std::size_t i = apart * together; i < count; i++) run(begin + i, false);
    }
  });
}

}  // namespace esparse
