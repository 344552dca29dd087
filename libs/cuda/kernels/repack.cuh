// From the store's order to the order of fragments, once when a model is opened.
#pragma once
#include "arguments.h"
#include "device.cuh"

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

}  // namespace esparse
