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

// What becomes of a linear's sums: rows in bf16; added to the residual stream, f32; or, of up, silu(gate) times them,
// in the place of gate's rows.
enum class PrefillOutput { kRows, kAdded, kGated };

// A linear of the launch, or one of several that have activations of their own.
struct PrefillSegment {
  const std::uint8_t* weights;
  TilePlaces places;  // of its tiles of 16 rows
  int rows;           // a multiple of 8
  int first_tile;     // of kPrefillRows rows, in the grid
  int first_row;      // of the outputs
};

struct PrefillArguments {
  TensorMap activations[kMaxSegments];  // [tokens][inputs], bf16, in boxes of kStageInputs x the tile
  PrefillSegment segments[kMaxSegments];
  int segment_count;
  int blocks;  // along the inputs
  int tokens;
  int out_rows;
  std::uint16_t* out;  // [tokens][out_rows]: kRows, kGated
  float* added;        // the same: kAdded
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

}  // namespace esparse
