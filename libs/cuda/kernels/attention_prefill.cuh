// Attention of a chunk of consecutive positions of one sequence, over the paged bf16 cache that decoding uses.
//
// A query's bits depend on its own position only, not on how the prompt is cut: it takes the pages in order, and those
// beyond its position change nothing.
#pragma once
#include "head.cuh"
#include "prefill_arguments.h"
#include "wgmma.cuh"

namespace esparse {

// The element of the cache where a position of the prompt begins whose pages these are.
__device__ __forceinline__ std::size_t cache_row(const PrefillAttention& args, const std::int32_t* pages, int position,
                                                 int kv_head, int dims) {
  const std::size_t page = pages[position / kPagePositions];
  return ((page * args.kv_heads + kv_head) * kPagePositions + position % kPagePositions) * dims;
}

// Adds biases, norms and rotates q and k, and puts k and v into the cache. Grid (tokens).
template <int kDims>
__global__ void __launch_bounds__(kAppendThreads) append(const __grid_constant__ PrefillAttention args) {
  constexpr int kItems = kDims / 4;  // an item: two neighbours and their partners
  release_dependents();
  const int token = blockIdx.x, position = args.positions[token], all = args.heads + 2 * args.kv_heads;
  const std::int32_t* const pages = args.pages + args.first_page[token];
  wait_for_producers();
  // By whole warps, the last of which may have less to do.
  for (int first = 0; first < all * kItems; first += kAppendThreads) {
    const int i = first + threadIdx.x, head = min(i / kItems, all - 1), dim = i % kItems * 2;
    std::uint16_t* const from = args.qkv + (static_cast<std::size_t>(token) * all + head) * kDims + dim;
    const auto widened = [](std::uint32_t two) { return make_float2(bf16_value(two & 0xffffu), bf16_value(two >> 16)); };
    HeadPart x{widened(*reinterpret_cast<const std::uint32_t*>(from)),
               widened(*reinterpret_cast<const std::uint32_t*>(from + kDims / 2))};
    x = biased<kDims>(x, args.head.bias, head * kDims + dim);
    const bool is_query = head < args.heads, is_value = head >= args.heads + args.kv_heads;
    const HeadPart other =
        turned<kDims>(x, is_query ? args.head.query_norm : args.head.key_norm, args.head.epsilon, dim,
                      args.rotary + static_cast<std::size_t>(position) * (kDims / 2) + dim);
    if (!is_value) x = other;
    std::uint16_t* to = from;
    if (!is_query) {
      std::uint16_t* const cache = is_value ? args.values : args.keys;
      to = cache + cache_row(args, pages, position, (head - args.heads) % args.kv_heads, kDims) + dim;
    }
    if (i >= all * kItems) continue;
    *reinterpret_cast<std::uint32_t*>(to) = bf16_pair(x.low);
    *reinterpret_cast<std::uint32_t*>(to + kDims / 2) = bf16_pair(x.high);
  }
}

// Rows [tokens][channels] of bf16 in the shuffled order of the linear that reads them: input i is sources[i] of the
// natural order, or, from `channels` on, fills up: 0. Grid (tokens); shared memory: a row of the longer ones.
__global__ void __launch_bounds__(kShuffleThreads)
    shuffle(const std::uint16_t* from, const std::uint16_t* sources, int channels, int inputs, std::uint16_t* to) {
  extern __shared__ __align__(16) std::uint16_t natural[];
  release_dependents();
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * inputs;
  from += static_cast<std::size_t>(blockIdx.x) * channels;
  wait_for_producers();
  for (int i = 8 * threadIdx.x; i < max(inputs, channels); i += 8 * kShuffleThreads) {
    *reinterpret_cast<uint4*>(natural + i) =
        i < channels ? __ldcg(reinterpret_cast<const uint4*>(from + i)) : make_uint4(0, 0, 0, 0);
  }
  __syncthreads();
  for (int i = 8 * threadIdx.x; i < inputs; i += 8 * kShuffleThreads) {
    const uint4 source = __ldg(reinterpret_cast<const uint4*>(sources + i));
    const auto* eight = reinterpret_cast<const std::uint16_t*>(&source);
    Words4 out;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      out.word[j] = natural[eight[2 * j]] | static_cast<std::uint32_t>(natural[eight[2 * j + 1]]) << 16;
    }
    *reinterpret_cast<Words4*>(to + at + i) = out;
  }
}

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
  const int warpgroup = threadIdx.x / 128, warp = threadIdx.x / kLanes % 4, lane = threadIdx.x % kLanes, quad = lane % 4;
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
  const int first_query = (warpgroup - 1) * 64 + warp * 16 + lane / 4;  // of the tile, and eight further
  Words4 queries[kSteps];
  const int width = (args.heads + 2 * args.kv_heads) * kDims;
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int query = first_query + i % 2 * 8, dim = step * 16 + i / 2 * 8 + quad * 2;
      const std::uint16_t* from =
          args.qkv + static_cast<std::size_t>(tile.first_row + query) * width + head * kDims + dim;
      queries[step].word[i] = query < tile.rows ? *reinterpret_cast<const std::uint32_t*>(from) : 0;
    }
  }

  const float scale = args.scale * 1.4426950408889634f;  // of powers of 2
  float outputs[kDims / 2] = {}, maxima[2] = {-INFINITY, -INFINITY}, sums[2] = {}, kept[2];
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
  // Scores into weights, relative to the greatest score so far; `kept` is what that leaves of the sums before.
  const auto settle = [&](int block) {
    const int own_first = tile.first_position + first_query - lane / 4, from = first_key + block * kBlockKeys;
    const bool begins = args.window > 0 && from <= own_first + 15 - args.window;
    if (from + kBlockKeys - 1 > own_first || begins) {
#pragma unroll
      for (int i = 0; i < kBlockKeys / 2; i++) {
        const int key = from + i / 4 * 8 + quad * 2 + i % 2, query = own_first + lane / 4 + i / 2 % 2 * 8;
        if (key > query || (args.window > 0 && key <= query - args.window)) scores[i] = -INFINITY;
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {  // the first query of the lane, and that eight further
      float maximum = maxima[half];
#pragma unroll
      for (int i = 0; i < kBlockKeys / 8; i++) {
        maximum = fmaxf(maximum, fmaxf(scores[4 * i + 2 * half], scores[4 * i + 2 * half + 1]));
      }
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 2));
      // A block may be before a query's window as a whole.
      const float reference = maximum == -INFINITY ? 0 : maximum;
      kept[half] = power_of_2((maxima[half] - reference) * scale);
      maxima[half] = maximum;
      const float offset = -reference * scale;
      float sum = 0;
#pragma unroll
      for (int i = 0; i < kBlockKeys / 8; i++) {
#pragma unroll
        for (int j = 4 * i + 2 * half; j < 4 * i + 2 * half + 2; j++) {
          scores[j] = power_of_2(fmaf(scores[j], scale, offset));
          sum += scores[j];
        }
      }
      sums[half] = fmaf(sums[half], kept[half], sum);
    }
  };
  const auto pack = [&] {
#pragma unroll
    for (int step = 0; step < kKeySteps; step++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float* two = &scores[8 * step + i / 2 * 4 + i % 2 * 2];
        const __nv_bfloat162 rounded = __floats2bfloat162_rn(two[0], two[1]);
        weights[step].word[i] = reinterpret_cast<const std::uint32_t&>(rounded);
      }
    }
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
  pack();
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
    for (int i = 0; i < kDims / 2; i++) outputs[i] *= kept[i / 2 % 2];
    pack();
  }
  weigh((block_count - 1) % kAttentionStages);
  products_wait<0>();

#pragma unroll
  for (int half = 0; half < 2; half++) {
    float sum = sums[half];
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    const int query = first_query + half * 8;
    if (query >= tile.rows) continue;
    std::uint16_t* const out =
        args.out + (static_cast<std::size_t>(tile.first_row + query) * args.heads + head) * kDims + quad * 2;
    const float factor = 1 / sum;
#pragma unroll
    for (int eight = 0; eight < kDims / 8; eight++) {
      const float* two = &outputs[4 * eight + 2 * half];
      *reinterpret_cast<__nv_bfloat162*>(out + eight * 8) = __floats2bfloat162_rn(two[0] * factor, two[1] * factor);
    }
  }
}

using PrefillAttentionKernel = void (*)(PrefillAttention);

// The kernels for heads of `dims`; null where there are none.
inline PrefillAttentionKernel append_kernel(int dims) {
  return dims == 64 ? append<64> : dims == 128 ? append<128> : nullptr;
}
inline PrefillAttentionKernel prefill_attention_kernel(int dims) {
  return dims == 64 ? attend_chunk<64> : dims == 128 ? attend_chunk<128> : nullptr;
}

}  // namespace esparse
