// The linear of prefill: y = W x for many tokens, W in 2:4 or dense as the decode linear has it, x and y in bf16, sums
// in f32. For Hopper's tensor cores.
//
// Grid (rows / 128 over all segments, tokens / kTile), both rounded up. One warpgroup brings activations, 64 inputs of
// kTile tokens a stage; two multiply 64 rows each, their weights from the L2 straight to registers, two blocks ahead. A
// token's bits depend neither on the tokens beside it nor on the tile.
//
// Integers become bf16 in registers, number times scale rounded, while the products of the block before are made: there is room
// for two blocks of these, and for two more as they come from memory.
#pragma once
#include <type_traits>

#include "integer_weights.cuh"
#include "prefill_arguments.h"
#include "prefill_output.cuh"
#include "weights.cuh"
#include "wgmma.cuh"

namespace esparse {

__device__ __forceinline__ Words4 load_words(const std::uint8_t* from) {
  Words4 out;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "l"(from));
  return out;
}

__device__ __forceinline__ void load_pair(std::uint32_t& first, std::uint32_t& second, const std::uint8_t* from) {
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(first), "=r"(second) : "l"(from));
}

// A lane's weights of a tile's block, from memory. `own` is the lane's first word of the tile, which is stepped from block to
// block: what is computed here is computed between products.
__device__ __forceinline__ void load_weights(Sparse& to, const std::uint8_t* own, int lane) {
#pragma unroll
  for (int i = 0; i < kSparseSteps; i++) to.values[i] = load_words(own + i * kStepBytes);
  load_pair(to.metadata.word[0], to.metadata.word[1], own - lane * 8 + kSparseMetadata);
}
__device__ __forceinline__ void load_weights(Dense& to, const std::uint8_t* own, int) {
#pragma unroll
  for (int i = 0; i < 2 * Dense::kSteps; i++) to.values[i] = load_words(own + i * kStepBytes);
}

// But for the metadata: see `load_metadata`.
template <bool kSparse, int kBits, int kScales>
__device__ __forceinline__ void load_weights(Integers<kSparse, kBits, kScales>& to, const std::uint8_t* own, int lane) {
  using Weights = Integers<kSparse, kBits, kScales>;
#pragma unroll
  for (int i = 0; i < Weights::kWords / 4; i++) {
    const Words4 four = load_words(own + i * kStepBytes);
#pragma unroll
    for (int j = 0; j < 4; j++) to.words[4 * i + j] = four.word[j];
  }
  const std::uint8_t* const of_rows = own - lane * 16 + lane / 4 * (4 * kScales) + Weights::kOrder.scale_offset();
  if constexpr (kScales == 2) {
    load_pair(to.scales[0][0], to.scales[1][0], of_rows);
  } else {
    load_pair(to.scales[0][0], to.scales[0][1], of_rows);
    load_pair(to.scales[1][0], to.scales[1][1], of_rows + 8);
  }
}

// Into the registers that the tensor cores read, when they have read what was there before: they do so while products are under
// way, of which the compiler knows for values only. Kept with the integers and copied, it was copied too early: products were
// those of the next block's metadata (seen on an H200).
template <class Weights>
__device__ __forceinline__ void load_metadata(Sparse& to, const std::uint8_t* own, int lane) {
  load_pair(to.metadata.word[0], to.metadata.word[1], own - lane * 8 + Weights::kOrder.metadata());
}
template <class Weights>
__device__ __forceinline__ void load_metadata(Dense&, const std::uint8_t*, int) {}

// What the tensor cores multiply: integers times scales, rounded to bf16.
template <bool kSparse, int kBits, int kScales>
__device__ __forceinline__ void round_weights(std::conditional_t<kSparse, Sparse, Dense>& to,
                                              const Integers<kSparse, kBits, kScales>& from) {
  const auto one = [&](auto at) {
    constexpr int kAt = at.value, kFragments = kBlockPairs / kPairsAtOnce;
    const Words4 numbers = from.template fragment<kAt>();
#pragma unroll
    for (int i = 0; i < 4; i++) {
      to.values[kAt].word[i] = multiply_pairs(numbers.word[i], from.scale_pair(i % 2, kAt * kScales / kFragments));
    }
  };
  one(std::integral_constant<int, 0>{});
  one(std::integral_constant<int, 1>{});
  one(std::integral_constant<int, 2>{});
  one(std::integral_constant<int, 3>{});
}

// sums += the inputs of a stage, which is half of a sparse block, or a whole dense one.
template <int kHalf, int kSums>
__device__ __forceinline__ void multiply_stage(float (&sums)[kSums], const Sparse& weights, std::uint64_t tokens) {
  multiply_tokens<0>(sums, weights.values[2 * kHalf], tokens, weights.metadata.word[kHalf]);
  multiply_tokens<1>(sums, weights.values[2 * kHalf + 1], tokens + 4, weights.metadata.word[kHalf]);
}
template <int kHalf, int kSums>
__device__ __forceinline__ void multiply_stage(float (&sums)[kSums], const Dense& weights, std::uint64_t tokens) {
#pragma unroll
  for (int i = 0; i < 2 * Dense::kSteps; i++) multiply_tokens(sums, weights.values[i], tokens + 2 * i);
}

template <class Weights, int kTile, PrefillOutput kOutput>
__global__ void __launch_bounds__(kPrefillThreads, 1) prefill_linear(const __grid_constant__ PrefillArguments args) {
  constexpr int kStageBytes = kTile * kStageInputs * 2, kStages = kPrefillRing / kStageBytes;
  constexpr int kBlockStages = Weights::kFormat.inputs / kStageInputs, kTileBytes = Weights::kFormat.tile_bytes;
  extern __shared__ __align__(1024) std::uint8_t memory[];
  __shared__ __align__(8) std::uint64_t full[kStages], empty[kStages];
  __shared__ volatile int asked_for;  // stages of activations
  const std::uint32_t stages = (shared_address(memory) + 1023) & ~1023u;
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / kLanes % 4, lane = threadIdx.x % kLanes;
  const int first_token = blockIdx.y * kTile;
  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_tile) s++;
  const PrefillSegment& segment = args.segments[s];
  const int cta_row = (blockIdx.x - segment.first_tile) * kPrefillRows;
  const int last_tile = (segment.rows + kTileRows - 1) / kTileRows - 1;
  const auto block_at = [&](int tile, int block) {
    return segment.weights + tile_block_offset(segment.places.of(min(tile, last_tile)), block, args.blocks, kTileBytes);
  };
  if (threadIdx.x == 0) {
    asked_for = kStages;  // those that there is room for, before the kernel before this one has ended
    for (int i = 0; i < kStages; i++) {
      barrier_init(shared_address(&full[i]), 1);
      barrier_init(shared_address(&empty[i]), 8);  // the warps that multiply
    }
    barrier_init_fence();
  }
  __syncthreads();
  release_dependents();

  if (warpgroup == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    const int stage_count = args.blocks * kBlockStages;
    if (threadIdx.x == 0) {
      wait_for_producers();
      for (int i = 0; i < stage_count; i++) {
        const int stage = i % kStages;
        barrier_wait(shared_address(&empty[stage]), i / kStages % 2 ^ 1);
        const std::uint32_t arrived = shared_address(&full[stage]);
        barrier_expect(arrived, kStageBytes);
        copy_tile(stages + stage * kStageBytes, &args.activations[s], i * kStageInputs, first_token, arrived);
        asked_for = max(kStages, i + 1);
      }
    } else if (warp == 1 && lane < kPrefillRows / kTileRows) {
      // Brings weights to the L2, a lane a tile, as far ahead of those who multiply as the activations, and some blocks. It
      // follows a count, which only grows: nobody waits for it, so a barrier could be two phases ahead when it is looked at,
      // and not come back to the phase that is waited for.
      constexpr int kAhead = 6 * kSparseInputs / Weights::kFormat.inputs;
      const int tile = cta_row / kTileRows + lane;
      for (int block = kAhead; block < args.blocks && tile <= last_tile; block++) {
        while (asked_for <= (block - kAhead) * kBlockStages) __nanosleep(50);
        prefetch_bulk(block_at(tile, block), kTileBytes);
      }
    }
    return;
  }

  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  // A tile beyond the last: that one's products, which are not stored.
  const int own_row = (warpgroup - 1) * 64 + warp * kTileRows, tile = (cta_row + own_row) / kTileRows;
  float sums[kTile / 2] = {};
  int stage = 0, parity = 0, previous = -1;
  // Multiplies a block, and does `beside` when its first products are under way and those of the block before are done.
  const auto multiply = [&](const auto& weights, const auto& beside) {
    const auto one = [&](auto half) {
      barrier_wait(shared_address(&full[stage]), parity);
      products_begin();
      multiply_stage<half.value>(sums, weights, swizzled_tile(stages + stage * kStageBytes));
      products_commit();
      products_wait<1>();
      if (previous >= 0 && lane == 0) barrier_arrive(shared_address(&empty[previous]));
      if (half.value == 0) beside();
      previous = stage;
      if (++stage == kStages) {
        stage = 0;
        parity ^= 1;
      }
    };
    one(std::integral_constant<int, 0>{});
    if constexpr (kBlockStages == 2) one(std::integral_constant<int, 1>{});
  };
  constexpr int kStep = kPanelTiles * kTileBytes;  // from a block to the next
  const std::uint8_t* next = block_at(tile, 0) + lane * 16;
  const auto load = [&](Weights& to, int block) {
    if (block < args.blocks) load_weights(to, next, lane);
    next += kStep;
  };
  Weights first, second;
  load(first, 0);
  load(second, 1);
  if constexpr (Weights::kScaled) {
    std::conditional_t<Weights::kFormat.shuffled, Sparse, Dense> even, odd;
    // `block` is the second before the one that is loaded next.
    const auto round = [&](auto& to, const Weights& from, int block) {
      round_weights(to, from);
      if (block < args.blocks) load_metadata<Weights>(to, next - 2 * kStep, lane);
    };
    round(even, first, 0);
    load(first, 2);
#pragma unroll 1
    for (int block = 0; block < args.blocks; block += 2) {
      multiply(even, [&] {
        round(odd, second, block + 1);
        load(second, block + 3);
      });
      if (block + 1 >= args.blocks) break;
      multiply(odd, [&] {
        round(even, first, block + 2);
        load(first, block + 4);
      });
    }
  } else {
    // The next block but one comes into the registers of the one before.
    Weights third;
#pragma unroll 1
    for (int block = 0; block < args.blocks; block += 3) {
      multiply(first, [&] { load(third, block + 2); });
      if (block + 1 < args.blocks) multiply(second, [&] { load(first, block + 3); });
      if (block + 2 < args.blocks) multiply(third, [&] { load(second, block + 4); });
    }
  }
  products_wait<0>();
  wait_for_producers();
  std::uint8_t* const ring = memory + (stages - shared_address(memory));
  const PrefillPlace place{first_token, cta_row, own_row, segment.first_row, segment.rows};
  if constexpr (kOutput == PrefillOutput::kAdded) {
    add_sums<kTile>(args, place, sums, ring);
  } else {
    store_sums<kTile, kOutput == PrefillOutput::kGated>(args, place, sums, ring);
  }
}

}  // namespace esparse
