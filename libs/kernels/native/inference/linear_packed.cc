#include <algorithm>
#include <cstring>

#include "linear.h"
#include "runtime/thread_pool.h"
#include "scratch.h"

namespace esparse {
namespace {

// Weights of one part, at most: long streams are read faster.
constexpr std::size_t kPartBytes = 1 << 20;
// Inputs of all tokens that stay in the second-level cache while the tiles of a part pass.
constexpr std::size_t kInputBytes = 256 << 10;
// Groups in a row, at least: carrying the sums over costs something. A multiple of those in a vector of inputs.
constexpr std::size_t kLeastChunk = 32;
// Inputs that are gathered sooner than another thread would be there to help.
constexpr std::size_t kGatheredAlone = 8192;

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
  const PackedWeights& weights;
  std::size_t width;  // of a group in a vector of an index layout; 0 for a mask layout

  explicit InputLayout(const PackedWeights& w)
      : weights(w), width(w.bits == 0 ? 0 : std::max<std::size_t>(4, std::size_t{1} << w.bits)) {}

  // Of a mask layout, sixteen inputs count as a vector here, too.
  std::size_t vectors() const {
    const std::size_t groups_of_one = width == 0 ? 0 : 16 / width;
    return width == 0 ? (weights.cols + 15) / 16 : (weights.groups() + groups_of_one - 1) / groups_of_one;
  }
  // Floats of one token; those before group g, which is the first of a vector.
  std::size_t floats() const { return width == 0 ? weights.cols : 16 * vectors(); }
  std::size_t before(std::size_t g) const { return width == 0 ? g * weights.group : g / (16 / width) * 16; }

  // Vectors begin to end of a block of tokens.
  void gather(const float* x, std::size_t tokens, float* out, std::size_t begin, std::size_t end) const {
    const std::size_t cols = weights.cols;
    const std::uint32_t* order = weights.order.data();
    if (width == 0) {
      for (std::size_t i = 16 * begin; i < std::min(cols, 16 * end); i++) {
        for (std::size_t t = 0; t < tokens; t++) out[i * tokens + t] = x[t * cols + order[i]];
      }
      return;
    }
    const std::size_t inputs = 16 / width * weights.group;  // of one vector
    for (std::size_t v = begin; v < end; v++) {
      for (std::size_t t = 0; t < tokens; t++) {
        const float* from = x + t * cols;
        float* to = out + (v * tokens + t) * 16;
        if (inputs == 16 && 16 * v + 16 <= cols) {
          for (std::size_t l = 0; l < 16; l++) to[l] = from[order[16 * v + l]];
        } else {
          gather_some(from, v * inputs, to);
        }
      }
    }
  }

 private:
  // A vector of groups that do not fill it, from input i.
  void gather_some(const float* x, std::size_t i, float* to) const {
    for (std::size_t at = 0; at < 16; at += width) {
      const std::size_t inputs = i < weights.cols ? weights.group : 0;
      for (std::size_t m = 0; m < inputs; m++) to[at + m] = x[weights.order[i + m]];
      for (std::size_t m = inputs; m < width; m++) to[at + m] = 0;
      i += inputs;
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

  // Some tiles, ascending; groups from `g`, all blocks.
  void run(const std::size_t* which, std::size_t tiles, std::size_t g) const {
    for (const auto& block : blocks) {
      for (std::size_t i = 0; i < tiles;) {
        std::size_t together = kMaxTiles;
        while (together > tiles - i || kernel[together - 1][block.tokens - 1] == nullptr) together--;
        run_block(block, kernel[together - 1][block.tokens - 1], which + i, together, g);
        i += together;
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

  // Some tiles at a time, each from another part of the range: as many streams of memory without a gap.
  void run_range(std::size_t begin, std::size_t end) const {
    std::size_t streams = kMaxTiles;
    while (streams > 2 && kernel[streams - 1][blocks.front().tokens - 1] == nullptr) streams--;
    const std::size_t length = (end - begin) / streams, rest = begin + streams * length;
    std::size_t which[kMaxTiles];
    for (std::size_t g = 0; g < weights.groups(); g += chunk) {
      for (std::size_t i = begin; i < begin + length; i++) {
        for (std::size_t k = 0; k < streams; k++) which[k] = i + k * length;
        run(which, streams, g);
      }
      for (std::size_t i = rest; i < end; i++) which[i - rest] = i;
      run(which, end - rest, g);
    }
  }
};

}  // namespace

void apply_packed(const Compute& compute, const PackedWeights& weights, const float* x, std::size_t tokens, float* y) {
  const auto& kernel = compute.matrix->packed[kind_of(weights)][weights.f16];
  const Blocks blocks(kernel[0], tokens);
  const std::size_t groups = weights.groups();
  const InputLayout layout(weights);
  static thread_local Scratch scratch;
  float* gathered = scratch.floats(tokens * layout.floats());
  const std::size_t vectors = layout.vectors();
  const std::size_t shares = tokens * weights.cols < kGatheredAlone ? 1 : std::min(vectors, 2 * compute.threads);
  parallel_for(compute.threads, shares, [&](std::size_t share) {
    for (const auto& block : blocks.of) {
      layout.gather(x + block.first * weights.cols, block.tokens, gathered + block.first * layout.floats(),
                    vectors * share / shares, vectors * (share + 1) / shares);
    }
  });

  // One block passes over whole rows. More take turns over a chunk of the groups, while its inputs are near.
  std::size_t chunk = groups;
  if (blocks.of.size() > 1) {
    chunk = std::max<std::size_t>(kLeastChunk, kInputBytes * groups / (tokens * layout.floats() * sizeof(float)));
    chunk = chunk / 4 * 4;
  }
  const Product product{weights, kernel, blocks.of, layout, gathered, y, chunk};
  const std::size_t tile_bytes = groups * (2 * weights.group_values() + weights.group_bytes());
  // Four parts for each thread where there are enough tiles, and as many tiles as go together.
  const std::size_t tiles = weights.tiles();
  const std::size_t wanted = std::min(kPartBytes / tile_bytes, tiles / (4 * compute.threads));
  const std::size_t size = std::max<std::size_t>(1, wanted / kMaxTiles) * kMaxTiles;
  parallel_for(compute.threads, (tiles + size - 1) / size,
               [&](std::size_t part) { product.run_range(part * size, std::min(tiles, (part + 1) * size)); });
}

}  // namespace esparse
