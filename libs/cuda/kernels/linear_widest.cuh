// The linear of decode for 64 tokens in bf16: the sums of `linear.cuh`, in the same order, hence the same bits.
//
// Tensor cores and shared memory limit it, not the weights: eight warps of a CTA are four times two. Each has one panel or two, and
// half of the tokens, so that what it reads of either serves many products. A ninth warp brings blocks of weights and of activations
// through two rings. Where a CTA has several panels in turn and room for its slice of the activations, these stay.
//
// A CTA sums one slice of the inputs, or several, which it adds up by the tree that every reader of planes has: sums that wait for
// their partner lie in shared memory or, where that has no room, behind it.
//
// Grid (CTAs, planes).
#pragma once
#include <type_traits>

#include "digits.cuh"
#include "linear_output.cuh"

namespace esparse {

// Places in a ring, one after the other: `step` further at a time.
struct RingPlace {
  int at;
  std::uint32_t parity;
  __device__ __forceinline__ void move(int step, int count) {
    at += step;
    if (at >= count) {
      at -= count;
      parity ^= 1;
    }
  }
};

// What all warps of a CTA know.
template <class Weights, int kTokens, int kPanels>
struct WidestWork {
  static constexpr int kTile = Weights::kFormat.tile_bytes, kBlock = kPanelTiles * kTile, kSlot = kPanels * kBlock;
  // Activations come by 64 inputs.
  static constexpr int kParts = Weights::kFormat.inputs / kWidestInputs, kPartSteps = Weights::kSteps / kParts;
  static constexpr int kGroup = kBlockActivations<Weights, kGroupTokens> / kParts, kGroups = kTokens / kGroupTokens;
  static constexpr int kStage = kGroups * kGroup;
  static constexpr int kCtaPanels = kWidestRows * kPanels;
  const LinearArguments& args;
  const LinearSegment& segment;
  int s, cta, ctas;
  int first, blocks;  // of the inputs
  // Shared addresses.
  std::uint32_t slots, stages;
  std::uint32_t slot_full, slot_empty, stage_full, stage_empty;

  __device__ __forceinline__ int panel(int round, int row) const { return (round * ctas + cta) * kCtaPanels + row * kPanels; }
};

// A warp that brings them: the weights of a row of warps, and a group of tokens. One lane asks for a copy, or all lanes copy.
template <class Weights, int kTokens, int kPanels>
struct WidestProducer {
  using Work = WidestWork<Weights, kTokens, kPanels>;
  const Work& of;
  int row;
  RingPlace slot, stage{0, 1};      // of the empty barriers: the first time round they are as good as done
  const std::uint8_t *from, *x;     // the next ones
  std::size_t second;               // from the first panel to the second
  int round = 0, block = 0, part = 0;

  __device__ __forceinline__ WidestProducer(const Work& work, int warp) : of(work), row(warp), slot{warp, 1} {
    const int group = blockIdx.z * Work::kGroups + row;
    x = of.args.activations[of.s].fragments + (static_cast<std::size_t>(group) * of.args.blocks + of.first) * (Work::kParts * Work::kGroup);
    begin_round();
  }
  // Panels beyond the last are as good as any: nobody stores their sums.
  __device__ __forceinline__ void begin_round() {
    const int last = of.segment.panels - 1, panel = of.panel(round, row);
    const std::size_t bytes = of.segment.panel_bytes;
    from = of.segment.weights + min(panel, last) * bytes + static_cast<std::size_t>(of.first) * Work::kBlock;
    second = panel < last ? bytes : 0;
  }
  __device__ __forceinline__ void bring_weights(std::size_t apart, bool once) {
    const std::uint32_t full = of.slot_full + slot.at * 8, to = of.slots + slot.at * Work::kSlot;
    if (kLanesCopy || elected()) {
      const auto copy = [&](std::uint32_t at, const std::uint8_t* piece, int bytes) {
        if (once) bulk_copy_once(at, piece, bytes, full);
        else bulk_copy(at, piece, bytes, full);
      };
      barrier_expect(full, Work::kSlot);
      if (apart == 0) {
        copy(to, from, Work::kBlock);
        if constexpr (kPanels == 2) copy(to + Work::kBlock, from + second, Work::kBlock);
      } else {
#pragma unroll
        for (int tile = 0; tile < kPanels * kPanelTiles; tile++) {
          copy(to + tile * Work::kTile, from + tile % kPanelTiles * apart + tile / kPanelTiles * second, Work::kTile);
        }
      }
      copies_asked_for(full);
    }
    slot.move(kWidestRows, of.args.plan.depth);
    from += Work::kBlock;
    if (++block < of.blocks) return;
    block = 0;
    round++;
    begin_round();
  }
  __device__ __forceinline__ void bring_activations() {
    const std::uint32_t full = of.stage_full + stage.at * 8;
    if (kLanesCopy || elected()) {
      barrier_expect(full, Work::kGroup);
      bulk_copy(of.stages + stage.at * Work::kStage + row * Work::kGroup, x, Work::kGroup, full);
      copies_asked_for(full);
    }
    stage.move(1, of.args.plan.stages);
    x += Work::kGroup;
    if (++part < of.blocks * Work::kParts) return;
    part = 0;
    x -= of.blocks * (Work::kParts * Work::kGroup);
  }

  __device__ __forceinline__ void run() {
    const LinearPlan& plan = of.args.plan;
    const std::size_t apart = of.segment.apart ? static_cast<std::size_t>(of.args.blocks) * Work::kBlock : 0;  // of a panel's tiles
    const bool once = kTokens == kMostTokens || gridDim.z == 1;
    const int blocks = plan.rounds * of.blocks, depth = plan.depth, stages = plan.stages;
    const int all_slots = blocks * kWidestRows, all_stages = row < Work::kGroups ? (plan.resident ? of.blocks : blocks) * Work::kParts : 0;
    int next = row, brought = 0;
    for (; next < min(plan.ahead, all_slots); next += kWidestRows) bring_weights(apart, once);
    if (row == 0) stamp(Moment::kRequested, threadIdx.x % kLanes == 0);
    wait_for_producers();
    if (row == 0) stamp(Moment::kReleased, threadIdx.x % kLanes == 0);
    // What is free first goes first. Neither ring waits for what the other has yet to bring: each has room for a block.
    while (next < all_slots || brought < all_stages) {
      if (brought < all_stages && (next >= all_slots || kWidestRows * (brought - stages) <= Work::kParts * (next - depth))) {
        barrier_wait(of.stage_empty + stage.at * 8, stage.parity);
        bring_activations();
        brought++;
      } else {
        barrier_wait(of.slot_empty + slot.at * 8, slot.parity);
        bring_weights(apart, once);
        next += kWidestRows;
      }
    }
    release_dependents();
  }
};

// sums += steps of a block of a warp's tiles times the activations of its tokens.
template <class Weights, int kStep, int kEnd, int kGroup, int kTiles, int kEights>
__device__ __forceinline__ void multiply_widest(float (&sums)[kTiles][kEights][4], Weights (&weights)[kTiles], const std::uint8_t* tiles,
                                              const std::uint8_t* x, int lane) {
  if constexpr (kStep < kEnd) {
    using Columns = typename Weights::Columns;
    using Step = decltype(weights[0].template step<kStep>());
#pragma unroll
    for (int tile = 0; tile < kTiles; tile++) weights[tile].load_step(tiles + tile * Weights::kFormat.tile_bytes, lane, kStep);
    const auto multiply = [&](const Step(&steps)[kTiles]) {
      multiply_step<Weights>(sums, steps, [&](Columns(&columns)[kTiles], int eight) {
        columns[0] = Columns::template load<kGroupTokens>(x + eight / 4 * kGroup, eight % 4, lane);
#pragma unroll
        for (int tile = 1; tile < kTiles; tile++) columns[tile] = columns[0];
      });
    };
    const auto step = [&](int tile) { return weights[tile].template step<kStep>(); };
    if constexpr (kTiles == 2) multiply({step(0), step(1)});
    else multiply({step(0), step(1), step(2), step(3)});
    multiply_widest<Weights, kStep + 1, kEnd, kGroup>(sums, weights, tiles, x + kBlockActivations<Weights, kGroupTokens> / Weights::kSteps,
                                                    lane);
  }
}

// Exchanges what lanes `distance` apart have: of two values each keeps one and gets the other's, so that a bit of the lane's number
// changes places with the one that tells the values apart.
__device__ __forceinline__ void exchange(float& first, float& second, int distance, int lane) {
  const bool upper = (lane & distance) != 0;
  const float other = __shfl_xor_sync(~0u, upper ? first : second, distance);
  (upper ? first : second) = other;
}

// Stores the sums of a warp: of a token 32 rows at once, as whole lines of the L2, which a fragment has not: eight rows of four tokens.
template <int kTiles, int kEights>
__device__ __forceinline__ void store_panels(const LinearArguments& args, const LinearSegment& segment, int panel, int first_token,
                                             float (&sums)[kTiles][kEights][4], int lane) {
  const bool aligned = args.out_rows % 4 == 0 && segment.first_row % 4 == 0;
#pragma unroll
  for (int p = 0; p < kTiles / kPanelTiles; p++) {
    const int row = (panel + p) * kPanelRows + lane / 4 % 4 * 8 + lane / 16 * 4;
#pragma unroll
    for (int eight = 0; eight < kEights; eight++) {
      float four[] = {sums[2 * p][eight][0], sums[2 * p][eight][2], sums[2 * p + 1][eight][0], sums[2 * p + 1][eight][2]};
      exchange(four[0], four[1], 4, lane);
      exchange(four[2], four[3], 4, lane);
      exchange(four[0], four[2], 8, lane);
      exchange(four[1], four[3], 8, lane);
      float* const to = args.out + static_cast<std::size_t>(first_token + eight * 4 + lane % 4) * args.out_rows + segment.first_row + row;
      if (panel + p >= segment.panels) continue;
      if (aligned && row + 4 <= segment.rows) {
        *reinterpret_cast<float4*>(to) = make_float4(four[0], four[1], four[2], four[3]);
      } else {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          if (row + i < segment.rows) to[i] = four[i];
        }
      }
    }
  }
}

// A warp that multiplies.
template <class Weights, int kTokens, int kPanels>
__device__ __forceinline__ void multiply_panels(const WidestWork<Weights, kTokens, kPanels>& of, const std::uint8_t* slots,
                                                const std::uint8_t* stages, float* pending, int shared_levels) {
  using Work = WidestWork<Weights, kTokens, kPanels>;
  constexpr int kTiles = kPanels * kPanelTiles, kOwn = kTokens / kWidestTokenWarps, kEights = kOwn / 4;
  constexpr int kLevel = kTiles * kEights * 2 * kLinearThreads;  // sums of a CTA
  const LinearPlan& plan = of.args.plan;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, row = warp % kWidestRows, first_token = warp / kWidestRows * kOwn;
  const int slices = kSlices / gridDim.y;
  const std::uint8_t* const own = stages + first_token / kGroupTokens * Work::kGroup;
  float* const behind = of.args.pending + (blockIdx.x + static_cast<std::size_t>(gridDim.x) * (blockIdx.y + gridDim.y * blockIdx.z)) *
                                              (3 - shared_levels) * kLevel;
  RingPlace slot{row, 0}, stage{0, 0};
  for (int round = 0; round < plan.rounds; round++) {
    const int panel = of.panel(round, row);
    if (plan.resident) stage = {0, 0};
    for (int s = 0; s < slices; s++) {
      const int slice = blockIdx.y * slices + s, blocks = slice_first(slice + 1, of.args.blocks) - slice_first(slice, of.args.blocks);
      float sums[kTiles][kEights][4] = {};
#pragma unroll 1
      for (int block = 0; block < blocks; block++) {
        barrier_wait(of.slot_full + slot.at * 8, slot.parity);
        if (round == 0 && s == 0 && block == 0) stamp(Moment::kReady);
        const std::uint8_t* const tiles = slots + slot.at * Work::kSlot;
        Weights weights[kTiles];
#pragma unroll
        for (int tile = 0; tile < kTiles; tile++) weights[tile].load_common(tiles + tile * Work::kTile, lane);
        const auto part = [&](auto first) {
          constexpr int kFirst = decltype(first)::value;
          barrier_wait(of.stage_full + stage.at * 8, stage.parity);
          multiply_widest<Weights, kFirst, kFirst + Work::kPartSteps, Work::kGroup>(sums, weights, tiles, own + stage.at * Work::kStage, lane);
          __syncwarp();
          if (!plan.resident && lane == 0) barrier_arrive(of.stage_empty + stage.at * 8);
          stage.move(1, plan.stages);
        };
        part(std::integral_constant<int, 0>{});
        if constexpr (Work::kParts == 2) part(std::integral_constant<int, Work::kPartSteps>{});
        if (lane == 0) barrier_arrive(of.slot_empty + slot.at * 8);
        slot.move(kWidestRows, plan.depth);
      }
      // hi and lo, then the sums that wait for this one.
      const auto each = [&](const auto& of_sum) {
#pragma unroll
        for (int tile = 0; tile < kTiles; tile++) {
#pragma unroll
          for (int eight = 0; eight < kEights; eight++) {
#pragma unroll
            for (int half = 0; half < 2; half++) of_sum(sums[tile][eight][2 * half], tile, eight, half);
          }
        }
      };
#pragma unroll
      for (int tile = 0; tile < kTiles; tile++) {
#pragma unroll
        for (int eight = 0; eight < kEights; eight++) {
          sums[tile][eight][0] += sums[tile][eight][1];
          sums[tile][eight][2] += sums[tile][eight][3];
        }
      }
      int level = 0;
      const auto level_at = [&] { return (level < shared_levels ? pending + level * kLevel : behind + (level - shared_levels) * kLevel) + threadIdx.x; };
#pragma unroll 1
      for (; (s >> level & 1) != 0; level++) {
        const float* const from = level_at();
        each([&](float& sum, int tile, int eight, int half) { sum = from[((tile * kEights + eight) * 2 + half) * kLinearThreads] + sum; });
      }
      if (s + 1 < slices) {
        float* const to = level_at();
        each([&](float& sum, int tile, int eight, int half) { to[((tile * kEights + eight) * 2 + half) * kLinearThreads] = sum; });
      } else {
        const int token = (blockIdx.y * gridDim.z + blockIdx.z) * kTokens + first_token;
        store_panels(of.args, of.segment, panel, token, sums, lane);
      }
    }
  }
}

template <class Weights, int kTokens, int kPanels>
__global__ void __launch_bounds__(kWidestThreads, 1) linear_widest(const __grid_constant__ LinearArguments args) {
  extern __shared__ __align__(128) std::uint8_t shared[];
  const LinearPlan& plan = args.plan;
  begin_timeline(args.segments[0].weights);
  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_cta) s++;
  const LinearSegment& segment = args.segments[s];
  const int slices = kSlices / gridDim.y, first = slice_first(blockIdx.y * slices, args.blocks);
  const std::uint32_t barriers = shared_address(shared + plan.barriers);
  const WidestWork<Weights, kTokens, kPanels> work{args,
                                                 segment,
                                                 s,
                                                 static_cast<int>(blockIdx.x) - segment.first_cta,
                                                 segment.ctas,
                                                 first,
                                                 slice_first(blockIdx.y * slices + slices, args.blocks) - first,
                                                 shared_address(shared),
                                                 shared_address(shared + plan.activations),
                                                 barriers,
                                                 barriers + plan.depth * 8,
                                                 barriers + 2 * plan.depth * 8,
                                                 barriers + (2 * plan.depth + plan.stages) * 8};
  if (threadIdx.x == kLinearThreads) {
    for (int i = 0; i < plan.depth; i++) {
      barrier_init(work.slot_full + i * 8, kCopyArrivals);
      barrier_init(work.slot_empty + i * 8, kWidestTokenWarps);
    }
    for (int i = 0; i < plan.stages; i++) {
      barrier_init(work.stage_full + i * 8, kCopyArrivals * work.kGroups);
      barrier_init(work.stage_empty + i * 8, kLinearWarps);
    }
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x >= kLinearThreads) {
    if constexpr (kTokens == kMostTokens) registers_fewer<40>();
    WidestProducer<Weights, kTokens, kPanels>{work, static_cast<int>(threadIdx.x - kLinearThreads) / kLanes}.run();
    return;
  }
  if constexpr (kTokens == kMostTokens) registers_more<232>();
  multiply_panels<Weights, kTokens, kPanels>(work, shared, shared + plan.activations, reinterpret_cast<float*>(shared + plan.partials),
                                             plan.pending);
  stamp(Moment::kSummed);
  end_timeline();
}

template <class Weights>
LinearKernel linear_widest_kernel(int panels) {
  if constexpr (Weights::kScaled) return nullptr;
  else return panels == 2 ? linear_widest<Weights, kMostTokens, 2> : linear_widest<Weights, kMostTokens, 1>;
}

}  // namespace esparse
