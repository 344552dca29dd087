// Where every weight and activation lies on the device: the order of the tensor cores' fragments. Index arithmetic
// only, the same source for the kernels (nvcc) and for the tests without a GPU (g++).
//
// Rows are stored 16 to a tile (`docs/store-format.md`); on the device two tiles make a panel of 32 rows, and a panel
// is a sequence of blocks along the inputs, one contiguous piece of memory each:
//
//   sparse (2:4)  block = 2 tiles x 128 inputs, 2 x 2304 B, as many bytes as in the store
//   dense         block = 2 tiles x 64 inputs, 2 x 2048 B
//
// A warp's lane is written l = 4 * row + quad, row 0..7, quad 0..3: it holds rows `row` and `row + 8` of a tile.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define ESPARSE_BOTH __host__ __device__ __forceinline__
#else
#define ESPARSE_BOTH inline
#endif

namespace esparse {

constexpr int kTileRows = 16, kPanelTiles = 2, kPanelRows = kTileRows * kPanelTiles;
constexpr int kLanes = 32;
constexpr int kGroup = 4, kKeep = 2;  // 2:4
constexpr int kSparseInputs = 128, kSparseGroups = kSparseInputs / kGroup;
constexpr int kDenseInputs = 64;
// 32 inputs a step: one mma.sp.m16n8k32, or two mma.m16n8k16. A lane's values of a step are 16 bytes.
constexpr int kStepInputs = 32, kStepGroups = kStepInputs / kGroup;
constexpr int kSparseSteps = kSparseInputs / kStepInputs;
constexpr int kStepBytes = kLanes * 16;
constexpr int kSparseMetadata = kSparseSteps * kStepBytes;  // after the values: 8 bytes a lane
constexpr int kSparseTileBytes = kSparseMetadata + kLanes * 8;
constexpr int kDenseTileBytes = kDenseInputs / 16 * kStepBytes;
static_assert(kSparseTileBytes * 16 == kTileRows * kSparseInputs * 2 * 9, "0.5625 of the dense bytes");

struct alignas(16) Words4 {
  std::uint32_t word[4];
};
struct alignas(8) Words2 {
  std::uint32_t word[2];
};

// Which rows the device keeps, in which order: device row r is stored row order[r], or r where there is no order. Rows
// from `rows` on fill up the last panel; they are zeros.
struct RowOrder {
  const std::int32_t* order;
  int rows;
  ESPARSE_BOTH int stored(int row) const { return row >= rows ? -1 : order != nullptr ? order[row] : row; }
};

// A 2:4 matrix as the store has it, encoding `index-v1`: for each (tile, group) two slots of 16 values, and two words
// of 16 positions of 2 bits.
struct StoredSparse {
  const std::uint16_t* values;
  const std::uint32_t* indices;
  int groups;
  RowOrder rows;

  ESPARSE_BOTH std::size_t at(int stored, int group) const {
    return static_cast<std::size_t>(stored / kTileRows) * groups + group;
  }
  // The two values of a row and group, slot 0 in the low half. Groups from `groups` on fill up the last block: zeros.
  ESPARSE_BOTH std::uint32_t pair(int row, int group) const {
    const int stored = rows.stored(row);
    if (stored < 0 || group >= groups) return 0;
    const std::uint16_t* slots = values + at(stored, group) * kKeep * kTileRows + stored % kTileRows;
    return slots[0] | static_cast<std::uint32_t>(slots[kTileRows]) << 16;
  }
  // The two positions of a row and group: 4 bits of metadata. What fills up keeps positions 0 and 1.
  ESPARSE_BOTH std::uint32_t positions(int row, int group) const {
    const int stored = rows.stored(row);
    if (stored < 0 || group >= groups) return 0 | 1 << 2;
    const std::uint32_t* slots = indices + at(stored, group) * kKeep;
    const int shift = 2 * (stored % kTileRows);
    return (slots[0] >> shift & 3) | (slots[1] >> shift & 3) << 2;
  }
};

// Whether every row of a (tile, group) keeps two positions, the second above the first: a metadata word of anything
// else is not defined by the hardware.
ESPARSE_BOTH bool positions_ascend(std::uint32_t first, std::uint32_t second) {
  const std::uint32_t above = second & ~first, equal = ~(first ^ second);
  return ((above >> 1 | (equal >> 1 & above)) & 0x55555555u) == 0x55555555u;
}

// What a lane holds of step `step` of a sparse block: rows row, row + 8 of group `quad`, then the same of group quad
// + 4.
ESPARSE_BOTH Words4 sparse_values(const StoredSparse& from, int tile, int block, int step, int lane) {
  const int row = tile * kTileRows + lane / 4, group = block * kSparseGroups + step * kStepGroups + lane % 4;
  return {{from.pair(row, group), from.pair(row + 8, group), from.pair(row, group + 4), from.pair(row + 8, group + 4)}};
}

// A lane's metadata of a sparse block. Word j serves steps 2j and 2j + 1: quads 0 and 1 hold step 2j's (selector 0),
// quads 2 and 3 step 2j + 1's (selector 1), each of them four groups: row `row` in the low half, row + 8 in the high
// half.
ESPARSE_BOTH Words2 sparse_metadata(const StoredSparse& from, int tile, int block, int lane) {
  const int row = tile * kTileRows + lane / 4, quad = lane % 4;
  Words2 out{};
  for (int j = 0; j < 2; j++) {
    const int group = block * kSparseGroups + (2 * j + quad / 2) * kStepGroups + quad % 2 * 4;
    for (int k = 0; k < 4; k++) {
      out.word[j] |= from.positions(row, group + k) << (4 * k) | from.positions(row + 8, group + k) << (16 + 4 * k);
    }
  }
  return out;
}

// A dense matrix, row-major bf16.
struct StoredDense {
  const std::uint16_t* values;
  int cols;
  RowOrder rows;

  // Inputs `input` (even) and input + 1 of a row; those from `cols` on are zeros.
  ESPARSE_BOTH std::uint32_t pair(int row, int input) const {
    const int stored = rows.stored(row);
    if (stored < 0 || input >= cols) return 0;
    const std::uint16_t* at = values + static_cast<std::size_t>(stored) * cols + input;
    return at[0] | static_cast<std::uint32_t>(at[1]) << 16;
  }
};

// What a lane holds of 16 inputs of a dense block: the A fragment of mma.m16n8k16.
ESPARSE_BOTH Words4 dense_values(const StoredDense& from, int tile, int block, int sixteen, int lane) {
  const int row = tile * kTileRows + lane / 4, input = block * kDenseInputs + sixteen * 16 + lane % 4 * 2;
  return {{from.pair(row, input), from.pair(row + 8, input), from.pair(row, input + 8), from.pair(row + 8, input + 8)}};
}

// Bytes before a tile's part of a block.
ESPARSE_BOTH std::size_t tile_block_offset(int tile, int block, int blocks, int tile_bytes) {
  const std::size_t panel = tile / kPanelTiles;
  return ((panel * blocks + block) * kPanelTiles + tile % kPanelTiles) * tile_bytes;
}

// Activations. A token takes two columns of the matrix product: hi = bf16(x) and lo = bf16(x - hi), so that products
// have 16 bits of x and their sums stand side by side in one lane. The order is [inputs / 32][columns][quad][8]: a
// chunk of 16 bytes is what one lane needs of a step.
constexpr int kChunk = 8, kChunkBytes = kChunk * 2, kColumnsPerToken = 2;

// The (shuffled) input that is element `element` of chunk `quad` of step `step`.
ESPARSE_BOTH int chunk_input(int step, int quad, int element) {
  return step * kStepInputs + (element >> 1) * 8 + quad * 2 + (element & 1);
}

// Where chunk (step, quad) of a token's hi part begins, in bytes; its lo part is one column further.
ESPARSE_BOTH std::size_t chunk_offset(int step, int quad, int token, int tokens) {
  return ((static_cast<std::size_t>(step) * tokens + token) * kColumnsPerToken * 4 + quad) * kChunkBytes;
}
constexpr int kLoOffset = 4 * kChunkBytes;

// Where a (shuffled) input of a token lies, in bytes: the inverse of chunk_input.
ESPARSE_BOTH std::size_t activation_offset(int input, int token, int tokens) {
  const int within = input % kStepInputs;
  const int element = within / 8 * 2 + within % 2, quad = within / 2 % 4;
  return chunk_offset(input / kStepInputs, quad, token, tokens) + element * 2;
}

// Or, for the linears of Hopper's warpgroups (`linear_widest.cuh`), they stand as the second operand of `wgmma`: 64 inputs of a column
// are a row of 128 B, of which pieces of 16 B change places by the column (its swizzle of 128 B); rows of the columns beside each
// other, then the next 64 inputs.
constexpr int kRowInputs = 64, kRowBytes = kRowInputs * 2;
constexpr int kRowsAlignment = 1024;  // in shared memory: of eight rows
ESPARSE_BOTH constexpr int rows_bytes(int tokens) { return tokens * kColumnsPerToken * kRowBytes; }  // of 64 inputs
ESPARSE_BOTH std::size_t row_offset(int input, int token, int tokens) {
  const int column = token * kColumnsPerToken, piece = input % kRowInputs / 8 ^ column % 8;
  return static_cast<std::size_t>(input / kRowInputs) * rows_bytes(tokens) + column * kRowBytes + piece * 16 + input % 8 * 2;
}
// Of the lo part, from where the hi part lies.
ESPARSE_BOTH std::size_t row_lo_offset(std::size_t hi) { return (hi + kRowBytes) ^ 16; }

ESPARSE_BOTH std::size_t activation_bytes(int inputs, int tokens) {
  return static_cast<std::size_t>(inputs) * tokens * kColumnsPerToken * 2;
}

// Or they stand there as the digits that linears of integers multiply (`digits.cuh`): of weights of so many bits, of which `span`
// inputs share a scale, shuffled ones or not. The order is [inputs / 64]: of each token two digits of each input, then of each
// token two factors.
constexpr int kDigitInputs = 64, kDigitLanes = 4;  // that are made at once, of a token, and by how many lanes
constexpr int kTokenDigitBytes = 2 * kDigitInputs, kTokenFactorBytes = 2 * 8;
ESPARSE_BOTH constexpr int digit_bytes(int inputs, int tokens) {
  return inputs / kDigitInputs * tokens * (kTokenDigitBytes + kTokenFactorBytes);
}
struct DigitOrder {
  int bits;  // 0: they do not
  int span;
  bool shuffled;
  bool rows = false;  // but as rows
};

// More than 16 tokens are groups of 16, whose activations stand one after the other; a kernel of 16 computes each of them.
constexpr int kGroupTokens = 16;

// Where a token's activations are written: those of its group, its number there, and how many are in it; as rows, those of
// all tokens.
struct TokenPlace {
  std::uint8_t* fragments;
  int token, tokens;
  bool rows = false;
};
ESPARSE_BOTH TokenPlace token_place(std::uint8_t* fragments, int inputs, int token, int tokens, bool rows) {
  if (rows) return {fragments, token, tokens, true};
  return {fragments + token / kGroupTokens * activation_bytes(inputs, kGroupTokens), token % kGroupTokens,
          tokens < kGroupTokens ? tokens : kGroupTokens, false};
}
// Of digits.
ESPARSE_BOTH TokenPlace digit_place(std::uint8_t* digits, int inputs, int token, int tokens) {
  return {digits + token / kGroupTokens * static_cast<std::size_t>(digit_bytes(inputs, kGroupTokens)), token % kGroupTokens,
          tokens < kGroupTokens ? tokens : kGroupTokens};
}

// The channels whose squares a warp adds up at once in a norm.
constexpr int kNormRun = 4 * kLanes, kMaxNormRuns = 256;

// Inputs are summed in eight slices, whatever the number of tokens, and the slices' sums by a balanced tree: however
// many warps and planes share the work, the additions are the same.
constexpr int kSlices = 8;

ESPARSE_BOTH int slice_first(int slice, int blocks) {
  const int least = blocks / kSlices, more = blocks % kSlices;
  return slice * least + (slice < more ? slice : more);
}

}  // namespace esparse
