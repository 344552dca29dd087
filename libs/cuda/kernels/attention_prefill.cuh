// Attention of a chunk of consecutive positions of one sequence, over the paged bf16 cache that decoding uses.
//
// A query's bits depend on its own position only, not on how the prompt is cut: it takes the pages in order, and those
// beyond its position change nothing.
#pragma once
#include "prefill_append.cuh"
#include "prefill_softmax.cuh"
#include "wgmma.cuh"

namespace esparse {

// The keys and values of a block in shared memory: [dims / 64][kBlockKeys][64] each, as the copy engine writes boxes of a
// page with its 128-byte swizzle.
constexpr int kBlockKeys = 2 * kPagePositions, kAttentionStages = 3;
constexpr int kPartBytes = kBlockKeys * 128;  // 64 dims of all keys of a block

template <int kDims>
struct BlockRing {
  static constexpr int kHalf = kDims / 64 * kPartBytes, kStage = 2 * kHalf;  // keys, then values
};

// Requests the pages of a block that there are.
template <int kDims>
__device__ __forceinline__ void request_block(const PrefillAttention& args, const std::int32_t* pages, int page_count,
                                              int kv_head, std::uint32_t to, std::uint32_t arrived) {
  using Ring = BlockRing<kDims>;
  constexpr int kBox = kPagePositions * 128;
  barrier_expect(arrived, page_count * 2 * (kDims / 64) * kBox);
  for (int page = 0; page < page_count; page++) {
    const int row = (pages[page] * args.kv_heads + kv_head) * kPagePositions;
#pragma unroll
    for (int part = 0; part < kDims / 64; part++) {
      const std::uint32_t at = to + part * kPartBytes + page * kBox;
      copy_tile(at, &args.cache, part * 64, args.first_key + row, arrived);
      copy_tile(at + Ring::kHalf, &args.cache, part * 64, args.first_value + row, arrived);
    }
  }
}

// Values behind the last position are anything: zeros, so that a weight of zero takes nothing of them. By all threads
// that multiply.
template <int kDims>
__device__ __forceinline__ void clear_values(std::uint8_t* values, int first_row) {
  constexpr int kWords = 128 / 16;
  for (int i = threadIdx.x - 128 + first_row * kWords; i < kBlockKeys * kWords; i += 256) {
#pragma unroll
    for (int part = 0; part < kDims / 64; part++) {
      reinterpret_cast<uint4*>(values + part * kPartBytes)[i] = make_uint4(0, 0, 0, 0);
    }
  }
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  asm volatile("bar.sync 1, 256;" ::: "memory");
}

// Grid (tiles, heads). One warpgroup brings blocks of keys and values, two take 64 queries each; while the products with
// the values of a block run, the scores of the next one are made and settled. Shared memory: kAttentionStages blocks.
template <int kDims>
__global__ void __launch_bounds__(kChunkThreads, 1) attend_chunk(const __grid_constant__ PrefillAttention args) {
  using Ring = BlockRing<kDims>;
  constexpr int kSteps = kDims / 16, kKeySteps = kBlockKeys / 16;
  extern __shared__ __align__(1024) std::uint8_t memory[];
  __shared__ __align__(8) std::uint64_t full[kAttentionStages], empty[kAttentionStages];
  const std::uint32_t stages = (shared_address(memory) + 1023) & ~1023u;
  const QueryTile tile = args.tiles[blockIdx.x];
  const int head = blockIdx.y, kv_head = head / (args.heads / args.kv_heads);
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / kLanes % 4, lane = threadIdx.x % kLanes;
  const int last_position = tile.first_position + tile.rows - 1;
  // Blocks before the window of the tile's first query are left out; `block` counts from the first of the others.
  const int first_block = args.window > 0 ? max(0, tile.first_position + 1 - args.window) / kBlockKeys : 0;
  const int page_count = last_position / kPagePositions + 1 - 2 * first_block;
  const int block_count = last_position / kBlockKeys + 1 - first_block, first_key = first_block * kBlockKeys;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kAttentionStages; i++) {
      barrier_init(shared_address(&full[i]), 1);
      barrier_init(shared_address(&empty[i]), 8);  // the warps that multiply
    }
    barrier_init_fence();
  }
  __syncthreads();
  release_dependents();
  wait_for_producers();

  if (warpgroup == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x != 0) return;
    for (int block = 0; block < block_count; block++) {
      const int stage = block % kAttentionStages;
      barrier_wait(shared_address(&empty[stage]), block / kAttentionStages % 2 ^ 1);
      request_block<kDims>(args, args.pages + tile.first_page + 2 * (first_block + block),
                           min(2, page_count - 2 * block), kv_head,
                           stages + stage * Ring::kStage, shared_address(&full[stage]));
    }
    return;
  }

  asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
  const int first_query = (warpgroup - 1) * 64 + warp * 16;  // of the tile
  Words4 queries[kSteps];
  load_queries<kDims>(queries, args, tile, first_query, head);

  OnlineSoftmax softmax{args.scale * 1.4426950408889634f};
  float outputs[kDims / 2] = {};
  float scores[kBlockKeys / 2];
  Words4 weights[kKeySteps];
  // Waits for a block, and begins its scores.
  const auto score = [&](int block) {
    const int stage = block % kAttentionStages;
    barrier_wait(shared_address(&full[stage]), block / kAttentionStages % 2);
    const int behind = last_position + 1 - first_key - block * kBlockKeys;
    if (behind < kBlockKeys) {
      clear_values<kDims>(memory + (stages - shared_address(memory)) + stage * Ring::kStage + Ring::kHalf, behind);
    }
#pragma unroll
    for (int i = 0; i < kBlockKeys / 2; i++) scores[i] = 0;
    products_begin();
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
      multiply_tokens(scores, queries[step],
                      swizzled_tile(stages + stage * Ring::kStage + step / 4 * kPartBytes) + step % 4 * 2);
    }
    products_commit();
  };
  const auto settle = [&](int block) {
    mask_scores<kBlockKeys>(scores, args, tile.first_position + first_query, first_key + block * kBlockKeys);
    softmax.settle<kBlockKeys>(scores);
  };

  const auto weigh = [&](int stage) {
    products_begin();
#pragma unroll
    for (int step = 0; step < kKeySteps; step++) {
      add_weighted(outputs, weights[step],
                   swizzled_rows(stages + stage * Ring::kStage + Ring::kHalf + step * 16 * 128, kPartBytes));
    }
    products_commit();
  };

  score(0);
  products_wait<0>();
  settle(0);
  pack_weights<kBlockKeys>(weights, scores);
#pragma unroll 1
  for (int block = 0; block + 1 < block_count; block++) {
    const int stage = block % kAttentionStages;
    score(block + 1);
    weigh(stage);
    products_wait<1>();
    settle(block + 1);
    products_wait<0>();
    if (lane == 0) barrier_arrive(shared_address(&empty[stage]));
#pragma unroll
    for (int i = 0; i < kDims / 2; i++) outputs[i] *= softmax.kept[i / 2 % 2];
    pack_weights<kBlockKeys>(weights, scores);
  }
  weigh((block_count - 1) % kAttentionStages);
  products_wait<0>();

  store_outputs<kDims>(args, tile, first_query, head, outputs, softmax);
}

// The kernel for heads of `dims`; null where there is none.
inline PrefillAttentionKernel prefill_attention_kernel(int dims) {
  return dims == 64 ? attend_chunk<64> : dims == 128 ? attend_chunk<128> : nullptr;
}

}  // namespace esparse
