// How a warp holds and gets its weights: a tile's block in registers, as bf16 (integers: `integer_weights.cuh`), and the ring through which
// blocks come from memory.
#pragma once
#include "device.cuh"
#include "linear_plan.h"

namespace esparse {

// A lane's part of eight columns of a step. Columns beyond the tokens' are some of these: nobody reads their sums.
template <int kTokens>
__device__ __forceinline__ Words4 load_columns(const std::uint8_t* step, int eight, int lane) {
  constexpr int kColumns = kTokens * kColumnsPerToken;
  return *reinterpret_cast<const Words4*>(step + eight * kStepBytes + (kColumns < 8 ? lane % (4 * kColumns) : lane) * 16);
}

// Those of bf16.
struct PairColumns : Words4 {
  template <int kTokens>
  static __device__ __forceinline__ PairColumns load(const std::uint8_t* step, int eight, int lane) {
    return {load_columns<kTokens>(step, eight, lane)};
  }
};

// sums += a step of two or four tiles times eights of columns; `load` gives those of an eight, of the set of each tile. The products
// of several eights are begun before the first ones are added up, where they are numbers of their own (integers).
template <class Weights, int kEights, int kTiles, class Step, class Load>
__device__ __forceinline__ void multiply_step(float (&sums)[kTiles][kEights][4], const Step (&steps)[kTiles],
                                              const Load& load) {
  if constexpr (Weights::kScaled) {
    constexpr int kMost = Weights::kTogether * kPanelTiles / kTiles, kFew = kMost > 1 ? kMost : 1;
    constexpr int kTogether = kFew < kEights ? kFew : kEights;
    static_assert(kEights % kTogether == 0);
#pragma unroll
    for (int first = 0; first < kEights; first += kTogether) {
      typename Weights::Columns columns[kTogether][kTiles];
      typename Weights::Products products[kTogether][kTiles];
#pragma unroll
      for (int i = 0; i < kTogether; i++) {
        load(columns[i], first + i);
#pragma unroll
        for (int tile = 0; tile < kTiles; tile++) Weights::multiply(steps[tile], products[i][tile], columns[i][tile]);
      }
#pragma unroll
      for (int i = 0; i < kTogether; i++) {
#pragma unroll
        for (int tile = 0; tile < kTiles; tile++) {
          Weights::add(steps[tile], sums[tile][first + i], products[i][tile], columns[i][tile]);
        }
      }
    }
  } else {
#pragma unroll
    for (int eight = 0; eight < kEights; eight++) {
      typename Weights::Columns columns[kTiles];
      load(columns, eight);
#pragma unroll
      for (int tile = 0; tile < kTiles; tile++) steps[tile].multiply(sums[tile][eight], columns[tile]);
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
    for (int i = 0; i < kSteps; i++) load_step(tile, lane, i);
    load_common(tile, lane);
  }
  // The same in parts: of a step, and of all steps.
  __device__ __forceinline__ void load_step(const std::uint8_t* tile, int lane, int step) {
    values[step] = *reinterpret_cast<const Words4*>(tile + step * kStepBytes + lane * 16);
  }
  __device__ __forceinline__ void load_common(const std::uint8_t* tile, int lane) {
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
    for (int i = 0; i < kSteps; i++) load_step(tile, lane, i);
  }
  __device__ __forceinline__ void load_step(const std::uint8_t* tile, int lane, int step) {
#pragma unroll
    for (int i = 2 * step; i < 2 * step + 2; i++) values[i] = *reinterpret_cast<const Words4*>(tile + i * kStepBytes + lane * 16);
  }
  __device__ __forceinline__ void load_common(const std::uint8_t*, int) {}
  template <int kStep>
  __device__ __forceinline__ DenseStep step() const {
    return {{values[2 * kStep], values[2 * kStep + 1]}};
  }
};

// One warp's ring: the blocks of its slice of panel after panel, `skip` bytes apart, requested ahead, up to `at_once` of a panel in a
// stage. kOnce: no other CTA reads them, whatever `once` says; kApart: a panel's tiles may be two pieces of memory.
template <class Weights, bool kOnce = false, bool kApart = true>
struct WeightStream {
  static constexpr bool kMayBeApart = kApart;
  static constexpr int kBlock = kPanelTiles * Weights::kFormat.tile_bytes, kMostAtOnce = most_stage_blocks(Weights::kFormat);
  const std::uint8_t* next;
  std::size_t skip;                // from the end of the slice in a panel to its beginning in the next one
  std::uint32_t stages, barriers;  // shared addresses
  int blocks, block, left;
  bool once;
  bool released;
  std::size_t apart;  // from a panel's first tile to its second; 0: they are one piece of memory
  int at_once = 1;

  // Requests the next blocks into a free stage, by all lanes. With the last one, the next kernel may begin to request its own.
  __device__ __forceinline__ void request(int stage) {
    if (left > 0) {
      const int count = kMostAtOnce == 1 ? 1 : min(at_once, blocks - block);
      if (kLanesCopy || elected()) {
        const std::uint32_t to = stages + stage * (kMostAtOnce == 1 ? 1 : at_once) * kBlock, barrier = barriers + stage * 8;
        barrier_expect(barrier, count * kBlock);
        if (kApart && apart != 0) {
          constexpr int kTile = kBlock / kPanelTiles;
#pragma unroll 1
          for (int i = 0; i < count; i++) {
            bulk_copy_once(to + i * kBlock, next + i * kBlock, kTile, barrier);
            bulk_copy_once(to + i * kBlock + kTile, next + i * kBlock + apart, kTile, barrier);
          }
        } else if (kOnce || once) {
          bulk_copy_once(to, next, count * kBlock, barrier);
        } else {
          bulk_copy(to, next, count * kBlock, barrier);
        }
        copies_asked_for(barrier);
      }
      left -= count;
      block += count;
      next += count * kBlock;
      if (block == blocks) {
        block = 0;
        next += skip;
      }
    }
    if (left == 0 && !released) {
      released = true;
      release_dependents();
    }
  }
};

}  // namespace esparse
