// Weights as integers with scales, encoding `quantized-v1` of the store, and where they lie on the device. Index arithmetic
// only, like `layout.h`, whose panels, tiles and order of fragments these have, too: a block is
//
//   2:4    2 tiles x 128 inputs, 2 x 1344 B of 8 bits, 2 x 832 B of 4 bits, 2 x 896 B of 4 bits with a scale for 32 inputs
//   dense  2 tiles x  64 inputs, 2 x 1088 B of 8 bits, 2 x 576 B of 4 bits
//
// as many bytes as in the store where 32 weights share a scale. A lane has the 32 integers of a tile's block of which it would have
// the bf16: 16 pairs, four for each fragment (`pair_place`).
#pragma once
#include "linear_plan.h"

namespace esparse {

constexpr int kBlockPairs = 16, kPairsAtOnce = 4;
constexpr int kCodeRow = 4, kCodeVector = kTileRows * kCodeRow;  // bytes: of a row, and of all rows, in a vector of codes

struct IntegerOrder {
  bool sparse;
  int bits;    // 8 or 4
  int scales;  // of a row of a block

  ESPARSE_BOTH constexpr int inputs() const { return sparse ? kSparseInputs : kDenseInputs; }
  // Inputs that share a scale.
  ESPARSE_BOTH constexpr int span() const { return inputs() / scales; }
  ESPARSE_BOTH constexpr int words() const { return bits; }  // of a lane: 32 integers of so many bits
  ESPARSE_BOTH constexpr int metadata() const { return kLanes * words() * 4; }  // where it begins
  ESPARSE_BOTH constexpr int scale_offset() const { return metadata() + (sparse ? kLanes * 8 : 0); }
  ESPARSE_BOTH constexpr int tile_bytes() const { return scale_offset() + kTileRows * scales * 2; }
};

constexpr Format integer_format(const IntegerOrder& order) {
  return {order.inputs(), order.tile_bytes(), order.sparse, true, order.bits, order.sparse && order.scales > 2 ? 1 : 2};
}

// A matrix as the store has it. Without `indices` nothing is pruned, and a survivor is an input.
struct StoredIntegers {
  const std::uint8_t* codes;     // [tile][vector][row of the tile][4]
  const std::uint16_t* scales;   // [tile][span][row of the tile], bf16
  const std::uint32_t* indices;  // 2:4: [tile][sixteen][row of the tile], positions of 2 bits
  int bits;
  int survivors;  // of a row
  int span;       // survivors that share a scale
  int vectors, spans;
  RowOrder rows;

  ESPARSE_BOTH int number(int row, int survivor) const {
    const int stored = rows.stored(row);
    if (stored < 0 || survivor >= survivors) return 0;
    const std::size_t vector = static_cast<std::size_t>(stored / kTileRows) * vectors + survivor * bits / 32;
    const std::uint32_t code = codes[vector * kCodeVector + stored % kTileRows * kCodeRow + survivor % 4];
    const int above = 32 - bits - (bits == 4 ? survivor & 4 : 0);  // to the top, then down again with its sign
    return static_cast<int>(code << above) >> (32 - bits);
  }
  // bf16; what fills up has 0.
  ESPARSE_BOTH std::uint32_t scale(int row, int survivor) const {
    const int stored = rows.stored(row);
    if (stored < 0 || survivor >= survivors) return 0;
    return scales[(static_cast<std::size_t>(stored / kTileRows) * spans + survivor / span) * kTileRows + stored % kTileRows];
  }
  // 2:4: where a survivor stands in its group.
  ESPARSE_BOTH std::uint32_t position(int stored, int survivor) const {
    const int sixteens = vectors * 2 / bits;
    const std::size_t at = static_cast<std::size_t>(stored / kTileRows) * sixteens + survivor / 16;
    return indices[at * kTileRows + stored % kTileRows] >> (8 * (survivor & 3) + 2 * (survivor >> 2 & 3)) & 3;
  }
  // The two positions of a row and group: 4 bits of metadata. What fills up keeps positions 0 and 1.
  ESPARSE_BOTH std::uint32_t positions(int row, int group) const {
    const int stored = rows.stored(row), first = group * kKeep;
    if (stored < 0 || first >= survivors) return 0 | 1 << 2;
    return position(stored, first) | position(stored, first + 1) << 2;
  }
};

// The first survivor of a pair of a block, and the row that it is of.
struct PairPlace {
  int row, survivor;
};
ESPARSE_BOTH PairPlace pair_place(bool sparse, int tile, int block, int pair, int lane) {
  const int at = pair / kPairsAtOnce, reg = pair % kPairsAtOnce, quad = lane % 4;
  const int row = tile * kTileRows + lane / 4 + reg % 2 * 8;
  if (sparse) return {row, kKeep * (block * kSparseGroups + at * kStepGroups + quad + reg / 2 * 4)};
  return {row, block * kDenseInputs + at * 16 + quad * 2 + reg / 2 * 8};
}

// A lane's word `word` of a block, in the bytes of a fragment's register of integers: of a row (the lane's, or the one eight
// below), the two pairs that it has of 16 inputs (2:4: of 32). Of 8 bits the rows have a word each; of 4 bits the lane's row has the
// low halves of the bytes and the other one the high halves.
ESPARSE_BOTH std::uint32_t integer_word(const StoredIntegers& from, const IntegerOrder& order, int tile, int block,
                                        int word, int lane) {
  const int rows = 8 / order.bits;  // in a word
  const std::uint32_t mask = (1u << order.bits) - 1;
  std::uint32_t out = 0;
  for (int i = 0; i < rows; i++) {
    const int at = word * rows / 2, of_row = rows == 2 ? i : word % 2;
    for (int byte = 0; byte < 4; byte++) {
      const int pair = at * kPairsAtOnce + of_row + byte / 2 * 2;
      const PairPlace place = pair_place(order.sparse, tile, block, pair, lane);
      const auto number = static_cast<std::uint32_t>(from.number(place.row, place.survivor + byte % 2));
      out |= (number & mask) << (8 * byte + 4 * i);
    }
  }
  return out;
}

// The same metadata as `sparse_metadata` gives.
ESPARSE_BOTH Words2 integer_metadata(const StoredIntegers& from, int tile, int block, int lane) {
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

// Scale `index` of a row of a tile's block lies at element [row % 8][row / 8][index], after the integers and metadata.
ESPARSE_BOTH int scale_element(const IntegerOrder& order, int row, int index) {
  return (row % 8 * 2 + row / 8) * order.scales + index;
}
ESPARSE_BOTH std::uint32_t block_scale(const StoredIntegers& from, const IntegerOrder& order, int tile, int block, int row,
                                       int index) {
  const int input = block * order.inputs() + index * order.span();
  return from.scale(tile * kTileRows + row, order.sparse ? input / kGroup * kKeep : input);
}

// Whether a row's positions in a word of the store are choices of 2 of 4, as far as it has so many survivors: -1, or the first
// group of the eight whose are not.
ESPARSE_BOTH int damaged_group(std::uint32_t word, int survivors) {
  for (int group = 0; group < kStepGroups && group * kKeep < survivors; group++) {
    const int first = 8 * (2 * group & 3) + 2 * (group >> 1), second = first + 8;
    if ((word >> first & 3) >= (word >> second & 3)) return group;
  }
  return -1;
}

// Whether a scale is a finite number other than zero.
ESPARSE_BOTH bool is_scale(std::uint32_t bits) { return (bits & 0x7fff) != 0 && (bits & 0x7f80) != 0x7f80; }

}  // namespace esparse
