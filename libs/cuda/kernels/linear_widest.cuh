// The linear of decode for 32 and 64 tokens in bf16, by Hopper's products of a warpgroup: the sums of `linear.cuh`, in the same order, hence
// the same bits.
//
// Tensor cores and shared memory limit it, not the weights: two warpgroups multiply 64 rows each, or twice 64, by the columns of all
// tokens, which stand as rows in shared memory (`row_offset`). Four more warps bring blocks of weights and of activations through two
// rings. Where a CTA has several panels in turn and room for its slice of the activations, these stay.
//
// A CTA sums one slice of the inputs, or several, which it adds up by the tree that every reader of planes has: sums that wait for
// their partner lie in memory.
//
// Grid (CTAs, planes).
#pragma once
#include <type_traits>

#include "arguments.h"
#include "ring_place.h"
#include "timeline.cuh"
#include "weights.cuh"
#include "wgmma.cuh"

namespace esparse {

// What all warps of a CTA know.
template <class Weights, int kTokens, int kPanels>
struct WidestWork {
  static constexpr int kTile = Weights::kFormat.tile_bytes, kBlock = kPanelTiles * kTile, kSlot = kPanels * kBlock;
  // Activations come by 64 inputs.
  static constexpr int kParts = Weights::kFormat.inputs / kRowInputs;
  static constexpr int kStage = rows_bytes(kTokens), kGroups = kWidestRows, kGroup = kStage / kGroups;
  const LinearArguments& args;
  const LinearSegment& segment;
  int s, cta, ctas;
  int first, blocks;  // of the inputs
  // Shared addresses.
  std::uint32_t slots, stages;
  std::uint32_t slot_full, slot_empty, stage_full, stage_empty;

  // The panels of a row of warps: `kPanels` of the first rows, one less of the others, one at least.
  __device__ __forceinline__ int more_rows() const { return args.plan.cta_panels - (kPanels - 1) * kWidestRows; }
  __device__ __forceinline__ int panels(int row) const { return kPanels == 2 && row >= more_rows() ? 1 : kPanels; }
  __device__ __forceinline__ int panel(int round, int row) const {
    return (round * ctas + cta) * args.plan.cta_panels + (kPanels == 2 ? row + min(row, more_rows()) : row);
  }
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
  int panels;
  int round = 0, block = 0, part = 0;

  __device__ __forceinline__ WidestProducer(const Work& work, int warp) : of(work), row(warp), slot{warp, 1} {
    panels = of.panels(row);
    x = of.args.activations[of.s].fragments + static_cast<std::size_t>(of.first) * (Work::kParts * Work::kStage) + row * Work::kGroup;
    begin_round();
  }
  // Panels beyond the last are as good as any: nobody stores their sums.
  __device__ __forceinline__ void begin_round() {
    const int last = of.segment.panels - 1, panel = of.panel(round, row);
    const std::size_t bytes = of.segment.panel_bytes;
    from = of.segment.weights + min(panel, last) * bytes + static_cast<std::size_t>(of.first) * Work::kBlock;
    second = panel < last ? bytes : 0;
  }
  __device__ __forceinline__ void bring_weights(std::size_t apart) {
    const std::uint32_t full = of.slot_full + slot.at * 8, to = of.slots + slot.at * Work::kSlot;
    if (kLanesCopy || elected()) {
      const auto copy = [&](std::uint32_t at, const std::uint8_t* piece, int bytes) {
        bulk_copy_once(at, piece, bytes, full);
      };
      barrier_expect(full, panels * Work::kBlock);
      if (apart == 0) {
        copy(to, from, Work::kBlock);
        if (kPanels == 2 && panels == 2) copy(to + Work::kBlock, from + second, Work::kBlock);
      } else {
#pragma unroll
        for (int tile = 0; tile < kPanels * kPanelTiles; tile++) {
          if (tile >= panels * kPanelTiles) break;
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
    x += Work::kStage;
    if (++part < of.blocks * Work::kParts) return;
    part = 0;
    x -= of.blocks * (Work::kParts * Work::kStage);
  }

  __device__ __forceinline__ void run() {
    const LinearPlan& plan = of.args.plan;
    const std::size_t apart = of.segment.apart ? static_cast<std::size_t>(of.args.blocks) * Work::kBlock : 0;  // of a panel's tiles
    const int blocks = plan.rounds * of.blocks, depth = plan.depth, stages = plan.stages;
    const int all_slots = blocks * kWidestRows, all_stages = (plan.resident ? of.blocks : blocks) * Work::kParts;
    int next = row, brought = 0;
    for (; next < min(plan.ahead, all_slots); next += kWidestRows) bring_weights(apart);
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
        bring_weights(apart);
        next += kWidestRows;
      }
    }
    release_dependents();
  }
};

// A warp's weights of 64 inputs, which the tensor cores read while products are under way.
template <class Weights>
struct WidestPart;
template <>
struct WidestPart<Sparse> {
  Words4 values[2];
  std::uint32_t metadata;
  __device__ __forceinline__ void load(const std::uint8_t* tile, int part, int lane) {
#pragma unroll
    for (int i = 0; i < 2; i++) values[i] = load_shared(tile + (2 * part + i) * kStepBytes + lane * 16);
    metadata = load_shared_word(tile + kSparseMetadata + lane * 8 + part * 4);
  }
  template <int kSums>
  __device__ __forceinline__ void multiply(float (&sums)[kSums], std::uint64_t columns) const {
    multiply_tokens<0>(sums, values[0], columns, metadata);
    multiply_tokens<1>(sums, values[1], columns + 4, metadata);
  }
};
template <>
struct WidestPart<Dense> {
  Words4 values[4];
  __device__ __forceinline__ void load(const std::uint8_t* tile, int, int lane) {
#pragma unroll
    for (int i = 0; i < 4; i++) values[i] = load_shared(tile + i * kStepBytes + lane * 16);
  }
  template <int kSums>
  __device__ __forceinline__ void multiply(float (&sums)[kSums], std::uint64_t columns) const {
#pragma unroll
    for (int i = 0; i < 4; i++) multiply_tokens(sums, values[i], columns + 2 * i);
  }
};

// Exchanges what lanes `distance` apart have: of two values each keeps one and gets the other's, so that a bit of the lane's number
// changes places with the one that tells the values apart.
__device__ __forceinline__ void exchange(float& first, float& second, int distance, int lane) {
  const bool upper = (lane & distance) != 0;
  const float other = __shfl_xor_sync(~0u, upper ? first : second, distance);
  (upper ? first : second) = other;
}

// Stores the sums of a warp's tile, [eight columns][row, row + 8]: of a token four rows at once, which a fragment has not.
template <int kEights>
__device__ __forceinline__ void store_tile(const LinearArguments& args, const LinearSegment& segment, int first_row, int first_token,
                                           const float (&sums)[kEights][2], int lane) {
  const bool aligned = args.out_rows % 4 == 0 && segment.first_row % 4 == 0;
  const int row = first_row + lane / 4 % 2 * 8 + lane / 16 * 4;
#pragma unroll
  for (int eight = 0; eight < kEights; eight += 2) {
    float four[] = {sums[eight][0], sums[eight][1], sums[eight + 1][0], sums[eight + 1][1]};
    exchange(four[0], four[1], 4, lane);
    exchange(four[2], four[3], 4, lane);
    exchange(four[0], four[2], 8, lane);
    exchange(four[1], four[3], 8, lane);
    const int token = first_token + (eight + lane / 8 % 2) * 4 + lane % 4;
    float* const to = args.out + static_cast<std::size_t>(token) * args.out_rows + segment.first_row + row;
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

// A warp of a warpgroup that multiplies: of each 64 rows it has 16, a tile.
template <class Weights, int kTokens, int kPanels>
__device__ __forceinline__ void multiply_panels(const WidestWork<Weights, kTokens, kPanels>& of, const std::uint8_t* slots) {
  using Work = WidestWork<Weights, kTokens, kPanels>;
  using Part = WidestPart<Weights>;
  constexpr int kEights = kTokens / 4, kLevel = kPanels * kEights * 2 * kLinearThreads;  // sums of a CTA
  const LinearPlan& plan = of.args.plan;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, row = warp / kPanelTiles, tile = warp % kPanelTiles;
  const int slices = kSlices / gridDim.y, panels = of.panels(row);
  // What is made of a panel that is not there is nobody's: it is the first one's once more.
  const int second = panels == 2 ? Work::kBlock : 0;
  float* const pending = of.args.pending + (blockIdx.x + static_cast<std::size_t>(gridDim.x) * blockIdx.y) * (3 * kLevel) + threadIdx.x;
  RingPlace slot{row, 0}, stage{0, 0};
  for (int round = 0; round < plan.rounds; round++) {
    if (plan.resident) stage = {0, 0};
    for (int s = 0; s < slices; s++) {
      const int slice = blockIdx.y * slices + s, blocks = slice_first(slice + 1, of.args.blocks) - slice_first(slice, of.args.blocks);
      float products[kPanels][kTokens] = {};  // hi and lo, two rows
      int previous = -1;  // the stage that products may still be read from
      const auto release = [&] {
        if (previous >= 0 && !plan.resident && lane == 0) barrier_arrive(of.stage_empty + previous * 8);
      };
      // 64 inputs: loads them while the products of those before are made, and has those done behind it.
      const auto multiply = [&](Part(&parts)[kPanels], int part) {
        const std::uint8_t* const tiles = slots + slot.at * Work::kSlot + tile * Work::kTile;
        if (part == 0) barrier_wait(of.slot_full + slot.at * 8, slot.parity);
#pragma unroll
        for (int p = 0; p < kPanels; p++) parts[p].load(tiles + p * second, part, lane);
        barrier_wait(of.stage_full + stage.at * 8, stage.parity);
        products_begin();
#pragma unroll
        for (int p = 0; p < kPanels; p++) parts[p].multiply(products[p], swizzled_tile(of.stages + stage.at * Work::kStage));
        products_commit();
        products_wait<1>();
        release();
        previous = stage.at;
        stage.move(1, plan.stages);
        if (part + 1 < Work::kParts) return;
        // The weights are in registers: products read them from there.
        if (lane == 0) barrier_arrive(of.slot_empty + slot.at * 8);
        slot.move(kWidestRows, plan.depth);
      };
      Part even[kPanels], odd[kPanels];
      if constexpr (Work::kParts == 2) {
#pragma unroll 1
        for (int block = 0; block < blocks; block++) {
          multiply(even, 0);
          multiply(odd, 1);
        }
      } else {
        int block = 0;
#pragma unroll 1
        for (; block + 1 < blocks; block += 2) {
          multiply(even, 0);
          multiply(odd, 0);
        }
        if (block < blocks) {
          products_wait<0>();
          multiply(even, 0);
        }
      }
      products_wait<0>();
      release();
      // hi and lo, then the sums that wait for this one.
      float sums[kPanels][kEights][2];
      const auto each = [&](const auto& of_sum) {
#pragma unroll
        for (int p = 0; p < kPanels; p++) {
#pragma unroll
          for (int eight = 0; eight < kEights; eight++) {
#pragma unroll
            for (int half = 0; half < 2; half++) of_sum(sums[p][eight][half], (p * kEights + eight) * 2 + half, p, 4 * eight + 2 * half);
          }
        }
      };
      each([&](float& sum, int, int p, int at) { sum = products[p][at] + products[p][at + 1]; });
      float* level = pending;
#pragma unroll 1
      for (int number = s; (number & 1) != 0; number /= 2, level += kLevel) {
        each([&](float& sum, int at, int, int) { sum = level[at * kLinearThreads] + sum; });
      }
      if (s + 1 < slices) {
        each([&](float& sum, int at, int, int) { level[at * kLinearThreads] = sum; });
      } else {
#pragma unroll
        for (int p = 0; p < kPanels; p++) {
          const int panel = of.panel(round, row) + p;
          if (p < panels && panel < of.segment.panels) {
            store_tile(of.args, of.segment, panel * kPanelRows + tile * kTileRows, blockIdx.y * kTokens, sums[p], lane);
          }
        }
      }
    }
  }
}

template <class Weights, int kTokens, int kPanels>
__global__ void __launch_bounds__(kWidestThreads, 1) linear_widest(const __grid_constant__ LinearArguments args) {
  extern __shared__ __align__(128) std::uint8_t shared[];
  std::uint8_t* const slots = shared + (-shared_address(shared) & (kRowsAlignment - 1));
  const LinearPlan& plan = args.plan;
  begin_timeline(args.segments[0].weights);
  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_cta) s++;
  const LinearSegment& segment = args.segments[s];
  const int slices = kSlices / gridDim.y, first = slice_first(blockIdx.y * slices, args.blocks);
  const std::uint32_t barriers = shared_address(slots + plan.barriers);
  const WidestWork<Weights, kTokens, kPanels> work{args,
                                                 segment,
                                                 s,
                                                 static_cast<int>(blockIdx.x) - segment.first_cta,
                                                 segment.ctas,
                                                 first,
                                                 slice_first(blockIdx.y * slices + slices, args.blocks) - first,
                                                 shared_address(slots),
                                                 shared_address(slots + plan.activations),
                                                 barriers,
                                                 barriers + plan.depth * 8,
                                                 barriers + 2 * plan.depth * 8,
                                                 barriers + (2 * plan.depth + plan.stages) * 8};
  if (threadIdx.x == kLinearThreads) {
    for (int i = 0; i < plan.depth; i++) {
      barrier_init(work.slot_full + i * 8, kCopyArrivals);
      barrier_init(work.slot_empty + i * 8, kPanelTiles);
    }
    for (int i = 0; i < plan.stages; i++) {
      barrier_init(work.stage_full + i * 8, kCopyArrivals * work.kGroups);
      barrier_init(work.stage_empty + i * 8, kLinearWarps);
    }
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x >= kLinearThreads) {
    registers_fewer<40>();
    WidestProducer<Weights, kTokens, kPanels>{work, static_cast<int>(threadIdx.x - kLinearThreads) / kLanes}.run();
    return;
  }
  registers_more<232>();
  multiply_panels<Weights, kTokens, kPanels>(work, slots);
  stamp(Moment::kSummed);
  end_timeline();
}

template <class Weights>
LinearKernel linear_widest_kernel(int tokens, int panels) {
  if constexpr (Weights::kScaled) return nullptr;
  else if (tokens == 32) return panels == 2 ? linear_widest<Weights, 32, 2> : linear_widest<Weights, 32, 1>;
  else return panels == 2 ? linear_widest<Weights, 64, 2> : linear_widest<Weights, 64, 1>;
}

}  // namespace esparse
