// What comes to shared memory for a linear of prefill by products of a warp: stages of half a block, of the weights as they lie
// in memory, which is the order of fragments, but without their metadata; and of the activations, rows of tokens.
#pragma once
#include "copies.cuh"
#include "prefill_arguments.h"
#include "weights.cuh"

namespace esparse {

// The sizes of a CTA: of its tile, see `MmaTile`.
template <class W, int kRowWarps, int kWarpRows, int kWarpTokens>
struct MmaShape {
  using Weights = W;
  static constexpr bool kSparse = Weights::kShuffled;
  static constexpr MmaTile kTile{kRowWarps, kWarpRows, kWarpTokens};
  static constexpr int kRows = kTile.rows(), kTokens = kTile.tokens();
  static constexpr int kTiles = kWarpRows / kTileRows, kEights = kWarpTokens / 8;  // of a warp
  static constexpr int kStage = kTile.stage_bytes(kSparse), kStages = kTile.stages(kSparse);
  static constexpr int kTileBytes = Weights::kFormat.tile_bytes, kBlockBytes = kPanelTiles * kTileBytes;
  // A block is two stages of two steps. A step is what one product has of inputs, of which a lane has 16 bytes of a tile's values.
  static constexpr int kBlockStages = 2, kStageSteps = 2, kStepInputs = Weights::kFormat.inputs / 4;
  // Bytes: of a token in a stage, of a tile's values, and of all of these, behind which the tokens stand.
  static constexpr int kTokenRow = 2 * kStepInputs * kStageSteps;
  static constexpr int kTileStage = kStageSteps * kStepBytes, kWeightBytes = kRows / kTileRows * kTileStage;
  static_assert(kStage == kWeightBytes + kTokens * kTokenRow && kStages > 2);

  static __device__ __forceinline__ std::uint32_t next_stage(std::uint32_t slot) {
    return slot + kStage == kStages * kStage ? 0 : slot + kStage;
  }
};

// Where a CTA's outputs are.
struct MmaPlace {
  int first_token, tile_row;  // of all tokens; of the segment's rows
  PrefillSegment segment;
  const std::uint8_t* tokens;  // of the segment: its activations
  int last_tile;

  // Bytes before a tile's first block; a tile beyond the last is the last.
  __device__ __forceinline__ std::uint32_t tile_offset(int tile, int blocks, int tile_bytes) const {
    return static_cast<std::uint32_t>(tile_block_offset(segment.places.of(min(tile, last_tile)), 0, blocks, tile_bytes));
  }
};

// Tiles of `together` tiles of tokens stand beside each other in the grid, then the next rows of these.
template <class Shape>
__device__ __forceinline__ MmaPlace mma_place(const PrefillArguments& args) {
  const int token_tiles = (args.tokens + Shape::kTokens - 1) / Shape::kTokens, row_tiles = gridDim.x / token_tiles;
  const int band = blockIdx.x / (row_tiles * args.together) * args.together;
  const int width = min(args.together, token_tiles - band), within = blockIdx.x - band * row_tiles;
  const int row_tile = within / width;
  int s = 0;
  while (s + 1 < args.segment_count && row_tile >= args.segments[s + 1].first_tile) s++;
  const PrefillSegment& segment = args.segments[s];
  return {(band + within % width) * Shape::kTokens, (row_tile - segment.first_tile) * Shape::kRows, segment,
          reinterpret_cast<const std::uint8_t*>(args.rows[s]), (segment.rows - 1) / kTileRows};
}

// A thread's part of the copies: so many pieces of 16 bytes, `step` bytes apart in memory. What is not there is not copied: the
// products of what stands in its place are not stored.
struct CopyShare {
  const std::uint8_t* from;
  std::uint32_t to, step;
  int pieces;
};

template <class Shape>
struct StageCopies {
  // One of every so many tiles, which are whole panels; and of every so many tokens.
  static constexpr int kPieces = Shape::kTileStage / 16, kChunks = Shape::kTokenRow / 16;
  static constexpr int kTileStep = kMmaThreads / kPieces, kRowStep = kMmaThreads / kChunks;
  static_assert(kTileStep % kPanelTiles == 0 && kRowStep % 8 == 0 && Shape::kTokens % kRowStep == 0);
  CopyShare weights, tokens;
  int asked = 0, stages;
  std::uint32_t slot = 0;  // bytes before the place of the stage that is asked for next

  // `base`: of shared memory.
  __device__ __forceinline__ StageCopies(const PrefillArguments& args, const MmaPlace& place, std::uint32_t base)
      : stages(args.blocks * Shape::kBlockStages) {
    const int thread = threadIdx.x, of_tile = thread / kPieces, piece = thread % kPieces;
    const int tile = place.tile_row / kTileRows + of_tile;
    weights.from = place.segment.weights + place.tile_offset(tile, args.blocks, Shape::kTileBytes) + piece * 16;
    weights.to = base + of_tile * Shape::kTileStage + piece * 16;
    weights.step = static_cast<std::uint32_t>(kTileStep / kPanelTiles * place.segment.places.step) * args.blocks * Shape::kBlockBytes;
    weights.pieces = (place.last_tile - tile + kTileStep) / kTileStep;
    const int row = thread / kChunks, chunk = thread % kChunks, last = args.tokens - 1 - place.first_token;
    const int row_bytes = args.blocks * Shape::Weights::kFormat.inputs * 2;
    tokens.from = place.tokens + static_cast<std::size_t>(place.first_token + min(row, last)) * row_bytes + chunk * 16;
    tokens.to = base + Shape::kWeightBytes + chunk_place<Shape::kTokenRow>(row, chunk);
    tokens.step = kRowStep * row_bytes;
    tokens.pieces = (last - row + kRowStep) / kRowStep;
  }

  // Asks for the next stage, where there is one.
  __device__ __forceinline__ void request() {
    if (asked < stages) {
#pragma unroll
      for (int i = 0; i < Shape::kRows / kTileRows / kTileStep; i++) {
        if (i < weights.pieces) {
          copy_ahead(weights.to + slot + i * (kTileStep * Shape::kTileStage), weights.from + i * weights.step);
        }
      }
#pragma unroll
      for (int i = 0; i < Shape::kTokens / kRowStep; i++) {
        if (i < tokens.pieces) copy_ahead(tokens.to + slot + i * (kRowStep * Shape::kTokenRow), tokens.from + i * tokens.step);
      }
      asked++;
      // Half of a block's values, then the rest of the block and what is not values.
      weights.from += asked % 2 == 1 ? Shape::kTileStage : Shape::kBlockBytes - Shape::kTileStage;
      tokens.from += Shape::kTokenRow;
      slot = Shape::next_stage(slot);
    }
    copies_commit();
  }
};

}  // namespace esparse
