// Attention of a chunk of consecutive positions of one sequence, over the paged bf16 cache that decoding uses.
//
// A query's bits depend on its own position only, not on how the prompt is cut: it takes the pages in order, and those
// beyond its position change nothing.
#pragma once
#include "attention_decode.cuh"
#include "prefill_arguments.h"

namespace esparse {

// The element of the cache where a position of the prompt begins whose pages these are.
__device__ __forceinline__ std::size_t cache_row(const PrefillAttention& args, const std::int32_t* pages, int position,
                                                 int kv_head, int dims) {
  const std::size_t page = pages[position / kPagePositions];
  return ((page * args.kv_heads + kv_head) * kPagePositions + position % kPagePositions) * dims;
}

// Rotates q and k and puts k and v into the cache. Grid (tokens).
template <int kDims>
__global__ void __launch_bounds__(kAppendThreads) append(const __grid_constant__ PrefillAttention args) {
  constexpr int kPairs = kDims / 2, kItems = kPairs / 2;  // an item: two neighbours and their partners
  release_dependents();
  const int token = blockIdx.x, position = args.positions[token], all = args.heads + 2 * args.kv_heads;
  const std::int32_t* const pages = args.pages + args.first_page[token];
  wait_for_producers();
  for (int i = threadIdx.x; i < all * kItems; i += kAppendThreads) {
    const int head = i / kItems, pair = i % kItems * 2;
    std::uint16_t* const from = args.qkv + (static_cast<std::size_t>(token) * all + head) * kDims + pair;
    std::uint32_t low = *reinterpret_cast<const std::uint32_t*>(from);
    std::uint32_t high = *reinterpret_cast<const std::uint32_t*>(from + kPairs);
    std::uint16_t* to = from;
    if (head >= args.heads) {
      std::uint16_t* const cache = head < args.heads + args.kv_heads ? args.keys : args.values;
      to = cache + cache_row(args, pages, position, (head - args.heads) % args.kv_heads, kDims) + pair;
    }
    if (head < args.heads + args.kv_heads) {
      const float2* turns = args.rotary + static_cast<std::size_t>(position) * kPairs + pair;
      const float2 first = rotate(bf16_value(low & 0xffffu), bf16_value(high & 0xffffu), turns[0]);
      const float2 second = rotate(bf16_value(low >> 16), bf16_value(high >> 16), turns[1]);
      low = bf16_bits(first.x) | static_cast<std::uint32_t>(bf16_bits(second.x)) << 16;
      high = bf16_bits(first.y) | static_cast<std::uint32_t>(bf16_bits(second.y)) << 16;
    }
    *reinterpret_cast<std::uint32_t*>(to) = low;
    *reinterpret_cast<std::uint32_t*>(to + kPairs) = high;
  }
}

// Rows [tokens][inputs] of bf16 in the shuffled order of the linear that reads them: input i is sources[i] of the
// natural order. Grid (tokens); shared memory: a row.
__global__ void __launch_bounds__(kShuffleThreads)
    shuffle(const std::uint16_t* from, const std::uint16_t* sources, int inputs, std::uint16_t* to) {
  extern __shared__ __align__(16) std::uint16_t natural[];
  release_dependents();
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * inputs;
  wait_for_producers();
  for (int i = 8 * threadIdx.x; i < inputs; i += 8 * kShuffleThreads) {
    *reinterpret_cast<uint4*>(natural + i) = __ldcg(reinterpret_cast<const uint4*>(from + at + i));
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

// 2 to a power of at most 0, a few units in the last place of f32; 0 of minus infinity.
__device__ __forceinline__ float power_of_2(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// 16 bytes, or zeros.
__device__ __forceinline__ void copy_16(std::uint32_t to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8 x 8 matrices of bf16 from shared memory; lane l gives the address of row l % 8 of matrix l / 8.
template <bool kTransposed>
__device__ __forceinline__ Words4 load_matrices(std::uint32_t row) {
  Words4 out;
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
                 : "r"(row)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
                 : "r"(row)
                 : "memory");
  }
  return out;
}

template <int kDims>
struct PrefillPage {
  static constexpr int kRow = kDims + 8;  // in elements: banks differ
  std::uint16_t keys[kPagePositions][kRow], values[kPagePositions][kRow];
};

// Requests a page's keys and values of a head; zeros beyond the last position, where anything may lie.
template <int kDims>
__device__ __forceinline__ void request_page(const PrefillAttention& args, PrefillPage<kDims>& to,
                                             const std::int32_t* pages, int page, int kv_head, int last_position) {
  constexpr int kChunks = kDims / 8;
  const std::size_t at = cache_row(args, pages, page * kPagePositions, kv_head, kDims);
  for (int i = threadIdx.x; i < kPagePositions * kChunks; i += kAttentionThreads) {
    const int row = i / kChunks, col = i % kChunks * 8;
    const bool there = page * kPagePositions + row <= last_position;
    copy_16(shared_address(&to.keys[row][col]), args.keys + at + row * kDims + col, there);
    copy_16(shared_address(&to.values[row][col]), args.values + at + row * kDims + col, there);
  }
  copies_commit();
}

// Grid (tiles, heads): a warp takes 16 queries. Shared memory: two PrefillPages.
template <int kDims>
__global__ void __launch_bounds__(kAttentionThreads, 3) attend_chunk(const __grid_constant__ PrefillAttention args) {
  constexpr int kSteps = kDims / 16, kKeyEights = kPagePositions / 8, kDimEights = kDims / 8;
  extern __shared__ __align__(128) std::uint8_t page_memory[];
  auto* const pages = reinterpret_cast<PrefillPage<kDims>*>(page_memory);
  const QueryTile tile = args.tiles[blockIdx.x];
  const std::int32_t* const table = args.pages + tile.first_page;
  const int head = blockIdx.y, kv_head = head / (args.heads / args.kv_heads);
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, quad = lane % 4;
  const int first_query = warp * 16 + lane / 4;  // of the tile, and eight further
  release_dependents();
  wait_for_producers();

  const int last_position = tile.first_position + tile.rows - 1;
  const int page_count = last_position / kPagePositions + 1;
  request_page(args, pages[0], table, 0, kv_head, last_position);

  Words4 queries[kSteps];
  const int width = (args.heads + 2 * args.kv_heads) * kDims;
#pragma unroll
  for (int step = 0; step < kSteps; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int query = first_query + i % 2 * 8, dim = step * 16 + i / 2 * 8 + quad * 2;
      const std::uint16_t* from = args.qkv + static_cast<std::size_t>(tile.first_row + query) * width + head * kDims + dim;
      queries[step].word[i] = query < tile.rows ? *reinterpret_cast<const std::uint32_t*>(from) : 0;
    }
  }

  const float scale = args.scale * 1.4426950408889634f;  // of powers of 2
  float outputs[kDimEights][4] = {}, maxima[2] = {-INFINITY, -INFINITY}, sums[2] = {};
  for (int page = 0; page < page_count; page++) {
    if (page + 1 < page_count) {
      request_page(args, pages[(page + 1) % 2], table, page + 1, kv_head, last_position);
      copies_wait<1>();
    } else {
      copies_wait<0>();
    }
    __syncthreads();
    const PrefillPage<kDims>& here = pages[page % 2];

    float scores[kKeyEights][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; step++) {
#pragma unroll
      for (int two = 0; two < kKeyEights; two += 2) {
        const int key = two * 8 + lane / 16 * 8 + lane % 8, dim = step * 16 + lane / 8 % 2 * 8;
        const Words4 keys = load_matrices<false>(shared_address(&here.keys[key][dim]));
        multiply_dense(scores[two], queries[step], keys.word[0], keys.word[1]);
        multiply_dense(scores[two + 1], queries[step], keys.word[2], keys.word[3]);
      }
    }
    if (page * kPagePositions + kPagePositions - 1 > tile.first_position + first_query - lane / 4) {
#pragma unroll
      for (int eight = 0; eight < kKeyEights; eight++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int key = page * kPagePositions + eight * 8 + quad * 2 + i % 2;
          if (key > tile.first_position + first_query + i / 2 * 8) scores[eight][i] = -INFINITY;
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {  // the first query of the lane, and that eight further
      float maximum = maxima[half];
#pragma unroll
      for (int eight = 0; eight < kKeyEights; eight++) {
        maximum = fmaxf(maximum, fmaxf(scores[eight][2 * half], scores[eight][2 * half + 1]));
      }
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 2));
      const float kept = power_of_2((maxima[half] - maximum) * scale), offset = -maximum * scale;
      maxima[half] = maximum;
      float sum = 0;
#pragma unroll
      for (int eight = 0; eight < kKeyEights; eight++) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) {
          scores[eight][i] = power_of_2(fmaf(scores[eight][i], scale, offset));
          sum += scores[eight][i];
        }
      }
      sums[half] = fmaf(sums[half], kept, sum);
#pragma unroll
      for (int eight = 0; eight < kDimEights; eight++) {
        outputs[eight][2 * half] *= kept;
        outputs[eight][2 * half + 1] *= kept;
      }
    }
#pragma unroll
    for (int step = 0; step < kPagePositions / 16; step++) {
      Words4 weights;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float* two = &scores[2 * step + i / 2][i % 2 * 2];
        const __nv_bfloat162 rounded = __floats2bfloat162_rn(two[0], two[1]);
        weights.word[i] = reinterpret_cast<const std::uint32_t&>(rounded);
      }
#pragma unroll
      for (int two = 0; two < kDimEights; two += 2) {
        const int key = step * 16 + lane / 8 % 2 * 8 + lane % 8, dim = two * 8 + lane / 16 * 8;
        const Words4 values = load_matrices<true>(shared_address(&here.values[key][dim]));
        multiply_dense(outputs[two], weights, values.word[0], values.word[1]);
        multiply_dense(outputs[two + 1], weights, values.word[2], values.word[3]);
      }
    }
    __syncthreads();
  }

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
    for (int eight = 0; eight < kDimEights; eight++) {
      const __nv_bfloat162 two =
          __floats2bfloat162_rn(outputs[eight][2 * half] * factor, outputs[eight][2 * half + 1] * factor);
      *reinterpret_cast<__nv_bfloat162*>(out + eight * 8) = two;
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
