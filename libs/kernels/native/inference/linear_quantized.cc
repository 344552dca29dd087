#include <algorithm>
#include <cstring>
#include <vector>

#include "linear.h"
#include "runtime/half.h"
#include "runtime/simd.h"
#include "runtime/thread_pool.h"
#include "scratch.h"

namespace esparse {
namespace {

// Weights of one part, at most: long streams are read faster.
constexpr std::size_t kPartBytes = 1 << 20;
// Tokens whose inputs stay in the second-level cache while the tiles of a part pass.
constexpr std::size_t kNearTokens = 32;
// Inputs are integers up to this one.
constexpr float kMost = 32767;
// Below, what an input is divided by has no reciprocal in f32: such inputs are taken as zeros.
constexpr std::uint32_t kLeastBits = 0x08800000;  // 2^-110
constexpr std::uint32_t kInfinityBits = 0x7f800000;

// Inputs of a span as integers, by their largest: gives the scale, a NaN where one of them is not finite.
ESPARSE_SIMD_CLONES
float quantize_inputs(const float* x, std::size_t count, std::int16_t* out) {
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint32_t magnitude = bits_of(x[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  if (largest < kLeastBits || largest >= kInfinityBits) {
    std::memset(out, 0, count * sizeof(std::int16_t));
    return largest < kLeastBits ? 0.0f : float_of(0x7fc00000);
  }
  const float most = float_of(largest), inverse = kMost / most;
  for (std::size_t i = 0; i < count; i++) {
    // 1.5 * 2^23: adding it rounds to a whole number, which then lies in the low bits.
    out[i] = static_cast<std::int16_t>(bits_of(x[i] * inverse + 12582912.0f) - 0x4b400000u);
  }
  return most / kMost;
}

// The inputs of a call as the kernels take them: integers in shuffled order, and the scales of their spans.
struct Inputs {
  std::size_t stride, spans;
  std::int16_t* values;
  float* scales;

  void take(const QuantizedWeights& w, const float* x, std::size_t token) {
    const std::size_t span = w.span * w.where.group, cols = w.where.cols;
    static thread_local Scratch scratch;
    float* in_order = scratch.floats(cols);
    const float* from = x + token * cols;
    for (std::size_t i = 0; i < cols; i++) in_order[i] = from[w.where.order[i]];
    std::int16_t* to = values + token * stride;
    for (std::size_t s = 0; s < spans; s++) {
      const std::size_t first = s * span;
      scales[token * spans + s] = quantize_inputs(in_order + first, std::min(span, cols - first), to + first);
    }
    std::fill(to + cols, to + stride, std::int16_t{0});
  }
};

QuantizedKind kind_of(const QuantizedWeights& w) {
  if (w.where.indices == nullptr) return w.nibbles ? kAllInt4 : kAllInt8;
  if (w.where.keep == 2 && w.where.group == 4) return w.nibbles ? k2Of4Int4 : k2Of4Int8;
  return kAllInt16;
}

// Codes of a tile whose pattern has no kernel of its own, spread out to all inputs: [pair of inputs][row][2].
void spread_tile(const QuantizedWeights& w, std::size_t tile, std::int16_t* out) {
  const PackedWeights& p = w.where;
  std::memset(out, 0, w.even_cols() * kTileRows * sizeof(std::int16_t));
  const std::uint8_t* codes = w.codes + tile * w.pairs() * w.pair_bytes();
  const std::uint8_t* indices = p.indices + tile * p.groups() * p.group_bytes();
  for (std::size_t g = 0; g < p.groups(); g++, indices += p.group_bytes()) {
    for (std::size_t r = 0; r < kTileRows; r++) {
      std::size_t survivor = g * p.keep;
      const auto put = [&](std::size_t position) {
        const std::size_t i = g * p.group + position;
        out[(i / 2 * kTileRows + r) * 2 + i % 2] = w.code(codes, survivor++, r);
      };
      if (p.bits == 0) {
        for (std::size_t m = 0; m < p.group; m++) {
          if ((indices[2 * m + r / 8] >> (r % 8)) & 1) put(m);
        }
      } else {
        for (std::size_t s = 0; s < p.keep; s++) {
          std::size_t position = 0;
          for (std::size_t b = 0; b < p.bits; b++) {
            const std::size_t at = s * 16 * p.bits + r * p.bits + b;
            position |= static_cast<std::size_t>((indices[at / 8] >> (at % 8)) & 1) << b;
          }
          put(position);
        }
      }
    }
  }
}

struct Product {
  const QuantizedWeights& weights;
  const QuantizedKernel (&kernel)[kMaxTiles][kMaxQuantizedTokens];
  const Inputs& inputs;
  float* y;

  // Some tiles, ascending, and some tokens, each from `codes`.
  void run(const std::size_t* which, const std::uint8_t* const* codes, std::size_t tiles, std::size_t first,
           std::size_t tokens) const {
    const QuantizedWeights& w = weights;
    const bool spread = w.where.indices != nullptr && kind_of(w) == kAllInt16;
    QuantizedJob job = {};
    for (std::size_t i = 0; i < tiles; i++) {
      const std::size_t tile = which[i], row = tile * kTileRows;
      job.codes[i] = codes[i];
      job.indices[i] = w.where.indices + (w.where.indices == nullptr ? 0 : tile * w.where.groups() * w.where.group_bytes());
      job.scales[i] = w.scales + tile * w.spans() * kTileRows;
      job.y[i] = y + first * w.where.rows + row;
      job.rows[i] = std::min(kTileRows, w.where.rows - row);
      job.bias[i] = w.where.bias == nullptr ? nullptr : w.where.bias + row;
    }
    job.pairs = spread ? w.even_cols() / 2 : w.pairs();
    job.span_pairs = w.span * (spread ? w.where.group : w.where.keep) / 2;
    job.spans = w.spans();
    job.x = inputs.values + first * inputs.stride;
    job.x_stride = inputs.stride;
    job.x_scales = inputs.scales + first * inputs.spans;
    job.y_stride = w.where.rows;
    kernel[tiles - 1][tokens - 1](job);
  }

  // Some tiles with tokens first to end.
  void run_tokens(const std::size_t* which, const std::uint8_t* const* codes, std::size_t tiles, std::size_t first,
                  std::size_t end) const {
    while (first < end) {
      std::size_t most = kMaxQuantizedTokens;
      while (kernel[0][most - 1] == nullptr) most--;
      const std::size_t left = end - first, blocks = (left + most - 1) / most, tokens = (left + blocks - 1) / blocks;
      for (std::size_t i = 0; i < tiles;) {
        std::size_t together = kMaxTiles;
        while (together > tiles - i || kernel[together - 1][tokens - 1] == nullptr) together--;
        run(which + i, codes + i, together, first, tokens);
        i += together;
      }
      first += tokens;
    }
  }

  // Some tiles at a time, each from another part of the range: as many streams of memory without a gap.
  void run_range(std::size_t begin, std::size_t end, std::size_t first, std::size_t last) const {
    const std::size_t code_bytes = weights.pairs() * weights.pair_bytes();
    std::size_t which[kMaxTiles];
    const std::uint8_t* codes[kMaxTiles];
    const std::size_t length = (end - begin) / kMaxTiles, rest = begin + kMaxTiles * length;
    for (std::size_t i = begin; i < begin + length; i++) {
      for (std::size_t k = 0; k < kMaxTiles; k++) {
        which[k] = i + k * length;
        codes[k] = weights.codes + which[k] * code_bytes;
      }
      run_tokens(which, codes, kMaxTiles, first, last);
    }
    for (std::size_t i = rest; i < end; i++) {
      which[i - rest] = i;
      codes[i - rest] = weights.codes + i * code_bytes;
    }
    run_tokens(which, codes, end - rest, first, last);
  }

  // A tile whose pattern has no kernel of its own.
  void run_spread(std::size_t tile, std::size_t tokens) const {
    static thread_local std::vector<std::int16_t> spread;
    spread.resize(weights.even_cols() * kTileRows);
    spread_tile(weights, tile, spread.data());
    const auto* codes = reinterpret_cast<const std::uint8_t*>(spread.data());
    run_tokens(&tile, &codes, 1, 0, tokens);
  }
};

}  // namespace

void apply_quantized(const Compute& compute, const QuantizedWeights& weights, const float* x, std::size_t tokens,
                     float* y) {
  const QuantizedKind kind = kind_of(weights);
  const std::size_t stride = (weights.where.cols + 3) / 4 * 4, spans = weights.spans();
  static thread_local Scratch scratch;
  // Integers behind the scales, two in a float's room.
  float* room = scratch.floats(tokens * (spans + stride / 2));
  Inputs inputs = {stride, spans, reinterpret_cast<std::int16_t*>(room + tokens * spans), room};
  parallel_for(compute.threads, tokens, [&](std::size_t token) { inputs.take(weights, x, token); });

  const Product product{weights, compute.matrix->quantized[kind], inputs, y};
  const std::size_t tiles = weights.where.tiles();
  if (kind == kAllInt16) {
    parallel_for(compute.threads, tiles, [&](std::size_t tile) { product.run_spread(tile, tokens); });
    return;
  }
  // Four parts for each thread where there are enough tiles, and as many tiles as go together.
  const std::size_t wanted = std::min(kPartBytes / weights.tile_bytes(), tiles / (4 * compute.threads));
  const std::size_t size = std::max<std::size_t>(1, wanted / kMaxTiles) * kMaxTiles;
  parallel_for(compute.threads, (tiles + size - 1) / size, [&](std::size_t part) {
    for (std::size_t first = 0; first < tokens; first += kNearTokens) {
      product.run_range(part * size, std::min(tiles, (part + 1) * size), first, std::min(tokens, first + kNearTokens));
    }
  });
}

}  // namespace esparse
