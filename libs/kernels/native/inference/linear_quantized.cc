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

// How a linear is multiplied: by a kernel for its pattern, or spread out to all inputs, each span filled up to a multiple of four.
struct Plan {
  QuantizedKind kind;
  bool spread;
  std::size_t span_inputs;  // as they are
  std::size_t span_steps, steps;
  std::size_t block;  // inputs whose lower and upper bytes lie together
  std::size_t span_bytes, row_bytes;  // of inputs as the kernels take them

  explicit Plan(const QuantizedWeights& w) {
    const PackedWeights& p = w.where;
    const std::size_t survivors = w.span * p.keep, spans = w.spans();
    switch (w.places()) {
      case kFieldsOf2: kind = w.bits == 3 ? k2Of4Int3 : w.bits == 4 ? k2Of4Int4 : k2Of4Int8; break;
      case kMasksOf8: kind = w.bits == 4 ? k4Of8Int4 : k4Of8Int8; break;
      default: kind = w.bits == 4 ? kAllInt4 : kAllInt8;
    }
    span_inputs = w.span * p.group;
    // A row of one span may end within a step: what fills it up is zero.
    spread = w.places() == kPackedPlaces || (w.bits == 3 && kind != k2Of4Int3) ||
             (spans > 1 && survivors % quantized_step(kind) != 0);
    if (spread) {
      kind = kAllInt8;
      span_steps = (std::min(span_inputs, p.cols) + 3) / 4;
      steps = spans * span_steps;
    } else {
      span_steps = spans > 1 ? survivors / quantized_step(kind) : w.sixteens() * kSixteen / quantized_step(kind);
      steps = w.sixteens() * kSixteen / quantized_step(kind);
    }
    block = kind == kAllInt8 || kind == kAllInt4 ? 4 : 8;
    const std::size_t step_inputs = quantized_step(kind) * (spread ? 1 : p.group) / (spread ? 1 : p.keep);
    span_bytes = 2 * span_steps * step_inputs;
    row_bytes = 2 * steps * step_inputs;
  }
};

// The inputs of a call as the kernels take them: integers in shuffled order, and the scales of their spans.
struct Inputs {
  const Plan& plan;
  std::size_t spans;
  std::uint8_t flip;  // of the upper bytes
  std::uint8_t* bytes;
  float* scales;

  void take(const QuantizedWeights& w, const float* x, std::size_t token) const {
    const std::size_t span = plan.span_inputs, cols = w.where.cols;
    static thread_local Scratch scratch;
    float* in_order = scratch.floats(cols + span / 2 + 1);
    auto* integers = reinterpret_cast<std::int16_t*>(in_order + cols);
    const float* from = x + token * cols;
    for (std::size_t i = 0; i < cols; i++) in_order[i] = from[w.where.order[i]];
    std::uint8_t* to = bytes + token * plan.row_bytes;
    std::memset(to, 0, plan.row_bytes);
    for (std::size_t s = 0; s < spans; s++) {
      const std::size_t first = s * span, count = std::min(span, cols - first);
      scales[token * spans + s] = quantize_inputs(in_order + first, count, integers);
      if (plan.block == 8) part<8>(integers, count, to + s * plan.span_bytes);
      else part<4>(integers, count, to + s * plan.span_bytes);
    }
  }

 private:
  // Lower and upper bytes apart, block by block.
  template <std::size_t Block>
  void part(const std::int16_t* integers, std::size_t count, std::uint8_t* to) const {
    const auto put = [&](std::size_t i, std::uint8_t* block) {
      const auto bits = static_cast<std::uint16_t>(integers[i]);
      block[i % Block] = static_cast<std::uint8_t>(bits);
      block[Block + i % Block] = static_cast<std::uint8_t>(bits >> 8) ^ flip;
    };
    std::size_t i = 0;
    for (; i + Block <= count; i += Block, to += 2 * Block) {
      for (std::size_t k = 0; k < Block; k++) put(i + k, to);
    }
    for (; i < count; i++) put(i, to);
  }
};

// The position in its group of a survivor of a row of a tile, whose indices these are.
template <typename Put>
void each_position(const QuantizedWeights& w, const std::uint8_t* indices, std::size_t g, std::size_t r, Put put) {
  const PackedWeights& p = w.where;
  switch (w.places()) {
    case kAllStand: return put(0);
    case kFieldsOf2:
      for (std::size_t n = 2 * g; n < 2 * g + 2; n++) {
        put((indices[(n / 16 * kTileRows + r) * 4 + n % 4] >> (2 * (n / 4 % 4))) & 3);
      }
      return;
    case kMasksOf8:
      for (std::size_t m = 0; m < 8; m++) {
        if ((indices[g * kTileRows + r] >> m) & 1) put(m);
      }
      return;
    case kPackedPlaces: break;
  }
  indices += g * p.group_bytes();
  if (p.bits == 0) {
    for (std::size_t m = 0; m < p.group; m++) {
      if ((indices[2 * m + r / 8] >> (r % 8)) & 1) put(m);
    }
    return;
  }
  for (std::size_t s = 0; s < p.keep; s++) {
    std::size_t position = 0;
    for (std::size_t b = 0; b < p.bits; b++) {
      const std::size_t at = s * 16 * p.bits + r * p.bits + b;
      position |= static_cast<std::size_t>((indices[at / 8] >> (at % 8)) & 1) << b;
    }
    put(position);
  }
}

// Numbers of a tile whose pattern or span has no kernel of its own, spread out to all inputs.
void spread_tile(const QuantizedWeights& w, const Plan& plan, std::size_t tile, std::vector<std::uint8_t>& out) {
  const PackedWeights& p = w.where;
  out.assign(plan.steps * kVectorBytes, 0);
  const std::uint8_t* codes = w.codes + tile * w.code_bytes();
  const std::uint8_t* indices = p.indices == nullptr ? nullptr : p.indices + tile * w.index_bytes();
  for (std::size_t r = 0; r < std::min(kTileRows, p.rows - tile * kTileRows); r++) {
    std::size_t survivor = 0;
    for (std::size_t g = 0; g < p.groups(); g++) {
      each_position(w, indices, g, r, [&](std::size_t position) {
        const std::size_t i = g * p.group + position, within = i % plan.span_inputs;
        const std::size_t step = i / plan.span_inputs * plan.span_steps + within / 4;
        out[step * kVectorBytes + r * 4 + within % 4] = static_cast<std::uint8_t>(w.number(codes, survivor++, r));
      });
    }
  }
}

struct Product {
  const QuantizedWeights& weights;
  const Plan& plan;
  const QuantizedKernel (&kernel)[kMaxTiles][kMaxQuantizedTokens];
  const Inputs& inputs;
  float* y;

  // Some tiles, ascending, and some tokens, each from `codes`.
  void run(const std::size_t* which, const std::uint8_t* const* codes, std::size_t tiles, std::size_t first,
           std::size_t tokens) const {
    const QuantizedWeights& w = weights;
    QuantizedJob job = {};
    for (std::size_t i = 0; i < tiles; i++) {
      const std::size_t tile = which[i], row = tile * kTileRows;
      job.codes[i] = codes[i];
      job.indices[i] = w.where.indices == nullptr ? nullptr : w.where.indices + tile * w.index_bytes();
      job.scales[i] = w.scales + tile * w.spans() * kTileRows;
      job.y[i] = y + first * w.where.rows + row;
      job.rows[i] = std::min(kTileRows, w.where.rows - row);
      job.bias[i] = w.where.bias == nullptr ? nullptr : w.where.bias + row;
    }
    job.steps = plan.steps;
    job.span_steps = plan.span_steps;
    job.spans = w.spans();
    job.x = inputs.bytes + first * plan.row_bytes;
    job.x_stride = plan.row_bytes;
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
    const std::size_t code_bytes = weights.code_bytes();
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

  // A tile that is spread out first.
  void run_spread(std::size_t tile, std::size_t tokens) const {
    static thread_local std::vector<std::uint8_t> spread;
    spread_tile(weights, plan, tile, spread);
    const std::uint8_t* codes = spread.data();
    run_tokens(&tile, &codes, 1, 0, tokens);
  }
};

}  // namespace

void apply_quantized(const Compute& compute, const QuantizedWeights& weights, const float* x, std::size_t tokens,
                     float* y) {
  const Plan plan(weights);
  const std::size_t spans = weights.spans();
  static thread_local Scratch scratch;
  // The bytes behind the scales, four in a float's room.
  float* room = scratch.floats(tokens * (spans + (plan.row_bytes + 3) / 4));
  auto* bytes = reinterpret_cast<std::uint8_t*>(room + tokens * spans);
  const Inputs inputs{plan, spans, compute.matrix->quantized_flip, bytes, room};
  parallel_for(compute.threads, tokens, [&](std::size_t token) { inputs.take(weights, x, token); });

  const Product product{weights, plan, compute.matrix->quantized[plan.kind], inputs, y};
  const std::size_t tiles = weights.where.tiles();
  if (plan.spread) {
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
