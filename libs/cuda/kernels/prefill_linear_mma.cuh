// The linear of prefill where there is no wgmma: y = W x for many tokens, as `prefill_linear.cuh` has it, by the products of a
// warp (mma.sp, mma), which every GPU since sm_80 has.
//
// A warp has up to 64 rows by 64 tokens. What a CTA multiplies comes to shared memory some stages ahead
// (`mma_stages.cuh`), but for the metadata, which each warp reads for itself, a block ahead. Fragments of a step are loaded while
// the products of the step before are under way, over the edges of stages too.
//
// Grid (tiles of rows over all segments x tiles of tokens).
#pragma once
#include <type_traits>

#include "mma_stages.cuh"
#include "prefill_rows.cuh"

namespace esparse {

// How a warp reads a stage.
template <class Shape>
struct StageFragments {
  static constexpr bool kSparse = Shape::kSparse;
  // A load of activations: of 2:4 eight tokens by 32 inputs, dense 16 tokens by 16 inputs.
  static constexpr int kEights = kSparse ? 1 : 2, kLoads = Shape::kEights / kEights;
  static constexpr int kTokenRow = Shape::kTokenRow, kStepRow = kTokenRow / Shape::kStageSteps;
  std::uint32_t weights, tokens;  // the lane's, of the first stage

  __device__ __forceinline__ StageFragments(std::uint32_t base, int warp_row, int warp_token) {
    const int lane = threadIdx.x % kLanes;
    const int row = kSparse ? lane % 8 : lane / 16 * 8 + lane % 8, chunk = kSparse ? lane / 8 : lane / 8 % 2;
    weights = base + warp_row / kTileRows * Shape::kTileStage + lane * 16;
    tokens = base + Shape::kWeightBytes + warp_token * kTokenRow + chunk_place<kTokenRow>(row, chunk);
  }
  // Of step `step` of the stage `slot` bytes behind the first one.
  __device__ __forceinline__ void load_weights(Words4 (&to)[Shape::kTiles], std::uint32_t slot, int step) const {
#pragma unroll
    for (int t = 0; t < Shape::kTiles; t++) to[t] = load_shared(weights + slot + t * Shape::kTileStage + step * kStepBytes);
  }
  __device__ __forceinline__ Words4 load_tokens(std::uint32_t slot, int step, int load) const {
    return load_matrices(((tokens + slot) ^ (step * kStepRow)) + load * (kEights * 8 * kTokenRow));
  }
};

// A warp's metadata of a block of 2:4 weights, whose first tile is `tile`.
template <class Shape>
__device__ __forceinline__ void load_metadata(Words2 (&to)[Shape::kTiles], const PrefillArguments& args, const MmaPlace& place,
                                              int tile, int block) {
  if constexpr (Shape::kSparse) {
#pragma unroll
    for (int t = 0; t < Shape::kTiles; t++) {
      const std::uint8_t* const from = place.segment.weights + place.tile_offset(tile + t, args.blocks, Shape::kTileBytes) +
                                       static_cast<std::uint32_t>(block) * Shape::kBlockBytes + kSparseMetadata +
                                       threadIdx.x % kLanes * 8;
      const uint2 both = __ldg(reinterpret_cast<const uint2*>(from));
      to[t] = {{both.x, both.y}};
    }
  }
}

// What a lane has of the sums: row lane / 4 of a tile and token 2 (lane % 4) of an eight, and the next; then eight rows below.
template <class Shape>
using MmaSums = float[Shape::kTiles][Shape::kEights][4];

// Turns the sums of a CTA, so that rows of a token stand side by side, and writes them.
template <class Shape>
__device__ __forceinline__ void write_sums(const PrefillArguments& args, const MmaPlace& place, const MmaSums<Shape>& sums, int warp_row,
                                           int warp_token, float* staged) {
  constexpr int kRow = Shape::kRows + 4;  // banks differ
  const int lane = threadIdx.x % kLanes;
#pragma unroll
  for (int t = 0; t < Shape::kTiles; t++) {
#pragma unroll
    for (int eight = 0; eight < Shape::kEights; eight++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int token = warp_token + eight * 8 + lane % 4 * 2 + i % 2, row = warp_row + t * kTileRows + lane / 4 + i / 2 * 8;
        staged[token * kRow + row] = sums[t][eight][i];
      }
    }
  }
  __syncthreads();
  const auto share = [&](auto values) {
    return PrefillShare<Shape::kRows, Shape::kTokens, kMmaThreads, values.value>(args, threadIdx.x, place.first_token, place.tile_row,
                                                                     place.segment.first_row, place.segment.rows);
  };
  if (args.output == PrefillOutput::kAdded) {
    add_rows<kRow>(args, share(std::integral_constant<int, 4>{}), staged);
    return;
  }
  const auto eight_of = [&](const auto& of) {
    const float* const from = staged + of.token * kRow + of.chunk * 8;
    return [=](int i) {
      const float4* const eight = reinterpret_cast<const float4*>(from + i * of.kStep * kRow);
      return make_uint4(packed(eight[0].x, eight[0].y), packed(eight[0].z, eight[0].w), packed(eight[1].x, eight[1].y),
                        packed(eight[1].z, eight[1].w));
    };
  };
  const auto eights = share(std::integral_constant<int, 8>{});
  if (args.output == PrefillOutput::kGated) store_rows<true>(args, eights, eight_of);
  else store_rows<false>(args, eights, eight_of);
}

template <class Weights, int kRowWarps, int kWarpRows, int kWarpTokens>
__global__ void __launch_bounds__(kMmaThreads, kMmaCtas) prefill_linear_mma(const __grid_constant__ PrefillArguments args) {
  using Shape = MmaShape<Weights, kRowWarps, kWarpRows, kWarpTokens>;
  using Fragments = StageFragments<Shape>;
  constexpr bool kSparse = Shape::kSparse;
  constexpr int kAhead = Shape::kStages - 2, kStageSteps = Shape::kStageSteps, kLoads = Fragments::kLoads, kTiles = Shape::kTiles;
  extern __shared__ __align__(128) std::uint8_t shared[];
  const std::uint32_t base = shared_address(shared);
  const MmaPlace place = mma_place<Shape>(args);
  StageCopies<Shape> copies(args, place, base);
  const int warp = threadIdx.x / kLanes, warp_row = warp % kRowWarps * kWarpRows, warp_token = warp / kRowWarps * kWarpTokens;
  const int warp_tile = (place.tile_row + warp_row) / kTileRows;
  const Fragments fragments(base, warp_row, warp_token);

  // The stage after the one that is multiplied has come, to all threads; and all of the one before it has been read.
  const auto turn = [&] {
    copies_wait<kAhead - 1>();
    __syncthreads();
    copies.request();
  };
  MmaSums<Shape> sums = {};
  Words2 metadata[kTiles] = {}, next_metadata[kTiles] = {};
  Words4 weights[2][kTiles], tokens[2];
  std::uint32_t slot = 0, next_slot = 0;  // bytes before the stage that is multiplied, and before that of the next step
  load_metadata<Shape>(metadata, args, place, warp_tile, 0);
  for (int i = 0; i < kAhead; i++) copies.request();
  turn();
  fragments.load_weights(weights[0], slot, 0);
  tokens[0] = fragments.load_tokens(slot, 0, 0);
  const auto multiply = [&](auto of) {
    constexpr int kStep = of.value, kOfStage = kStep % kStageSteps, kNext = (kOfStage + 1) % kStageSteps;
    // In the middle of a stage's last step: there are products to be made while fragments come from the stage that follows.
    constexpr int kTurn = kNext == 0 ? kLoads / 2 : 0;
#pragma unroll
    for (int load = 0; load < kLoads; load++) {
      const bool last = load + 1 == kLoads;
      if (load == kTurn) {
        if constexpr (kNext == 0) {
          next_slot = Shape::next_stage(slot);
          turn();
        }
        fragments.load_weights(weights[(kStep + 1) % 2], next_slot, kNext);
      }
      tokens[(load + 1) % 2] = fragments.load_tokens(last ? next_slot : slot, last ? kNext : kOfStage, last ? 0 : load + 1);
      const Words4& x = tokens[load % 2];
#pragma unroll
      for (int t = 0; t < kTiles; t++) {
        const Words4& a = weights[kStep % 2][t];
        if constexpr (kSparse) {
          multiply_sparse<kStep % 2>(sums[t][load], a, x, metadata[t].word[kStep / 2]);
        } else {
          multiply_dense(sums[t][2 * load], a, x.word[0], x.word[1]);
          multiply_dense(sums[t][2 * load + 1], a, x.word[2], x.word[3]);
        }
      }
    }
    slot = next_slot;
  };
#pragma unroll 1
  for (int block = 0; block < args.blocks; block++) {
    load_metadata<Shape>(next_metadata, args, place, warp_tile, min(block + 1, args.blocks - 1));
    multiply(std::integral_constant<int, 0>{});
    multiply(std::integral_constant<int, 1>{});
    multiply(std::integral_constant<int, 2>{});
    multiply(std::integral_constant<int, 3>{});
#pragma unroll
    for (int t = 0; t < kTiles; t++) metadata[t] = next_metadata[t];
  }
  copies_wait<0>();
  __syncthreads();
  write_sums<Shape>(args, place, sums, warp_row, warp_token, reinterpret_cast<float*>(shared));
}

// The kernel of `kMmaTiles[tile]`.
template <class Weights>
constexpr void (*mma_kernel(int tile))(PrefillArguments) {
  return tile == 0   ? prefill_linear_mma<Weights, 2, 64, 64>
         : tile == 1 ? prefill_linear_mma<Weights, 2, 64, 32>
                     : prefill_linear_mma<Weights, 4, 32, 32>;
}

}  // namespace esparse
