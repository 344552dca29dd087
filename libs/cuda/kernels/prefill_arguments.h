// What the kernels of prefill are given: hundreds of tokens at a time, of any number of prompts. Plain C++: the host
// fills these in without CUDA.
#pragma once
#include "arguments.h"

namespace esparse {

// How the copy engine finds an array: opaque, encoded by the driver.
struct alignas(64) TensorMap {
  std::uint64_t opaque[16];
};

constexpr int kPrefillRows = 128, kPrefillThreads = 384, kStageInputs = 64;
// Tokens of a CTA of the linear. Bits do not depend on it.
constexpr int kPrefillTiles[] = {128, 256};

constexpr int kPrefillRing = 196608, kPrefillShared = kPrefillRing + 1024;  // stages begin at a multiple of 1024

// The tile that takes the linear the least time: waves of CTAs, where half the tokens take eight tenths of the time.
inline int prefill_tile(int rows_tiles, int tokens, int sms) {
  const auto cost = [&](int tile, int work) {
    const int ctas = rows_tiles * ((tokens + tile - 1) / tile);
    return (ctas + sms - 1) / sms * work;
  };
  return cost(256, 10) <= cost(128, 8) ? 256 : 128;
}

// The linear by products of a warp (`mma`): four warps a CTA, each with some rows and tokens of its tile. Bits do not depend on
// how many.
constexpr int kMmaWarps = 4, kMmaThreads = kMmaWarps * kLanes;
constexpr int kMmaCtas = 2;  // of an SM
struct MmaTile {
  int row_warps, warp_rows, warp_tokens;
  ESPARSE_BOTH constexpr int rows() const { return row_warps * warp_rows; }
  ESPARSE_BOTH constexpr int tokens() const { return kMmaWarps / row_warps * warp_tokens; }
  // Half a block of weights, 64 inputs in 2:4 and 32 of dense ones, and as many of the tokens.
  ESPARSE_BOTH constexpr int stage_bytes(bool sparse) const { return 64 * rows() + (sparse ? 128 : 64) * tokens(); }
  // Of the 160 KB of an A100's SM.
  ESPARSE_BOTH constexpr int stages(bool sparse) const { return 163840 / kMmaCtas / stage_bytes(sparse); }
  // Bytes: of the stages, and, when all is summed, of the sums as f32.
  ESPARSE_BOTH constexpr int shared(bool sparse) const {
    const int ring = stages(sparse) * stage_bytes(sparse), sums = tokens() * (rows() + 4) * 4;
    return ring > sums ? ring : sums;
  }
};
// Of 128 rows each, by 128 tokens and by fewer.
constexpr MmaTile kMmaTiles[] = {{2, 64, 64}, {2, 64, 32}, {4, 32, 32}};
// Tiles of tokens whose CTAs stand beside each other: they read the same weights, which the L2 then keeps for them.
constexpr int kMmaTogether = 8;

// The tile that takes the linear the least time, by waves of CTAs: what one takes where an SM has one CTA, and where it has two.
inline MmaTile mma_tile(int row_tiles, int tokens, int sms) {
  constexpr int kAlone[] = {53, 28, 14}, kFull[] = {63, 36, 22};
  int best = 0, least = 0;
  for (int i = 0; i < 3; i++) {
    const int ctas = row_tiles * ((tokens + kMmaTiles[i].tokens() - 1) / kMmaTiles[i].tokens());
    const int full = ctas / (kMmaCtas * sms), rest = ctas % (kMmaCtas * sms);
    const int cost = full * kFull[i] + (rest == 0 ? 0 : rest <= sms ? kAlone[i] : kFull[i]);
    if (i > 0 && cost >= least) continue;
    best = i;
    least = cost;
  }
  return kMmaTiles[best];
}

// What becomes of a linear's sums: rows in bf16; added to the residual stream, f32; or, of up, silu(gate) times them,
// in the place of gate's rows.
enum class PrefillOutput { kRows, kAdded, kGated };

// A linear of the launch, or one of several that have activations of their own.
struct PrefillSegment {
  const std::uint8_t* weights;
  TilePlaces places;  // of its tiles of 16 rows
  int rows;           // a multiple of 8
  int first_tile;     // of the rows of a CTA, in the grid
  int first_row;      // of the outputs
};

struct PrefillArguments {
  TensorMap activations[kMaxSegments];  // on Hopper: [tokens][inputs], bf16, in boxes of kStageInputs x the tile
  PrefillSegment segments[kMaxSegments];
  int segment_count;
  int blocks;  // along the inputs
  int tokens;
  int out_rows;
  std::uint16_t* out;  // [tokens][out_rows]: kRows, kGated
  float* added;        // the same: kAdded
  // By products of a warp:
  PrefillOutput output;
  const std::uint16_t* rows[kMaxSegments];  // the activations
  int together;                             // kMmaTogether
};

// The norm of rows of the residual stream, for linears that each read it in an order of their own.
struct PrefillNorm {
  NormInput input;
  int tokens;
  struct Reader {
    const std::uint16_t* order;  // the channel at each place; null: the natural order
    std::uint16_t* out;          // [tokens][channels], bf16
  } readers[kMaxSegments];
  int reader_count;
};
constexpr int kPrefillNormThreads = 256;

constexpr int kQueryTile = 128;

// Up to kQueryTile consecutive tokens of one prompt.
struct QueryTile {
  std::int32_t first_row, rows, first_position, first_page;
};

struct PrefillAttention {
  std::uint16_t* qkv;  // [tokens][heads q, kv_heads k, kv_heads v], dims each, bf16; q is rotated in place
  HeadArguments head;
  int heads, kv_heads;
  std::uint16_t *keys, *values;    // [page][kv_heads][kPagePositions][dims]
  TensorMap cache;                 // all of it as rows of dims, in boxes of 64 x kPagePositions
  int first_key, first_value;      // rows where keys and values of the layer begin
  const std::int32_t* pages;       // of all prompts, each's in order
  const std::int32_t* positions;   // [tokens]
  const std::int32_t* first_page;  // [tokens]: where the pages of a token's prompt begin
  const QueryTile* tiles;
  const float2* rotary;  // [positions][dims / 2]: cosine and sine
  float scale;
  int window;          // as in AttentionArguments
  std::uint16_t* out;  // [tokens][heads * dims], bf16
};

constexpr int kAppendThreads = 256, kShuffleThreads = 256;

constexpr int kChunkThreads = 384;
// Three blocks of 128 keys and values, which begin at a multiple of 1024.
constexpr int prefill_attention_shared(int dims) { return 3 * 2 * 128 * dims * 2 + 1024; }

// By products of a warp: as many CTAs a tile, and pages of keys and values in each.
constexpr int kMmaQueries = 16 * kMmaWarps, kMmaChunkParts = kQueryTile / kMmaQueries, kMmaPages = 2;
constexpr int mma_attention_shared(int dims) { return kMmaPages * 2 * kPagePositions * dims * 2; }

}  // namespace esparse
