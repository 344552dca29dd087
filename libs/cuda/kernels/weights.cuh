// How a warp holds and gets its weights: a tile's block in registers, as bf16 (integers: `integer_weights.cuh`), and the ring through which
// blocks come from memory.
#pragma once
#include "device.cuh"
#include "linear_plan.h"

namespace esparse {

// A lane's part of eight columns of a step; columns beyond the tokens' are zeros.
template <int kTokens>
__device__ __forceinline__ Words4 load_columns(const std::uint8_t* step, int eight, int lane) {
  constexpr int kColumns = kTokens * kColumnsPerToken;
  const bool inside = kColumns % 8 == 0 || lane / 4 + eight * 8 < kColumns;
  return inside ? *reinterpret_cast<const Words4*>(step + eight * kStepBytes + lane * 16) : Words4{};
}

// Those of bf16.
struct PairColumns : Words4 {
  template <int kTokens>
  static __device__ __forceinline__ PairColumns load(const std::uint8_t* step, int eight, int lane) {
    return {load_columns<kTokens>(step, eight, lane)};
  }
};

// sums += a step of two tiles times eights of columns; `load` gives those of an eight, of the set of each tile. The products of
// several eights are begun before the first ones are added up, where they are numbers of their own (integers).
template <class Weights, int kEights, class Step, class Load>
__device__ __forceinline__ void multiply_step(float (&sums)[kPanelTiles][kEights][4], const Step (&steps)[kPanelTiles],
                                              const Load& load) {
  if constexpr (Weights::kScaled) {
    constexpr int kTogether = Weights::kTogether < kEights ? Weights::kTogether : kEights;
    static_assert(kEights % kTogether == 0);
#pragma unroll
    for (int first = 0; first < kEights; first += kTogether) {
      typename Weights::Columns columns[kTogether][kPanelTiles];
      typename Weights::Products products[kTogether][kPanelTiles];
#pragma unroll
      for (int i = 0; i < kTogether; i++) {
        load(columns[i], first + i);
#pragma unroll
        for (int tile = 0; tile < kPanelTiles; tile++) Weights::multiply(steps[tile], products[i][tile], columns[i][tile]);
      }
#pragma unroll
      for (int i = 0; i < kTogether; i++) {
#pragma unroll
        for (int tile = 0; tile < kPanelTiles; tile++) {
          Weights::add(steps[tile], sums[tile][first + i], products[i][tile], columns[i][tile]);
        }
      }
    }
  } else {
#pragma unroll
    for (int eight = 0; eight < kEights; eight++) {
      typename Weights::Columns columns[kPanelTiles];
      load(columns, eight);
#pragma unroll
      for (int tile = 0; tile < kPanelTiles; tile++) steps[tile].multiply(sums[tile][eight], columns[tile]);
    }
  }
}

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
  using Columns = PairColumns;
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
  using Columns = PairColumns;
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

// One warp's ring: the blocks of its slice of panel after panel, `panel_step` bytes apart, requested ahead, up to `at_once` of a
// panel in a stage.
template <class Weights>
struct WeightStream {
  static constexpr int kBlock = kPanelTiles * Weights::kFormat.tile_bytes;
  const std::uint8_t* next;
  std::size_t panel_step;
  std::uint32_t stages, barriers;  // shared addresses
  int blocks, block, left;
  bool once;  // no other CTA reads them
  bool released;
  std::size_t apart;  // from a panel's first tile to its second; 0: they are one piece of memory
  int at_once = 1;

  __device__ __forceinline__ int stage_bytes() const { return at_once * kBlock; }
  // Requests the next block into a free stage, by all lanes. With the last one, the next kernel may begin to request its own.
  __device__ __forceinline__ void request(int stage, int lane) {
    if (left > 0) {
      const int count = at_once == 1 ? 1 : min(at_once, blocks - block);
      if (kLanesCopy || lane == 0) {
        barrier_expect(barriers + stage * 8, count * kBlock);
        if (apart != 0) {
          constexpr int kTile = kBlock / kPanelTiles;
#pragma unroll 1
          for (int i = 0; i < count; i++) {
            const std::uint8_t* const from = next + (block + i) * kBlock;
            bulk_copy_once(stages + stage * stage_bytes() + i * kBlock, from, kTile, barriers + stage * 8);
            bulk_copy_once(stages + stage * stage_bytes() + i * kBlock + kTile, from + apart, kTile, barriers + stage * 8);
          }
        } else if (once) {
          bulk_copy_once(stages + stage * stage_bytes(), next + block * kBlock, count * kBlock, barriers + stage * 8);
        } else {
          bulk_copy(stages + stage * stage_bytes(), next + block * kBlock, count * kBlock, barriers + stage * 8);
        }
        copies_asked_for(barriers + stage * 8);
      }
      left -= count;
      block += count;
      if (block == blocks) {
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
