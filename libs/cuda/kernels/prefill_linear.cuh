// The linear of prefill: y = W x for hundreds of tokens and more, W in 2:4 as the decode linear has it, x and y in
// bf16, sums in f32. For Hopper's sparse tensor cores.
//
// Grid (rows / 128, tokens / kTile), both rounded up. One warpgroup brings activations, 64 inputs of kTile tokens a
// stage; two multiply 64 rows each, their weights from the L2 straight to registers, two blocks ahead. A token's bits
// depend neither on the tokens beside it nor on the tile.
#pragma once
#include <cuda.h>

#include "weights.cuh"
#include "wgmma.cuh"

namespace esparse {

constexpr int kPrefillRows = 128, kPrefillThreads = 384, kStageInputs = 64;

struct PrefillArguments {
  const std::uint8_t* weights;
  int blocks;  // of kSparseInputs
  int rows;    // a multiple of 8
  int tokens;
  std::uint16_t* out;  // [tokens][rows]
};

template <int kTile>
struct PrefillShared {
  static constexpr int kStageBytes = kTile * kStageInputs * 2, kStages = 196608 / kStageBytes;
  static constexpr int kBytes = kStages * kStageBytes + 1024;  // stages begin at a multiple of 1024
  static constexpr int kOutRow = kPrefillRows * 2 + 16;        // bytes of a token's outputs; banks differ
};

// A box of kStageInputs x kTile of the activations, [tokens][inputs]; zeros beyond the last token.
__device__ __forceinline__ void copy_tile(std::uint32_t to, const CUtensorMap* map, int input, int token,
                                          std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::
          "r"(to),
      "l"(map), "r"(input), "r"(token), "r"(barrier)
      : "memory");
}

__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void consumers_sync() { asm volatile("bar.sync 1, 256;" ::: "memory"); }

// A lane's weights of a tile's block, from memory.
__device__ __forceinline__ void load_weights(Sparse& to, const std::uint8_t* tile, int lane) {
  const auto load = [](const void* from) {
    Words4 out;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
                 : "l"(from));
    return out;
  };
#pragma unroll
  for (int i = 0; i < kSparseSteps; i++) to.values[i] = load(tile + i * kStepBytes + lane * 16);
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
               : "=r"(to.metadata.word[0]), "=r"(to.metadata.word[1])
               : "l"(tile + kSparseMetadata + lane * 8));
}

template <int kTile>
__global__ void __launch_bounds__(kPrefillThreads, 1)
    prefill_linear(const __grid_constant__ CUtensorMap activations, const __grid_constant__ PrefillArguments args) {
  using Shared = PrefillShared<kTile>;
  extern __shared__ __align__(1024) std::uint8_t memory[];
  __shared__ __align__(8) std::uint64_t full[Shared::kStages], empty[Shared::kStages];
  const std::uint32_t stages = (shared_address(memory) + 1023) & ~1023u;
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / kLanes % 4, lane = threadIdx.x % kLanes;
  const int first_token = blockIdx.y * kTile, stage_count = args.blocks * (kSparseInputs / kStageInputs);
  if (threadIdx.x == 0) {
    for (int i = 0; i < Shared::kStages; i++) {
      barrier_init(shared_address(&full[i]), 1);
      barrier_init(shared_address(&empty[i]), 8);  // the warps that multiply
    }
    barrier_init_fence();
  }
  __syncthreads();
  release_dependents();

  if (warpgroup == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x != 0) return;
    constexpr int kAhead = 6;  // blocks of weights that are brought to the L2 ahead
    wait_for_producers();
    for (int s = 0; s < stage_count; s++) {
      const int stage = s % Shared::kStages;
      barrier_wait(shared_address(&empty[stage]), s / Shared::kStages % 2 ^ 1);
      const std::uint32_t arrived = shared_address(&full[stage]);
      barrier_expect(arrived, Shared::kStageBytes);
      copy_tile(stages + stage * Shared::kStageBytes, &activations, s * kStageInputs, first_token, arrived);
      const int block = s / 2 + kAhead;
      if (s % 2 != 0 || block >= args.blocks) continue;
      for (int panel = blockIdx.x * 4; panel < min(blockIdx.x * 4 + 4, (args.rows + kPanelRows - 1) / kPanelRows);
           panel++) {
        const std::size_t at = tile_block_offset(panel * kPanelTiles, block, args.blocks, kSparseTileBytes);
        asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(args.weights + at),
                     "r"(kPanelTiles * kSparseTileBytes)
                     : "memory");
      }
    }
    return;
  }

  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  // A tile beyond the last: another's products, which are not stored.
  const int own_row = (warpgroup - 1) * 64 + warp * kTileRows, tiles = (args.rows + kTileRows - 1) / kTileRows;
  const int tile = min(blockIdx.x * (kPrefillRows / kTileRows) + own_row / kTileRows, tiles - 1);
  const auto block_at = [&](int block) {
    return args.weights + tile_block_offset(tile, block, args.blocks, kSparseTileBytes);
  };
  float sums[kTile / 2] = {};
  int stage = 0, parity = 0, previous = -1;
  // Multiplies a block; then loads the next but one, into the registers of the one before, whose products are done.
  const auto multiply = [&](const Sparse& weights, Sparse& next, int block) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      barrier_wait(shared_address(&full[stage]), parity);
      const std::uint64_t tokens = swizzled_tile(stages + stage * Shared::kStageBytes);
      products_begin();
      multiply_tokens<0>(sums, weights.values[2 * half], tokens, weights.metadata.word[half]);
      multiply_tokens<1>(sums, weights.values[2 * half + 1], tokens + 4, weights.metadata.word[half]);
      products_commit();
      products_wait<1>();
      if (previous >= 0 && lane == 0) barrier_arrive(shared_address(&empty[previous]));
      if (half == 0 && block + 2 < args.blocks) load_weights(next, block_at(block + 2), lane);
      previous = stage;
      if (++stage == Shared::kStages) {
        stage = 0;
        parity ^= 1;
      }
    }
  };
  Sparse first, second, third;
  load_weights(first, block_at(0), lane);
  if (args.blocks > 1) load_weights(second, block_at(1), lane);
#pragma unroll 1
  for (int block = 0; block < args.blocks; block += 3) {
    multiply(first, third, block);
    if (block + 1 < args.blocks) multiply(second, first, block + 1);
    if (block + 2 < args.blocks) multiply(third, second, block + 2);
  }
  products_wait<0>();

  // Turned through shared memory: rows of a token side by side.
  consumers_sync();
#pragma unroll
  for (int j = 0; j < kTile / 16; j++) {
    std::uint32_t packed[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float* two = &sums[j * 8 + i / 2 * 4 + i % 2 * 2];
      const __nv_bfloat162 rounded = __floats2bfloat162_rn(two[0], two[1]);
      packed[i] = reinterpret_cast<const std::uint32_t&>(rounded);
    }
    const std::uint32_t to =
        stages + (j * 16 + lane / 16 * 8 + lane % 8) * Shared::kOutRow + (own_row + lane / 8 % 2 * 8) * 2;
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(packed[0]),
                 "r"(packed[1]), "r"(packed[2]), "r"(packed[3])
                 : "memory");
  }
  consumers_sync();
  const std::uint8_t* outputs = memory + (stages - shared_address(memory));
  for (int i = threadIdx.x - 128; i < kTile * (kPrefillRows / 8); i += 256) {
    const int token = i / (kPrefillRows / 8), chunk = i % (kPrefillRows / 8),
              row = blockIdx.x * kPrefillRows + chunk * 8;
    if (first_token + token >= args.tokens || row >= args.rows) continue;
    *reinterpret_cast<uint4*>(args.out + static_cast<std::size_t>(first_token + token) * args.rows + row) =
        *reinterpret_cast<const uint4*>(outputs + token * Shared::kOutRow + chunk * 16);
  }
}

}  // namespace esparse
