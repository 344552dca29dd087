// How a warp holds and gets its weights: a tile's block in registers, as bf16 (integers: `integer_weights.cuh`), and the ring through which
// blocks come from memory.
#pragma once
#include "device.cuh"
#include "linear_plan.h"

namespace esparse {

// What a lane needs to multiply a step: a fragment of a tile.
template <int kSelector>
struct SparseStep {
  Words4 values;
  std::uint32_t metadata;
  __device__ __forceinline__ void multiply(float (&sums)[4], const Words4& x) const {
    multiply_sparse<kSelector>(sums, values, x, metadata);
  }
};

struct DenseStep {
  Words4 values[2];
  __device__ __forceinline__ void multiply(float (&sums)[4], const Words4& x) const {
    multiply_dense(sums, values[0], x.word[0], x.word[1]);
    multiply_dense(sums, values[1], x.word[2], x.word[3]);
  }
};

struct Sparse {
  static constexpr Format kFormat = kSparseFormat;
  static constexpr int kSteps = kSparseSteps;
  static constexpr bool kShuffled = true;  // its inputs stand in an order of its own
  static constexpr bool kScaled = false;   // they are not integers
  Words4 values[kSteps];
  Words2 metadata;

  __device__ __forceinline__ void load(const std::uint8_t* tile, int lane) {
#pragma unroll
    for (int i = 0; i < kSteps; i++) values[i] = *reinterpret_cast<const Words4*>(tile + i * kStepBytes + lane * 16);
    metadata = *reinterpret_cast<const Words2*>(tile + kSparseMetadata + lane * 8);
  }
  template <int kStep>
  __device__ __forceinline__ SparseStep<kStep % 2> step() const {
    return {values[kStep], metadata.word[kStep / 2]};
  }
};

struct Dense {
  static constexpr Format kFormat = kDenseFormat;
  static constexpr int kSteps = kDenseInputs / kStepInputs;
  static constexpr bool kShuffled = false, kScaled = false;
  Words4 values[2 * kSteps];

  __device__ __forceinline__ void load(const std::uint8_t* tile, int lane) {
#pragma unroll
    for (int i = 0; i < 2 * kSteps; i++) {
      values[i] = *reinterpret_cast<const Words4*>(tile + i * kStepBytes + lane * 16);
    }
  }
  template <int kStep>
  __device__ __forceinline__ DenseStep step() const {
    return {{values[2 * kStep], values[2 * kStep + 1]}};
  }
};

// One warp's ring: the blocks of its slice of panel after panel, `panel_step` bytes apart, requested ahead.
template <class Weights>
struct WeightStream {
  static constexpr int kStage = kPanelTiles * Weights::kFormat.tile_bytes;
  const std::uint8_t* next;
  std::size_t panel_step;
  std::uint32_t stages, barriers;  // shared addresses
  int blocks, block, left;
  bool once;  // no other CTA reads them
  bool released;
  std::size_t apart;  // from a panel's first tile to its second; 0: they are one piece of memory

  // Requests the next block into a free stage, by all lanes. With the last one, the next kernel may begin to request its own.
  __device__ __forceinline__ void request(int stage, int lane) {
    if (left > 0) {
      if (kLanesCopy || lane == 0) {
        barrier_expect(barriers + stage * 8, kStage);
        if (apart != 0) {
          constexpr int kTile = kStage / kPanelTiles;
          const std::uint8_t* const from = next + block * kStage;
          bulk_copy_once(stages + stage * kStage, from, kTile, barriers + stage * 8);
          bulk_copy_once(stages + stage * kStage + kTile, from + apart, kTile, barriers + stage * 8);
        } else if (once) {
          bulk_copy_once(stages + stage * kStage, next + block * kStage, kStage, barriers + stage * 8);
        } else {
          bulk_copy(stages + stage * kStage, next + block * kStage, kStage, barriers + stage * 8);
        }
        copies_asked_for(barriers + stage * 8);
      }
      left--;
      if (++block == blocks) {
        block = 0;
        next += panel_step;
      }
    }
    if (left == 0 && !released) {
      released = true;
      release_dependents();
    }
  }
};

}  // namespace esparse
