// From the store's order to the order of fragments, once when a model is opened.
#pragma once
#include "arguments.h"
#include "device.cuh"
#include "integer_layout.h"

namespace esparse {

// Lowers *wrong (kAllRight before) to the first tile * groups + group whose positions `pack` cannot have written.
// One thread a (tile, group).
__global__ void check_positions(const Words2* indices, std::size_t count, unsigned long long* wrong) {
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  if (i < count && !positions_ascend(indices[i].word[0], indices[i].word[1])) {
    atomicMin(wrong, static_cast<unsigned long long>(i));
  }
}

// Grid (blocks, tiles), one warp.
__global__ void repack_sparse(const StoredSparse from, std::uint8_t* to, const TilePlaces places) {
  const int block = blockIdx.x, tile = blockIdx.y, lane = threadIdx.x;
  std::uint8_t* at = to + tile_block_offset(places.of(tile), block, gridDim.x, kSparseTileBytes);
  for (int step = 0; step < kSparseSteps; step++) {
    *reinterpret_cast<Words4*>(at + step * kStepBytes + lane * 16) = sparse_values(from, tile, block, step, lane);
  }
  *reinterpret_cast<Words2*>(at + kSparseMetadata + lane * 8) = sparse_metadata(from, tile, block, lane);
}

// Grid (blocks, tiles), one warp.
__global__ void repack_dense(const StoredDense from, std::uint8_t* to, const TilePlaces places) {
  const int block = blockIdx.x, tile = blockIdx.y, lane = threadIdx.x;
  std::uint8_t* at = to + tile_block_offset(places.of(tile), block, gridDim.x, kDenseTileBytes);
  for (int i = 0; i < kDenseInputs / 16; i++) {
    *reinterpret_cast<Words4*>(at + i * kStepBytes + lane * 16) = dense_values(from, tile, block, i, lane);
  }
}

// The same of positions of `quantized-v1`: `words` are [tile][sixteen][row of the tile]. One thread a word of a row that there is.
__global__ void check_integer_positions(const std::uint32_t* words, int rows, int survivors, unsigned long long* wrong) {
  const int sixteens = (survivors + 15) / 16;
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  const std::size_t tile = i / kTileRows / sixteens, sixteen = i / kTileRows % sixteens;
  if (tile * kTileRows + i % kTileRows >= static_cast<std::size_t>(rows)) return;
  const int damaged = damaged_group(words[i], survivors - static_cast<int>(sixteen) * 16);
  if (damaged >= 0) {
    atomicMin(wrong, static_cast<unsigned long long>(tile * (survivors / kKeep) + sixteen * kStepGroups + damaged));
  }
}

// Lowers *wrong to the first span of a row, row * spans + span, whose scale is zero or no finite number. One thread a scale.
__global__ void check_scales(const std::uint16_t* scales, int rows, int spans, unsigned long long* wrong) {
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  const std::size_t row = i / kTileRows / spans * kTileRows + i % kTileRows, span = i / kTileRows % spans;
  if (row >= static_cast<std::size_t>(rows) || is_scale(scales[i])) return;
  atomicMin(wrong, static_cast<unsigned long long>(row * spans + span));
}

// Grid (blocks, tiles), one warp.
__global__ void repack_integers(const StoredIntegers from, const IntegerOrder order, std::uint8_t* to,
                                const TilePlaces places) {
  const int block = blockIdx.x, tile = blockIdx.y, lane = threadIdx.x;
  std::uint8_t* at = to + tile_block_offset(places.of(tile), block, gridDim.x, order.tile_bytes());
  for (int word = 0; word < order.words(); word++) {
    *reinterpret_cast<std::uint32_t*>(at + word / 4 * kStepBytes + lane * 16 + word % 4 * 4) =
        integer_word(from, order, tile, block, word, lane);
  }
  if (order.sparse) {
    *reinterpret_cast<Words2*>(at + order.metadata() + lane * 8) = integer_metadata(from, tile, block, lane);
  }
  auto* const scales = reinterpret_cast<std::uint16_t*>(at + order.scale_offset());
  for (int i = lane; i < kTileRows * order.scales; i += kLanes) {
    const int row = i / order.scales, index = i % order.scales;
    scales[scale_element(order, row, index)] =
        static_cast<std::uint16_t>(block_scale(from, order, tile, block, row, index));
  }
}

// `embed` of a table of integers. Grid (tokens).
__global__ void embed_integers(const std::int32_t* ids, const StoredIntegers table, float* residual, int channels,
                               int counted, float factor, const std::int32_t* positions,
                               const std::uint16_t* of_positions) {
  release_dependents();
  wait_for_producers();
  const std::size_t token = blockIdx.x;
  const int row = ids[token];
  const std::size_t position = of_positions == nullptr ? 0 : max(positions[token], 0);
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float x = c < counted ? factor * (static_cast<float>(table.number(row, c)) * bf16_value(table.scale(row, c))) : 0;
    if (of_positions != nullptr && c < counted) x += bf16_value(of_positions[position * counted + c]);
    residual[token * channels + c] = x;
  }
}

}  // namespace esparse
