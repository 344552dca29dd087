#include <algorithm>
#include <cstring>

#include "linear.h"
#include "parallel.h"
#include "scratch.h"

namespace esparse {
namespace {

// Weights of one part: enough that taking it costs nothing, few enough that threads end together.
constexpr std::size_t kPartBytes = 256 << 10;
// Inputs of all tokens that stay in the second-level cache while the tiles of a part pass.
constexpr std::size_t kInputBytes = 256 << 10;

PackedKind kind_of(const PackedWeights& weights) {
  if (weights.bits == 0) return weights.group == 8 ? kMaskOf8 : kMask;
  if (weights.bits == 1) return kIndex1;
  if (weights.bits == 2) return weights.keep == 2 ? kIndex2Keep2 : kIndex2;
  return weights.bits == 3 ? kIndex3 : kIndex4;
}

// How the tokens of a call are cut into blocks, one kernel call each: as equal as the kernels at hand allow.
struct Blocks {
  struct Block {
    std::size_t first, tokens;
  };
  std::vector<Block> of;

  Blocks(const TileKernel (&by_tokens)[kMaxTokens], std::size_t tokens) {
    std::size_t most = kMaxTokens;
    while (by_tokens[most - 1] == nullptr) most--;
    for (std::size_t first = 0; first < tokens;) {
      const std::size_t left = tokens - first, blocks = (left + most - 1) / most;
      std::size_t take = (left + blocks - 1) / blocks;
      while (by_tokens[take - 1] == nullptr) take--;
      of.push_back({first, take});
      first += take;
    }
  }
};

// The inputs of a block of tokens as the kernels read them: (groups, tokens, width), zeros beyond a group's inputs.
void gather(const PackedWeights& weights, std::size_t width, const float* x, std::size_t tokens, float* out) {
  const std::size_t cols = weights.cols;
  const std::uint32_t* order = weights.order.empty() ? nullptr : weights.order.data();
  const std::size_t group = width == 1 ? 1 : weights.group;
  for (std::size_t t = 0; t < tokens; t++, x += cols) {
    float* to = out + t * width;
    for (std::size_t i = 0; i < cols; i += group, to += tokens * width) {
      if (order == nullptr) {
        for (std::size_t m = 0; m < group; m++) to[m] = x[i + m];
      } else {
        for (std::size_t m = 0; m < group; m++) to[m] = x[order[i + m]];
      }
      for (std::size_t m = group; m < width; m++) to[m] = 0;
    }
  }
}

struct Product {
  const PackedWeights& weights;
  const TileKernel (&kernel)[kMaxTiles][kMaxTokens];
  const std::vector<Blocks::Block>& blocks;
  const float* x;  // block after block
  std::size_t x_positions;  // floats of one token
  float* y;
  std::size_t chunk;  // groups at a time

  // Tiles `tile` and, if there are two, `other`; groups from `g`, all blocks.
  void run(std::size_t tile, std::size_t other, std::size_t tiles, std::size_t g) const {
    const std::size_t groups = weights.groups();
    TileJob job;
    job.keep = weights.keep;
    job.group = weights.group;
    job.groups = std::min(chunk, groups - g);
    job.begins = g == 0;
    job.y_stride = weights.rows;
    const bool ends = g + job.groups == groups;
    for (const auto& block : blocks) {
      const bool together = tiles == 2 && kernel[1][block.tokens - 1] != nullptr;
      job.x = x + block.first * x_positions + g * (x_positions / groups) * block.tokens;
      const auto put = [&](std::size_t i, std::size_t which) {
        const std::size_t at = which * groups + g;
        job.values[i] = weights.values + at * weights.group_values();
        job.indices[i] = weights.indices + at * weights.group_bytes();
        job.y[i] = y + block.first * weights.rows + which * kTileRows;
        job.rows[i] = std::min(kTileRows, weights.rows - which * kTileRows);
        job.bias[i] = ends && weights.bias != nullptr ? weights.bias + which * kTileRows : nullptr;
      };
      put(0, tile);
      if (together) put(1, other);
      kernel[together ? 1 : 0][block.tokens - 1](job);
      if (tiles == 2 && !together) {
        put(0, other);
        kernel[0][block.tokens - 1](job);
      }
    }
  }

  // Two tiles at a time, one from each half of the range: two streams of memory without a gap.
  void run_range(std::size_t begin, std::size_t end) const {
    const std::size_t half = (end - begin) / 2;
    for (std::size_t g = 0; g < weights.groups(); g += chunk) {
      for (std::size_t i = 0; i < half; i++) run(begin + i, begin + half + i, 2, g);
      if ((end - begin) % 2 != 0) run(end - 1, 0, 1, g);
    }
  }
};

}  // namespace

void apply_packed(const Kernels& kernels, const PackedWeights& weights, const float* x, std::size_t tokens, float* y) {
  const auto& kernel = kernels.packed[kind_of(weights)][weights.f16];
  const Blocks blocks(kernel[0], tokens);
  const std::size_t width = weights.bits == 0 ? 1 : std::max<std::size_t>(4, std::size_t{1} << weights.bits);
  const std::size_t groups = weights.groups();
  const std::size_t positions = width == 1 ? weights.cols : groups * width;
  static thread_local Scratch scratch;
  float* gathered = scratch.floats(tokens * positions);
  const auto gather_block = [&](std::size_t b) {
    const auto& block = blocks.of[b];
    gather(weights, width, x + block.first * weights.cols, block.tokens, gathered + block.first * positions);
  };
  if (tokens * positions < 32768) {
    for (std::size_t b = 0; b < blocks.of.size(); b++) gather_block(b);
  } else {
    parallel_for(blocks.of.size(), gather_block);
  }

  const std::size_t fitting = kInputBytes / (tokens * (positions / groups) * sizeof(float));
  const std::size_t chunk = blocks.of.size() == 1 ? groups : std::clamp<std::size_t>(fitting, 32, groups < 32 ? 32 : groups);
  const Product product{weights, kernel, blocks.of, gathered, positions, y, chunk};
  const std::size_t tile_bytes = groups * (2 * weights.group_values() + weights.group_bytes());
  // An even number of tiles, so that none goes alone.
  const std::size_t tiles = weights.tiles();
  const std::size_t size = std::max<std::size_t>(2, kPartBytes / tile_bytes / 2 * 2);
  parallel_for((tiles + size - 1) / size,
               [&](std::size_t part) { product.run_range(part * size, std::min(tiles, (part + 1) * size)); });
}

}  // namespace esparse
