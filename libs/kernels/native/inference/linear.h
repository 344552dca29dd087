// y = x Wᵀ + bias straight from packed or dense weights, whose arrays somebody else keeps alive.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "compute.h"

namespace esparse {

// Tiles of 16 rows, N:M; see src/runtime/packed-layout.ts.
struct PackedWeights {
  const std::uint16_t* values;
  const std::uint8_t* indices;
  std::size_t rows, cols, keep, group;
  std::size_t bits;  // of a position in an index layout; 0 for a mask layout
  bool f16;
  const float* bias;  // or null
  std::vector<std::uint32_t> order;  // order[i] = the input at position i

  std::size_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  std::size_t groups() const { return cols / group; }
  std::size_t group_values() const { return kTileRows * keep; }
  std::size_t group_bytes() const { return bits == 0 ? 2 * group : 2 * bits * keep; }
};

// How it is said where survivors stand; see src/runtime/quantized-layout.ts.
enum QuantizedPlaces { kAllStand, kFieldsOf2, kMasksOf8, kPackedPlaces };

// Survivors of a row that a row's codes are filled up to a multiple of.
constexpr std::size_t kSixteen = 16;

// Survivors as integers with scales; see src/runtime/quantized-layout.ts.
struct QuantizedWeights {
  PackedWeights where;  // without values; 1:1 without indices where nothing is pruned
  const std::uint8_t* codes;
  const std::uint16_t* scales;  // bf16
  std::size_t span;  // groups whose survivors share a scale
  std::size_t bits;  // of a code: 3, 4 or 8

  QuantizedPlaces places() const {
    if (where.group == 1) return kAllStand;
    if (where.keep == 2 && where.group == 4) return kFieldsOf2;
    return where.keep == 4 && where.group == 8 ? kMasksOf8 : kPackedPlaces;
  }
  std::size_t spans() const { return (where.groups() + span - 1) / span; }
  // Of 3 bits two go together.
  std::size_t sixteens() const {
    const std::size_t together = bits == 3 ? 2 : 1, padded = together * kSixteen;
    return (where.groups() * where.keep + padded - 1) / padded * together;
  }
  std::size_t code_bytes() const { return sixteens() * bits * kVectorBytes / 2; }  // of a tile
  std::size_t index_bytes() const {                                                         // of a tile
    switch (places()) {
      case kAllStand: return 0;
      case kFieldsOf2: return sixteens() * kTileRows * 4;
      case kMasksOf8: return where.groups() * kTileRows;
      case kPackedPlaces: break;
    }
    return where.groups() * where.group_bytes();
  }
  std::size_t tile_bytes() const { return code_bytes() + index_bytes(); }
  // The number of a survivor of a row of a tile, whose codes these are.
  std::int8_t number(const std::uint8_t* codes_of_tile, std::size_t survivor, std::size_t row) const {
    const std::uint8_t* bytes = codes_of_tile + row * 4 + survivor % 4;
    if (bits == 3) {
      const std::uint8_t* three = bytes + survivor / 32 * 3 * kVectorBytes;
      const int low = three[survivor / 16 % 2 * kVectorBytes] >> (survivor / 4 % 4 * 2) & 3;
      const int sign = three[2 * kVectorBytes] >> (survivor / 4 % 8) & 1;
      return static_cast<std::int8_t>(low - 4 * sign);
    }
    const std::uint8_t byte = bytes[survivor / (32 / bits) * kVectorBytes];
    if (bits == 8) return static_cast<std::int8_t>(byte);
    // To the top, then down with its sign.
    return static_cast<std::int8_t>(static_cast<std::int8_t>(survivor % 8 < 4 ? byte << 4 : byte & 0xf0) >> 4);
  }
};

struct DenseWeights {
  const void* weights;  // (rows, cols)
  DenseKind kind;
  std::size_t rows, cols;
  const float* bias;  // or null
};

// x (tokens, cols) and y (tokens, rows), row-major; they do not overlap.
void apply_packed(const Compute& compute, const PackedWeights& weights, const float* x, std::size_t tokens, float* y);
void apply_quantized(const Compute& compute, const QuantizedWeights& weights, const float* x, std::size_t tokens,
                     float* y);
void apply_dense(const Compute& compute, const DenseWeights& weights, const float* x, std::size_t tokens, float* y);

constexpr std::size_t kAllRight = ~static_cast<std::size_t>(0);

// The first tile * groups + group whose indices are not N of M ascending positions for each row; kAllRight if none.
std::size_t first_wrong_group(const PackedWeights& weights, std::size_t threads);
std::size_t first_wrong_group(const QuantizedWeights& weights, std::size_t threads);

}  // namespace esparse
