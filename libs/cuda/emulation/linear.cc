// One linear, computed as the device computes it: repacked, activations in fragment order, products of an emulated
// warp.
//
//   linear sparse|dense < input > output
//
// Input: i32 rows, cols, tokens, order (0 or 1); the weights as the store has them (sparse: values, indices; dense:
// row-major bf16); where order is 1, i32 [rows]; activations f32 [tokens][cols], in shuffled order.
// Output: f64 [tokens][rows]. Exit 3: the positions of a group do not ascend.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../kernels/layout.h"
#include "read_array.h"
#include "warp.h"

namespace {

using namespace esparse;

std::uint32_t round_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

// Chunk by chunk, as the norm writes them, and once more element by element, as attention does: the same bytes.
std::vector<std::uint8_t> fragments_of(const std::vector<float>& x, int cols, int tokens) {
  std::vector<std::uint8_t> chunks(activation_bytes(cols, tokens)), elements(chunks.size());
  const auto put = [](std::vector<std::uint8_t>& to, std::size_t at, float value) {
    const std::uint32_t hi = round_bf16(value);
    const std::uint32_t lo = round_bf16(static_cast<float>(value - emulation::bf16(hi)));
    std::memcpy(&to[at], &hi, 2);
    std::memcpy(&to[at + kLoOffset], &lo, 2);
  };
  for (int token = 0; token < tokens; token++) {
    for (int chunk = 0; chunk < cols / kChunk; chunk++) {
      for (int e = 0; e < kChunk; e++) {
        const float value = x[static_cast<std::size_t>(token) * cols + chunk_input(chunk / 4, chunk % 4, e)];
        put(chunks, chunk_offset(chunk / 4, chunk % 4, token, tokens) + 2 * e, value);
      }
    }
    for (int i = 0; i < cols; i++) {
      put(elements, activation_offset(i, token, tokens), x[static_cast<std::size_t>(token) * cols + i]);
    }
  }
  if (chunks != elements) std::exit(4);
  return chunks;
}

// The four registers of each lane for eight columns of a step.
void load_columns(const std::vector<std::uint8_t>& fragments, int step, int eight, int columns,
                  std::uint32_t (&b)[emulation::kLanes][4]) {
  for (int lane = 0; lane < kLanes; lane++) {
    std::memset(b[lane], 0, 16);
    const std::size_t at = (static_cast<std::size_t>(step) * columns + eight * 8) * 4 * kChunkBytes + lane * 16;
    if (eight * 8 + lane / 4 < columns) std::memcpy(b[lane], &fragments[at], 16);
  }
}

template <class Matrix>
std::vector<std::uint8_t> repacked(const Matrix& from, int panels, int blocks, int tile_bytes);

template <>
std::vector<std::uint8_t> repacked(const StoredSparse& from, int panels, int blocks, int tile_bytes) {
  std::vector<std::uint8_t> to(static_cast<std::size_t>(panels) * kPanelTiles * blocks * tile_bytes);
  for (int tile = 0; tile < panels * kPanelTiles; tile++) {
    for (int block = 0; block < blocks; block++) {
      std::uint8_t* at = &to[tile_block_offset(tile, block, blocks, tile_bytes)];
      for (int lane = 0; lane < kLanes; lane++) {
        for (int step = 0; step < kSparseSteps; step++) {
          const Words4 words = sparse_values(from, tile, block, step, lane);
          std::memcpy(at + step * kStepBytes + lane * 16, &words, 16);
        }
        const Words2 metadata = sparse_metadata(from, tile, block, lane);
        std::memcpy(at + kSparseMetadata + lane * 8, &metadata, 8);
      }
    }
  }
  return to;
}

template <>
std::vector<std::uint8_t> repacked(const StoredDense& from, int panels, int blocks, int tile_bytes) {
  std::vector<std::uint8_t> to(static_cast<std::size_t>(panels) * kPanelTiles * blocks * tile_bytes);
  for (int tile = 0; tile < panels * kPanelTiles; tile++) {
    for (int block = 0; block < blocks; block++) {
      std::uint8_t* at = &to[tile_block_offset(tile, block, blocks, tile_bytes)];
      for (int lane = 0; lane < kLanes; lane++) {
        for (int i = 0; i < kDenseInputs / 16; i++) {
          const Words4 words = dense_values(from, tile, block, i, lane);
          std::memcpy(at + i * kStepBytes + lane * 16, &words, 16);
        }
      }
    }
  }
  return to;
}

void sparse_block(emulation::Sums& sums, const std::uint8_t* tile, const std::vector<std::uint8_t>& x, int block,
                  int eight, int columns) {
  for (int step = 0; step < kSparseSteps; step++) {
    std::uint32_t a[kLanes][4], b[kLanes][4], metadata[kLanes];
    load_columns(x, block * kSparseSteps + step, eight, columns, b);
    for (int lane = 0; lane < kLanes; lane++) {
      std::memcpy(a[lane], tile + step * kStepBytes + lane * 16, 16);
      std::memcpy(&metadata[lane], tile + kSparseMetadata + lane * 8 + step / 2 * 4, 4);
    }
    emulation::mma_sparse(sums, a, b, metadata, step % 2);
  }
}

void dense_block(emulation::Sums& sums, const std::uint8_t* tile, const std::vector<std::uint8_t>& x, int block,
                 int eight, int columns) {
  for (int i = 0; i < kDenseInputs / 16; i++) {
    std::uint32_t a[kLanes][4], step[kLanes][4], b[kLanes][2];
    load_columns(x, block * (kDenseInputs / kStepInputs) + i / 2, eight, columns, step);
    for (int lane = 0; lane < kLanes; lane++) {
      std::memcpy(a[lane], tile + i * kStepBytes + lane * 16, 16);
      std::memcpy(b[lane], &step[lane][i % 2 * 2], 8);
    }
    emulation::mma(sums, a, b);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool sparse = argc > 1 && std::string(argv[1]) == "sparse";
  const std::vector<std::int32_t> shape = read_array<std::int32_t>(4);
  const int rows = shape[0], cols = shape[1], tokens = shape[2];
  const int tiles = (rows + kTileRows - 1) / kTileRows, panels = (rows + kPanelRows - 1) / kPanelRows;
  const std::size_t weights = static_cast<std::size_t>(tiles) * kTileRows * cols;
  const auto values = read_array<std::uint16_t>(sparse ? weights / 2 : static_cast<std::size_t>(rows) * cols);
  const auto indices = read_array<std::uint32_t>(sparse ? weights / kTileRows / kGroup * kKeep : 0);
  const auto order = read_array<std::int32_t>(shape[3] != 0 ? rows : 0);
  const auto x = fragments_of(read_array<float>(static_cast<std::size_t>(tokens) * cols), cols, tokens);
  for (std::size_t i = 0; i < indices.size(); i += 2) {
    if (!positions_ascend(indices[i], indices[i + 1])) return 3;
  }

  const RowOrder row_order{shape[3] != 0 ? order.data() : nullptr, rows};
  const int blocks = cols / (sparse ? kSparseInputs : kDenseInputs);
  const int tile_bytes = sparse ? kSparseTileBytes : kDenseTileBytes;
  const auto packed = sparse ? repacked(StoredSparse{values.data(), indices.data(), cols / kGroup, row_order}, panels,
                                        blocks, tile_bytes)
                             : repacked(StoredDense{values.data(), cols, row_order}, panels, blocks, tile_bytes);

  const int columns = tokens * kColumnsPerToken;
  std::vector<double> out(static_cast<std::size_t>(tokens) * rows);
  for (int tile = 0; tile < tiles; tile++) {
    for (int eight = 0; eight * 8 < columns; eight++) {
      emulation::Sums sums = {};
      for (int block = 0; block < blocks; block++) {
        const std::uint8_t* at = &packed[tile_block_offset(tile, block, blocks, tile_bytes)];
        (sparse ? sparse_block : dense_block)(sums, at, x, block, eight, columns);
      }
      for (int r = 0; r < kTileRows && tile * kTileRows + r < rows; r++) {
        for (int token = eight * 4; token < tokens && token < eight * 4 + 4; token++) {
          const int column = token % 4 * kColumnsPerToken;
          out[static_cast<std::size_t>(token) * rows + tile * kTileRows + r] = sums[r][column] + sums[r][column + 1];
        }
      }
    }
  }
  return std::fwrite(out.data(), 8, out.size(), stdout) == out.size() ? 0 : 2;
}
