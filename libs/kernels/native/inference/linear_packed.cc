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
// Groups in a row, at least: carrying the sums over costs something. A multiple of those in a vector of inputs.
constexpr std::size_t kLeastChunk = 32;
// Inputs that are gathered sooner than another thread would be there to help.
constexpr std::size_t kGatheredAlone = 32768;

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

// How the kernels want their inputs: see TileJob::x.
struct InputLayout {
  std::size_t width;  // of a group in a vector of an index layout; 0 for a mask layout
  std::size_t group, cols;

  explicit InputLayout(const PackedWeights& weights)
      : width(weights.bits == 0 ? 0 : std::max<std::size_t>(4, std::size_t{1} << weights.bits)),
        group(weights.group),
        cols(weights.cols) {}

  // Floats of one token; those before group g, which is the first of a vector.
  std::size_t floats() const { return before(cols / group + (width == 0 ? 0 : 16 / width - 1)); }
  std::size_t before(std::size_t g) const { return width == 0 ? g * group : g / (16 / width) * 16; }

  void gather(const float* x, const std::uint32_t* order, std::size_t tokens, float* out) const {
    for (std::size_t t = 0; t < tokens; t++, x += cols) {
      if (width == 0) {
        for (std::size_t i = 0; i < cols; i++) out[i * tokens + t] = x[order == nullptr ? i : order[i]];
      } else {
        gather_vectors(x, order, tokens, out + 16 * t);
      }
    }
  }

 private:
  void gather_vectors(const float* x, const std::uint32_t* order, std::size_t tokens, float* out) const {
    for (std::size_t i = 0; i < cols; out += 16 * tokens) {
      for (std::size_t at = 0; at < 16; at += width) {
        const std::size_t inputs = i < cols ? group : 0;
        for (std::size_t m = 0; m < inputs; m++) out[at + m] = x[order == nullptr ? i + m : order[i + m]];
        for (std::size_t m = inputs; m < width; m++) out[at + m] = 0;
        i += inputs;
      }
    }
  }
};

struct Product {
  const PackedWeights& weights;
  const TileKernel (&kernel)[kMaxTiles][kMaxTokens];
  const std::vector<Blocks::Block>& blocks;
  const InputLayout& layout;
  const float* x;  // block after block
  float* y;
  std::size_t chunk;  // groups at a time

  // Tiles `tile` and, if there are two, `other`, which comes after it; groups from `g`, all blocks.
  void run(std::size_t tile, std::size_t other, std::size_t tiles, std::size_t g) const {
    for (const auto& block : blocks) {
      const TileKernel one = kernel[0][block.tokens - 1];
      const TileKernel two = kernel[1][block.tokens - 1];
      const std::size_t which[] = {tile, other};
      if (tiles == 2 && two != nullptr) {
        run_block(block, two, which, 2, g);
      } else {
        for (std::size_t i = 0; i < tiles; i++) run_block(block, one, which + i, 1, g);
      }
    }
  }

  void run_block(const Blocks::Block& block, TileKernel run, const std::size_t* which, std::size_t tiles,
                 std::size_t g) const {
    const std::size_t groups = weights.groups(), end = std::min(groups, g + chunk);
    // The kernels of mask layouts read beyond a group's values, which is not theirs at the end of the array.
    const bool at_the_end = weights.bits == 0 && end == groups && which[tiles - 1] + 1 == weights.tiles();
    if (!at_the_end) {
      run(job(block, which, tiles, g, end));
      return;
    }
    if (end - 1 > g) run(job(block, which, tiles, g, end - 1));
    std::uint16_t last_values[kTileRows * 16 + 16] = {};
    TileJob last = job(block, which, tiles, end - 1, end);
    std::memcpy(last_values, last.values[tiles - 1], weights.group_values() * sizeof(std::uint16_t));
    last.values[tiles - 1] = last_values;
    run(last);
  }

  TileJob job(const Blocks::Block& block, const std::size_t* which, std::size_t tiles, std::size_t g,
              std::size_t end) const {
    const std::size_t groups = weights.groups();
    TileJob job = {};
    for (std::size_t i = 0; i < tiles; i++) {
      const std::size_t at = which[i] * groups + g, row = which[i] * kTileRows;
      job.values[i] = weights.values + at * weights.group_values();
      job.indices[i] = weights.indices + at * weights.group_bytes();
      job.y[i] = y + block.first * weights.rows + row;
      job.rows[i] = std::min(kTileRows, weights.rows - row);
      job.bias[i] = end == groups && weights.bias != nullptr ? weights.bias + row : nullptr;
    }
    job.keep = weights.keep;
    job.group = weights.group;
    job.groups = end - g;
    job.x = x + block.first * layout.floats() + layout.before(g) * block.tokens;
    job.y_stride = weights.rows;
    job.begins = g == 0;
    return job;
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
  const std::size_t groups = weights.groups();
  const InputLayout layout(weights);
  static thread_local Scratch scratch;
  float* gathered = scratch.floats(tokens * layout.floats());
  const auto gather_block = [&](std::size_t b) {
    const auto& block = blocks.of[b];
    layout.gather(x + block.first * weights.cols, weights.order.empty() ? nullptr : weights.order.data(), block.tokens,
                  gathered + block.first * layout.floats());
  };
  if (tokens * weights.cols < kGatheredAlone) {
    for (std::size_t b = 0; b < blocks.of.size(); b++) gather_block(b);
  } else {
    parallel_for(blocks.of.size(), gather_block);
  }

  // One block passes over whole rows. More take turns over a chunk of the groups, while its inputs are near.
  std::size_t chunk = groups;
  if (blocks.of.size() > 1) {
    chunk = std::max<std::size_t>(kLeastChunk, kInputBytes * groups / (tokens * layout.floats() * sizeof(float)));
    chunk = chunk / 4 * 4;
  }
  const Product product{weights, kernel, blocks.of, layout, gathered, y, chunk};
  const std::size_t tile_bytes = groups * (2 * weights.group_values() + weights.group_bytes());
  // Four parts for each thread or more, and an even number of tiles, so that none goes alone.
  const std::size_t tiles = weights.tiles();
  const std::size_t size = std::max<std::size_t>(2, std::min(kPartBytes / tile_bytes, tiles / (4 * compute_threads())) / 2 * 2);
  parallel_for((tiles + size - 1) / size,
               [&](std::size_t part) { product.run_range(part * size, std::min(tiles, (part + 1) * size)); });
}

}  // namespace esparse
