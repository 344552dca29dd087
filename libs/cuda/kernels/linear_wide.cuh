// The linear of decode for 32 and 64 tokens: the sums of `linear.cuh`, in the same order, hence the same bits.
//
// There a CTA holds the activations of all tokens and its slice of the inputs; those of so many tokens would not fit. Here
// each of eight warps has a panel of its own, and all work on the same block of inputs at about the same time: its activations
// come through a ring of blocks, or once, where the whole slice has room.
//
// Activations of integers have become digits before.
//
// Grid (CTAs, slices, groups of kTokens tokens).
#pragma once
#include "digits.cuh"
#include "linear_output.cuh"

namespace esparse {

// sums += a block of both tiles times the activations of kGroups groups of tokens.
template <class Weights, int kGroups, int kStep = 0>
__device__ __forceinline__ void multiply_groups(float (&sums)[kPanelTiles][4 * kGroups][4],
                                                const Weights (&weights)[kPanelTiles], const std::uint8_t* x, int lane) {
  if constexpr (kStep < Weights::kSteps) {
    constexpr int kGroup = kBlockColumns<Weights, kGroupTokens>, kStepOfGroup = kGroup / Weights::kSteps;
    using Columns = typename Weights::Columns;
    static_assert(kPanelTiles == 2);
    const decltype(weights[0].template step<kStep>()) steps[] = {weights[0].template step<kStep>(),
                                                                 weights[1].template step<kStep>()};
    multiply_step<Weights>(sums, steps, [&](Columns (&columns)[kPanelTiles], int eight) {
      columns[0] = columns[1] = Columns::template load<kGroupTokens>(x + eight / 4 * kGroup + kStep * kStepOfGroup,
                                                                    eight % 4, lane);
    });
    multiply_groups<Weights, kGroups, kStep + 1>(sums, weights, x, lane);
  }
}

// The activations of a slice's blocks, block after block and round after round, in shared memory.
template <class Weights, int kTokens>
struct ActivationRing {
  static constexpr int kGroup = kBlockColumns<Weights, kGroupTokens>, kGroups = kTokens / kGroupTokens;
  const LinearArguments& args;
  int segment, first, blocks;  // of the slice
  // Shared addresses; the barriers of empty stages follow those of full ones.
  std::uint32_t stages, full;

  __device__ __forceinline__ int count() const { return args.plan.resident ? blocks : args.plan.rounds * blocks; }

  // By the lanes of a warp that copy.
  __device__ __forceinline__ void bring(int i) const {
    const int stage = i % args.plan.stages;
    barrier_expect(full + stage * 8, kGroups * kGroup);
#pragma unroll 1
    for (int group = 0; group < kGroups; group++) {
      const std::size_t block = static_cast<std::size_t>(blockIdx.z * kGroups + group) * args.blocks + first + i % blocks;
      bulk_copy(stages + (stage * kGroups + group) * kGroup, args.activations[segment].fragments + block * kGroup, kGroup,
                full + stage * 8);
    }
    copies_asked_for(full + stage * 8);
  }
  // Before block i: brings another one to where block i - 2 was, which all warps have done or nearly so. They take turns.
  // What a warp waits for here needs no block that is not on its way already: block i - 2 was brought at i - depth.
  __device__ __forceinline__ void refill(int i, int warp) const {
    const int depth = args.plan.stages;
    if (i < 2 || i + depth - 2 >= count() || i % kLinearWarps != warp) return;
    const std::uint32_t empty = full + depth * 8;
    barrier_wait(empty + (i - 2) % depth * 8, (i - 2) / depth % 2);
    bring(i + depth - 2);
  }
};

template <class Weights, int kTokens>
__global__ void __launch_bounds__(kLinearThreads, kTokens == 32 && !kLanesCopy ? Weights::kFormat.ctas : 1)
    linear_wide(const __grid_constant__ LinearArguments args) {
  using Stream = WeightStream<Weights>;
  constexpr int kGroups = kTokens / kGroupTokens, kGroupBlock = kBlockColumns<Weights, kGroupTokens>;
  extern __shared__ __align__(128) std::uint8_t shared[];
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const LinearPlan& plan = args.plan;
  const InputSlice slice = input_slice<1>(args.blocks, blockIdx.y, 0);
  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_cta) s++;
  const LinearSegment& segment = args.segments[s];
  const int ctas = (s + 1 < args.segment_count ? args.segments[s + 1].first_cta : gridDim.x) - segment.first_cta;
  const int first_panel = (blockIdx.x - segment.first_cta) * kLinearWarps + warp, panel_step = ctas * kLinearWarps;

  const std::uint32_t barriers = shared_address(shared + plan.barriers), depth = plan.depth;
  const std::uint32_t full = barriers + kLinearWarps * depth * 8, empty = full + plan.stages * 8;
  std::uint8_t* const stages = shared + plan.activations;
  const int panels = first_panel < segment.panels ? (segment.panels - 1 - first_panel) / panel_step + 1 : 0;
  const std::uint8_t* const ring = shared + warp * depth * Stream::kBlock;
  const std::size_t panel_bytes = panel_bytes_of<Stream>(args, segment);
  Stream stream{segment.weights + first_panel * panel_bytes + static_cast<std::size_t>(slice.first) * Stream::kBlock,
                panel_step * panel_bytes - slice.blocks * Stream::kBlock,
                shared_address(ring),
                barriers + warp * depth * 8,
                slice.blocks,
                0,
                panels * slice.blocks,
                gridDim.z == 1,
                false,
                tiles_apart<Stream>(args, segment)};
  const ActivationRing<Weights, kTokens> activations{args, s, slice.first, slice.blocks, shared_address(stages), full};
  if (lane == 0) {
#pragma unroll 1
    for (int i = 0; i < depth; i++) barrier_init(stream.barriers + i * 8, kCopyArrivals);
    if (warp == 0) {
      for (int i = 0; i < plan.stages; i++) {
        barrier_init(full + i * 8, kCopyArrivals);
        barrier_init(empty + i * 8, kLinearWarps);
      }
    }
    barrier_init_fence();
  }
  __syncwarp();
#pragma unroll 1
  for (int i = 0; i < depth; i++) stream.request(i);
  __syncthreads();
  wait_for_producers();
  if (kLanesCopy ? threadIdx.x < kLanes : threadIdx.x == 0) {
    for (int i = 0; i < min(plan.stages, activations.count()); i++) activations.bring(i);
  }

  std::uint32_t stage = 0, parity = 0, x_stage = 0, x_parity = 0;
  for (int round = 0; round < plan.rounds; round++) {
    float sums[kPanelTiles][4 * kGroups][4] = {};
    const int panel = first_panel + round * panel_step;
    for (int block = 0; block < slice.blocks; block++) {
      if (kLanesCopy || lane == 0) activations.refill(round * slice.blocks + block, warp);
      barrier_wait(full + x_stage * 8, x_parity);
      if (panel < segment.panels) {
        barrier_wait(stream.barriers + stage * 8, parity);
        Weights weights[kPanelTiles];
#pragma unroll
        for (int tile = 0; tile < kPanelTiles; tile++) {
          weights[tile].load(ring + stage * Stream::kBlock + tile * Weights::kFormat.tile_bytes, lane);
        }
        multiply_groups<Weights, kGroups>(sums, weights, stages + x_stage * kGroups * kGroupBlock, lane);
        __syncwarp();
        stream.request(stage);
        if (++stage == depth) {
          stage = 0;
          parity ^= 1;
        }
      }
      __syncwarp();
      if (!plan.resident && lane == 0) barrier_arrive(empty + x_stage * 8);
      if (++x_stage == (plan.resident ? slice.blocks : plan.stages)) {
        x_stage = 0;
        if (!plan.resident) x_parity ^= 1;
      }
    }
    finish_round<kTokens, 1, Output::kPlanes>(args, segment, panel, panel, sums, nullptr);
  }
}

template <class Weights>
LinearKernel linear_wide_kernel(int tokens) {
  if constexpr (!Weights::kScaled) {
    if (tokens == 64) return linear_wide<Weights, 64>;
  }
  return tokens == 32 ? linear_wide<Weights, 32> : nullptr;
}

}  // namespace esparse
