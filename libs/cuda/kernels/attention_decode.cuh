// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A CTA takes a split of a sequence, 128 positions, of one key-value head, for the query heads that share it; the CTA that
// ends last adds the splits up, in their order, and writes the activations of the linear o. The CTA that has the new position
// puts its key and value, rotated and rounded, into the cache.
#pragma once
#include "attention_block.cuh"
#include "attention_new.cuh"

namespace esparse {

extern __shared__ __align__(128) std::uint8_t attention_memory[];

// What a CTA is of; `position`: of the token.
struct SplitOf {
  int token, kv_head, first_query, queries;
  int split, position;
};

// The queries of the new position, scaled and rotated, to shared memory, and what is new of the cache, also to the cache.
// What stands there of queries that are not there may be anything: each has products of its own.
template <int kDims>
__device__ __forceinline__ void prepare_split(const AttentionArguments& args, const SplitOf& of, bool newest,
                                              AttentionShared<kDims>& shared) {
  // A head is made by kItems threads; that of the key, and the value, by whole warps of their own.
  constexpr int kItems = kDims / 4, kHeadsOfWarp = kLanes / kItems;
  constexpr float kLog2E = 1.4426950408889634f;
  const int dim = threadIdx.x % kItems * 2;
  const int key_slot = (of.queries + kHeadsOfWarp - 1) / kHeadsOfWarp * kHeadsOfWarp, value_slot = key_slot + kHeadsOfWarp;
  const bool writes = of.first_query == 0 && !args.appended;
  const int end = newest ? value_slot + kHeadsOfWarp : key_slot;
#pragma unroll 1
  for (int slot = threadIdx.x / kItems; slot < end; slot += kAttentionThreads / kItems) {
    const bool is_query = slot < key_slot, is_key = !is_query && slot < value_slot;
    const int query = min(slot, of.queries - 1);
    const int head = is_query ? of.kv_head * (args.heads / args.kv_heads) + of.first_query + query
                              : args.heads + (is_key ? 0 : args.kv_heads) + of.kv_head;
    HeadPart x = read_head<kDims>(args, of.token, head * kDims + dim);
    if (slot < value_slot) {
      x = turned<kDims>(x, is_query ? args.head.query_norm : args.head.key_norm, args.head.epsilon, dim,
                        turns_of<kDims>(args, of.position, dim));
    }
    if (is_query) {
      const float scale = args.scale * kLog2E;
      const Split low = split(x.low.x * scale, x.low.y * scale), high = split(x.high.x * scale, x.high.y * scale);
      put_pair(&shared.queries[0][query][dim], low.hi);
      put_pair(&shared.queries[1][query][dim], low.lo);
      put_pair(&shared.queries[0][query][dim + kDims / 2], high.hi);
      put_pair(&shared.queries[1][query][dim + kDims / 2], high.lo);
      continue;
    }
    const std::uint32_t low = bf16_pair(x.low), high = bf16_pair(x.high);
    std::uint16_t* const to = (is_key ? shared.key : shared.value) + dim;
    put_pair(to, low);
    put_pair(to + kDims / 2, high);
    if (!writes) continue;
    std::uint16_t* const cached =
        (is_key ? args.keys : args.values) + cache_at(args, of.token, of.position, of.kv_head, kDims) + dim;
    put_pair(cached, low);
    put_pair(cached + kDims / 2, high);
  }
}

// What a warp gives, to shared memory: `any`: it had a block.
template <int kDims>
__device__ __forceinline__ void leave_warp(WarpSums<kDims>& of, bool any, int queries, AttentionShared<kDims>& shared,
                                           float* outputs) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  of.sum += __shfl_xor_sync(~0u, of.sum, 1);
  of.sum += __shfl_xor_sync(~0u, of.sum, 2);
  if (lane % 4 == 0) {
    shared.maxima[lane / 4][warp] = of.maximum;
    shared.sums[lane / 4][warp] = of.sum;
  }
  if (!any) return;
#pragma unroll
  for (int odd = 0; odd < 2; odd++) {
    const int query = lane % 4 * 2 + odd;
    if (query >= queries) continue;
    float* const row = outputs + (warp * queries + query) * output_stride(kDims) + lane / 4 * 8;
#pragma unroll
    for (int two = 0; two < WarpSums<kDims>::kTiles; two += 2) {
      *reinterpret_cast<float4*>(row + two / 4 * 64 + two % 4 * 2) =
          make_float4(of.outputs[two][odd], of.outputs[two][2 + odd], of.outputs[two + 1][odd], of.outputs[two + 1][2 + odd]);
    }
  }
}

// The factors by which the warps' outputs are added up, and the sum of all weights. By kQueriesAtOnce x kAttentionWarps
// threads.
template <int kDims>
__device__ __forceinline__ void weigh_warps(AttentionShared<kDims>& shared) {
  const int query = threadIdx.x / kAttentionWarps, warp = threadIdx.x % kAttentionWarps;
  const float own = shared.maxima[query][warp];
  float maximum = own;
#pragma unroll
  for (int distance = kAttentionWarps / 2; distance > 0; distance /= 2) {
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, distance));
  }
  const float factor = exp2f(own - maximum);  // 0 for a warp without keys
  float sum = shared.sums[query][warp] * factor;
#pragma unroll
  for (int distance = kAttentionWarps / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
  shared.factors[query][warp] = factor;
  if (warp == 0) {
    shared.maximum[query] = maximum;
    shared.sum[query] = sum;
  }
}

// Adds a head's splits up, in their order: output `dim` of a query.
__device__ __forceinline__ float merged_splits(const float* outputs, const float2* weights, int first, int end, int dims,
                                               int dim) {
  // Eight splits at once: their loads do not wait for each other.
  constexpr int kAtOnce = 8;
  float maximum = -INFINITY, output = 0, sum = 0;
  for (; first < end; first += kAtOnce) {
    float2 of[kAtOnce];
    float out[kAtOnce], greatest = maximum;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const bool there = first + i < end;
      of[i] = there ? __ldcg(weights + first + i) : make_float2(-INFINITY, 0);
      out[i] = there ? __ldcg(outputs + (first + i) * dims + dim) : 0;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) greatest = fmaxf(greatest, of[i].x);
    const float kept = exp2f(maximum - greatest);  // 0 at first
    output *= kept;
    sum *= kept;
    maximum = greatest;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const float factor = exp2f(of[i].x - maximum);
      output = fmaf(factor, out[i], output);
      sum = fmaf(factor, of[i].y, sum);
    }
  }
  return output / sum;
}

// Grid (splits, kv_heads x query groups, tokens).
template <int kDims>
__global__ void __launch_bounds__(kAttentionThreads, 2) attend_split(const __grid_constant__ AttentionArguments args) {
  auto& shared = *reinterpret_cast<AttentionShared<kDims>*>(attention_memory);
  float* const outputs = reinterpret_cast<float*>(attention_memory + sizeof(shared));
  const int of_head = args.heads / args.kv_heads, groups = query_groups(of_head);
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes;
  SplitOf of{static_cast<int>(blockIdx.z), static_cast<int>(blockIdx.y) / groups,
             static_cast<int>(blockIdx.y) % groups * kQueriesAtOnce, 0, static_cast<int>(blockIdx.x), 0};
  of.queries = min(kQueriesAtOnce, of_head - of.first_query);
  release_dependents();
  const int block = of.split * kAttentionWarps + warp, first_position = block * kKeyBlock;
  const int page = min(first_position / kPagePositions, args.max_pages - 1);
  const std::size_t cache_page = args.page_table[of.token * args.max_pages + page];  // beside the position, not after it
  of.position = args.positions[of.token];
  const int first_head = of.kv_head * of_head + of.first_query;
  const TokenPlace to = token_place(args.fragments, args.inputs, of.token, gridDim.z);
  if (of.position < 0) {  // no token: zeros
    if (of.split > 0) return;
    wait_for_producers();
    for (int i = thread; i < of.queries * kDims; i += kAttentionThreads) {
      write_activation(to, args.inverse[first_head * kDims + i], 0);
    }
    return;
  }
  const int begin = first_of_window(args, of.position), first_split = begin / kSplitPositions;
  const int end_split = of.position / kSplitPositions + 1;
  if (of.split < first_split || of.split >= end_split) return;
  const bool newest = of.split + 1 == end_split;

  // Known before the wait: the cache, but for the new position, and the places of the activations.
  const bool there = first_position <= of.position && first_position + kKeyBlock > begin;
  const int older = of.position - first_position;  // than the new one, of the block
  constexpr int kPlaces = (kQueriesAtOnce * kDims + kAttentionThreads - 1) / kAttentionThreads;
  std::uint16_t places[kPlaces] = {};
#pragma unroll
  for (int i = 0; i < kPlaces; i++) {
    const int output = i * kAttentionThreads + thread;
    if (output < of.queries * kDims) places[i] = __ldg(args.inverse + first_head * kDims + output);
  }
  if (args.appended) wait_for_producers();
  KeyBlock<kDims> keys;
  ValueBlock<kDims> values;
  if (there) {
    const std::size_t row = (cache_page * args.kv_heads + of.kv_head) * kPagePositions + first_position % kPagePositions;
    keys.load(args.keys + row * kDims, older, lane);
    values.load(args.values + row * kDims, older, lane);
  }
  wait_for_producers();
  prepare_split<kDims>(args, of, newest, shared);
  __syncthreads();

  WarpSums<kDims> sums;
  if (there) {
    if (older < kKeyBlock) {
      keys.put(shared.key, older, lane);
      values.put(shared.value, older, lane);
    }
    float scores[4];
    score_block<kDims>(shared, keys, lane, scores);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int position = first_position + ValueBlock<kDims>::key_of(i, lane);
      if (position > of.position || position < begin) scores[i] = -INFINITY;
    }
    sums.weigh(scores, values);
  }
  leave_warp<kDims>(sums, there, of.queries, shared, outputs);
  __syncthreads();
  if (thread < kQueriesAtOnce * kAttentionWarps) weigh_warps<kDims>(shared);
  __syncthreads();

  const bool whole = end_split - first_split == 1;
  const int splits = attention_splits(args.max_pages);
  const std::size_t at = (static_cast<std::size_t>(of.token) * args.heads + first_head) * splits;  // the first query's
#pragma unroll
  for (int i = 0; i < kPlaces; i++) {
    const int output = i * kAttentionThreads + thread, query = output / kDims, dim = output % kDims;
    if (query >= of.queries) break;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kAttentionWarps; w++) {
      const float factor = shared.factors[query][w];
      if (factor != 0) sum = fmaf(factor, outputs[(w * of.queries + query) * output_stride(kDims) + dim], sum);
    }
    if (whole) {
      write_activation(to, places[i], sum / shared.sum[query]);
    } else {
      const std::size_t part = at + query * splits + of.split;
      args.outputs[part * kDims + dim] = sum;
      if (dim == 0) args.weights[part] = make_float2(shared.maximum[query], shared.sum[query]);
    }
  }
  if (whole) return;

  // The CTA that ends last has what all of them gave, and adds it up; which one that is makes no difference.
  __threadfence();
  __syncthreads();
  if (thread == 0) {
    std::uint32_t* const arrived = args.arrived + of.token * gridDim.y + blockIdx.y;
    shared.last = atomicAdd(arrived, 1u) + 1 == static_cast<std::uint32_t>(end_split - first_split);
    if (shared.last) *arrived = 0;
  }
  __syncthreads();
  if (!shared.last) return;
  __threadfence();
#pragma unroll
  for (int i = 0; i < kPlaces; i++) {
    const int output = i * kAttentionThreads + thread, query = output / kDims;
    if (query >= of.queries) break;
    const std::size_t part = at + query * splits;
    write_activation(to, places[i], merged_splits(args.outputs + part * kDims, args.weights + part, first_split, end_split,
                                                  kDims, output % kDims));
  }
}

using AttentionKernel = void (*)(AttentionArguments);

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel attention_kernel(int dims) {
  return dims == 64 ? attend_split<64> : dims == 128 ? attend_split<128> : nullptr;
}

}  // namespace esparse
