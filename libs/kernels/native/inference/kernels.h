// What an instruction set provides: functions for a few tiles or rows and a few tokens at a time, from which
// `linear_packed.cc` and `linear_dense.cc` build whole products.
//
// The laws that every one of them keeps, so that a token's outputs have the same bits whatever else is in the call, on
// any number of threads, and on any instruction set (of a NaN, only that it is one):
// - packed: one f32 sum for each output, fused multiply-adds in the order of groups, then slots; the bias is added last.
//   What was pruned multiplies nothing: an infinite input there leaves no NaN.
// - dense: sixteen sums for each output, sum l taking the inputs k with k mod 16 = l in ascending order by fused
//   multiply-adds, inputs and weights padded with zeros to a multiple of 16; sum l gets sum l + 8 added, then l + 4,
//   l + 2 and l + 1; the bias is added last.
// - quantized: inputs are 16-bit integers with a scale for each token and span (see linear_quantized.cc). The products of a
//   span are summed exactly; one f32 sum for each output takes the spans in their order, by fused multiply-adds of the span's
//   sum, rounded to f32, and the product of its two scales; the bias is added last.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace esparse {

constexpr std::size_t kTileRows = 16;
// Tokens that a kernel of any instruction set takes at a time, at most.
constexpr std::size_t kMaxTokens = 16;
// Tiles that a kernel of any instruction set takes at a time, at most.
constexpr std::size_t kMaxTiles = 4;

// The packed layouts, by what a kernel has to know at compile time. Index layouts are named by the bits of a position.
enum PackedKind { kIndex1, kIndex2, kIndex2Keep2, kIndex3, kIndex4, kMask, kMaskOf8, kPackedKinds };
enum DenseKind { kDenseBf16, kDenseF16, kDenseF32, kDenseKinds };

// One, two or four tiles, some consecutive groups, and T tokens.
struct TileJob {
  const std::uint16_t* values[kMaxTiles];  // mask layouts: readable for 16 more than there are
  const std::uint8_t* indices[kMaxTiles];
  std::size_t keep, group, groups;
  // Inputs in shuffled order. Index layouts: vectors of sixteen, (vectors, T, 16), each of 16 / width groups, width being
  // 2 ^ bits but at least 4; zeros beyond a group's inputs. Mask layouts: (groups * group, T).
  const float* x;
  float* y[kMaxTiles];  // the tile's outputs of the first token
  std::size_t y_stride;  // from a token's outputs to the next token's
  std::size_t rows[kMaxTiles];  // how many outputs the tile has, 1 to 16
  bool begins;  // sums begin at zero; otherwise they go on from y
  const float* bias[kMaxTiles];  // added at the end, unless null
};
using TileKernel = void (*)(const TileJob&);

// Some rows, and T tokens.
struct RowJob {
  const void* weights;  // of the first row
  std::size_t apart;  // from one of the rows to the next, in rows of the matrix
  std::size_t cols;
  const float* x;  // (T, cols)
  float* y;  // the first row's output of the first token
  std::size_t y_stride;  // from a token's outputs to the next token's
  const float* bias;  // of the first row, or null
};
using RowKernel = void (*)(const RowJob&);

// Quantized layouts: 2:4, 4:8, or all inputs, by the bits of a code. Other patterns, 3 bits of others than 2:4, and spans that
// do not go with a kernel's steps, are spread out to all inputs, in int8.
enum QuantizedKind { k2Of4Int8, k2Of4Int4, k2Of4Int3, k4Of8Int8, k4Of8Int4, kAllInt8, kAllInt4, kQuantizedKinds };

// One, two or four tiles, whole rows, and T tokens.
struct QuantizedJob {
  const std::uint8_t* codes[kMaxTiles];
  const std::uint8_t* indices[kMaxTiles];  // of 2:4 and 4:8
  const std::uint16_t* scales[kMaxTiles];
  std::size_t steps;  // of a row: a kernel takes `quantized_step` survivors in one
  std::size_t span_steps;  // that share a scale
  std::size_t spans;
  // Inputs in shuffled order, in blocks of 4 (all inputs) or 8: the lower bytes of the block, then the upper ones, of which
  // the highest bit is turned where the table says so.
  const std::uint8_t* x;
  std::size_t x_stride;  // from a token's inputs to the next token's
  const float* x_scales;  // (T, spans)
  float* y[kMaxTiles];  // the tile's outputs of the first token
  std::size_t y_stride;  // from a token's outputs to the next token's
  std::size_t rows[kMaxTiles];  // how many outputs the tile has, 1 to 16
  const float* bias[kMaxTiles];  // added at the end, unless null
};
using QuantizedKernel = void (*)(const QuantizedJob&);
// Bytes of a vector of codes: four of each row, or eight halves.
constexpr std::size_t kVectorBytes = 64;
// Survivors of a row that a kernel takes in one step.
constexpr std::size_t quantized_step(QuantizedKind kind) {
  if (kind == k2Of4Int3) return 32;
  return kind == k2Of4Int8 || kind == k2Of4Int4 ? 16 : kind == k4Of8Int4 || kind == kAllInt4 ? 8 : 4;
}
// Tokens that a kernel of quantized tiles takes at a time, at most.
constexpr std::size_t kMaxQuantizedTokens = 8;

struct Kernels {
  const char* name;
  // By layout, f16 or not, tiles - 1, tokens - 1. Null where there is none: fewer tokens or tiles are then taken.
  TileKernel packed[kPackedKinds][2][kMaxTiles][kMaxTokens];
  // By type, one row or `dense_rows`, tokens - 1.
  RowKernel dense[kDenseKinds][2][kMaxTokens];
  std::size_t dense_rows, dense_tokens;
  // By layout, tiles - 1, tokens - 1. Null where there is none.
  QuantizedKernel quantized[kQuantizedKinds][kMaxTiles][kMaxQuantizedTokens];
  // Of the upper bytes of its inputs: bytes are multiplied as unsigned ones.
  std::uint8_t quantized_flip;
  // Reads every byte, and gives something that depends on each: for measuring the memory.
  float (*read)(const float* from, std::size_t count);
};

// Null where this build, or this processor, has no such instructions.
const Kernels* avx512_kernels();
const Kernels* avx512_base_kernels();
const Kernels* avx2_kernels();
const Kernels* neon_kernels();
const Kernels* portable_kernels();

// Those that are there, the fastest first.
const std::vector<const Kernels*>& all_kernels();
// Those of that name; null where they are not there.
const Kernels* kernels_named(const char* name);

}  // namespace esparse
