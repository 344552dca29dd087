// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A CTA takes splits of a sequence, 64 positions each, of one key-value head, for the query heads that share it; the CTA of
// the head that ends last adds the splits up, in their order, and writes the activations of the linear o. However many CTAs
// share the splits, a sequence's bits depend on its own length only. The CTA that has the new position puts its key and value,
// rotated and rounded, into the cache.
#pragma once
#include "attention_block.cuh"
#include "attention_new.cuh"

namespace esparse {

extern __shared__ __align__(128) std::uint8_t attention_memory[];

// What a CTA is of; `position`: of the token.
struct HeadOf {
  int token, kv_head, first_head, queries, position;
  bool appends;
};

// The queries of the new position, scaled and rotated, to shared memory, and what is new of the cache, also to the cache.
// What stands there of queries that are not there may be anything: each has products of its own.
template <int kDims>
__device__ __forceinline__ void prepare_head(const AttentionArguments& args, const HeadOf& of, bool newest,
                                             AttentionShared<kDims>& shared) {
  // A head is made by kItems threads; that of the key, and the value, by whole warps of their own.
  constexpr int kItems = kDims / 4, kHeadsOfWarp = kItems < kLanes ? kLanes / kItems : 1;
  constexpr float kLog2E = 1.4426950408889634f;
  const int dim = threadIdx.x % kItems * 2;
  const int key_slot = (of.queries + kHeadsOfWarp - 1) / kHeadsOfWarp * kHeadsOfWarp, value_slot = key_slot + kHeadsOfWarp;
  const bool writes = of.appends && !args.appended;
  const int end = newest ? value_slot + kHeadsOfWarp : key_slot;
#pragma unroll 1
  for (int slot = threadIdx.x / kItems; slot < end; slot += kAttentionThreads / kItems) {
    const bool is_query = slot < key_slot, is_key = !is_query && slot < value_slot;
    const int query = min(slot, of.queries - 1);
    const int head = is_query ? of.first_head + query
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

// What a warp gives, to shared memory.
template <int kDims>
__device__ __forceinline__ void leave_warp(WarpSums<kDims>& of, int queries, AttentionShared<kDims>& shared,
                                           float* outputs) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  of.sum += __shfl_xor_sync(~0u, of.sum, 1);
  of.sum += __shfl_xor_sync(~0u, of.sum, 2);
  if (lane % 4 == 0) {
    shared.maxima[lane / 4][warp] = of.maximum;
    shared.sums[lane / 4][warp] = of.sum;
  }
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
  const float factor = power_of_2(own - maximum);  // 0 for a warp without keys
  float sum = shared.sums[query][warp] * factor;
#pragma unroll
  for (int distance = kAttentionWarps / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
  shared.factors[query][warp] = factor;
  if (warp == 0) {
    shared.maximum[query] = maximum;
    shared.sum[query] = sum;
  }
}

// Four outputs beside each other of a query are a thread's, or twice that.
template <int kDims>
constexpr int kOutputsOfThread = kQueriesAtOnce * kDims / (4 * kAttentionThreads);
struct OutputOf {
  int query, dim;
};
template <int kDims>
__device__ __forceinline__ OutputOf output_of(int i) {
  const int output = 4 * (i * kAttentionThreads + threadIdx.x);
  return {output / kDims, output % kDims};
}

// to += factor * from, where the factor is not 0: else `from` may be anything.
__device__ __forceinline__ void add_weighted(float4& to, float factor, const float4& from) {
  const bool used = factor != 0;
  to.x = used ? fmaf(factor, from.x, to.x) : to.x;
  to.y = used ? fmaf(factor, from.y, to.y) : to.y;
  to.z = used ? fmaf(factor, from.z, to.z) : to.z;
  to.w = used ? fmaf(factor, from.w, to.w) : to.w;
}

// What all warps have of a split, added up.
template <int kDims>
__device__ __forceinline__ float4 sum_of_warps(const AttentionShared<kDims>& shared, const float* outputs, int queries,
                                               const OutputOf& of) {
  float4 sum{};
#pragma unroll
  for (int w = 0; w < kAttentionWarps; w++) {
    const float* const at = outputs + (w * queries + of.query) * output_stride(kDims) + of.dim;
    add_weighted(sum, shared.factors[of.query][w], *reinterpret_cast<const float4*>(at));
  }
  return sum;
}

// Adds a head's splits up, in their order, up to kMergedAtOnce at a time, and writes the activations. By all threads.
template <int kDims>
__device__ __forceinline__ void merge_splits(const AttentionArguments& args, int first_head, int queries, int first, int end,
                                             AttentionShared<kDims>& shared) {
  constexpr int kAtOnce = 8;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  // Where what the first split gave of a query stands.
  const auto part_of = [&](int query) {
    return (static_cast<std::size_t>(blockIdx.z) * args.heads + first_head + query) * attention_splits(args.max_pages);
  };
  float4 sums[kOutputsOfThread<kDims>] = {};
  if (threadIdx.x < kQueriesAtOnce) {
    shared.maximum[threadIdx.x] = -INFINITY;
    shared.total[threadIdx.x] = 0;
  }
  for (int from = first; from < end; from += kMergedAtOnce) {
    const int count = min(kMergedAtOnce, end - from);
    __syncthreads();
    for (int query = warp; query < queries; query += kAttentionWarps) {
      const float2 of = lane < count ? __ldcg(args.weights + part_of(query) + from + lane) : make_float2(-INFINITY, 0);
      const float before = shared.maximum[query];
      float maximum = fmaxf(before, of.x);
#pragma unroll
      for (int distance = kLanes / 2; distance > 0; distance /= 2) {
        maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, distance));
      }
      const float factor = power_of_2(of.x - maximum), kept = power_of_2(before - maximum);  // 0 at first
      const float sum = sum_of_lanes(factor * of.y);
      shared.weights[query][lane] = factor;
      __syncwarp();
      if (lane == 0) {
        shared.maximum[query] = maximum;
        shared.kept[query] = kept;
        shared.total[query] = fmaf(shared.total[query], kept, sum);
      }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf of = output_of<kDims>(i);
      if (of.query >= queries) break;
      const float kept = shared.kept[of.query];
      float4& sum = sums[i];
      sum = make_float4(sum.x * kept, sum.y * kept, sum.z * kept, sum.w * kept);
      const float* const at = args.outputs + (part_of(of.query) + from) * kDims + of.dim;
#pragma unroll 1
      for (int split = 0; split < count; split += kAtOnce) {
        float4 some[kAtOnce];  // their loads do not wait for each other
#pragma unroll
        for (int s = 0; s < kAtOnce; s++) {
          some[s] = split + s < count ? __ldcg(reinterpret_cast<const float4*>(at + (split + s) * kDims)) : float4{};
        }
#pragma unroll
        for (int s = 0; s < kAtOnce; s++) add_weighted(sum, shared.weights[of.query][split + s], some[s]);
      }
    }
  }
  const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
#pragma unroll
  for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
    const OutputOf of = output_of<kDims>(i);
    if (of.query >= queries) break;
    float total = shared.total[of.query];
    if (args.sinks != nullptr) total += power_of_2(args.sinks[first_head + of.query] - shared.maximum[of.query]);
    const float whole = 1 / total;
    const auto* const places = args.inverse + (first_head + of.query) * kDims + of.dim;
    write_activation(to, places[0], sums[i].x * whole);
    write_activation(to, places[1], sums[i].y * whole);
    write_activation(to, places[2], sums[i].z * whole);
    write_activation(to, places[3], sums[i].w * whole);
  }
}

// Grid (CTAs that share a head's splits, kv_heads x query groups, tokens): a CTA takes one split in so many.
template <int kDims>
__global__ void __launch_bounds__(kAttentionThreads, attention_share(kDims)) attend_splits(const __grid_constant__ AttentionArguments args) {
  auto& shared = *reinterpret_cast<AttentionShared<kDims>*>(attention_memory);
  float* const outputs = reinterpret_cast<float*>(attention_memory + sizeof(shared));
  const int of_head = args.queries, groups = args.groups;
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes, ctas = gridDim.x;
  const int kv_head = groups == 1 ? blockIdx.y : blockIdx.y / groups, group = blockIdx.y - kv_head * groups;
  const int first_query = group * kQueriesAtOnce;
  HeadOf of{static_cast<int>(blockIdx.z),   kv_head, kv_head * of_head + first_query,
            min(kQueriesAtOnce, of_head - first_query), 0,       first_query == 0};
  release_dependents();
  const auto page_of = [&](int split) {
    return args.page_table[static_cast<int>(blockIdx.z) * args.max_pages + min((split * kSplitPositions + warp * kKeyBlock) / kPagePositions, args.max_pages - 1)];
  };
  int split = blockIdx.x, page = page_of(split);  // beside the position, not after it
  of.position = args.positions[of.token];
  if (of.position < 0) {  // no token: zeros
    if (split > 0) return;
    wait_for_producers();
    const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
#pragma unroll 1
    for (int i = thread; i < of.queries * kDims; i += kAttentionThreads) {
      write_activation(to, args.inverse[of.first_head * kDims + i], 0);
    }
    return;
  }
  const int begin = first_of_window(args, of.position), first_split = begin / kSplitPositions;
  const int end_split = of.position / kSplitPositions + 1;
  if (first_split > 0) page = page_of(split += first_split);
  if (split >= end_split) return;

  // Known before the wait: the cache, but for the new position, and the places of the activations.
  const auto older = [&](int split) { return of.position - split * kSplitPositions - warp * kKeyBlock; };
  const auto there = [&](int split) { return older(split) >= 0 && of.position - older(split) + kKeyBlock > begin; };
  if (64 * thread < of.queries * kDims) prefetch(args.inverse + of.first_head * kDims + 64 * thread);
  if (args.appended) wait_for_producers();
  KeyBlock<kDims> keys;
  ValueBlock<kDims> values;
  const auto row_of = [&](int page) {
    const std::size_t head = static_cast<std::size_t>(page) * args.kv_heads + of.kv_head;
    return (head * kPagePositions + warp * kKeyBlock % kPagePositions) * kDims;
  };
  if (there(split)) {
    keys.load(args.keys + row_of(page), lane);
    values.load(args.values + row_of(page), lane);
  }
  wait_for_producers();
  prepare_head<kDims>(args, of, (end_split - 1 - first_split) % ctas == static_cast<int>(blockIdx.x), shared);
  __syncthreads();

  // Where what a split gives of a query stands.
  const auto part_of = [&](int query) {
    return (static_cast<std::size_t>(blockIdx.z) * args.heads + of.first_head + query) * attention_splits(args.max_pages);
  };
#pragma unroll 1
  for (;;) {
    if (there(split)) {
      if (older(split) < kKeyBlock) {
        keys.put(shared.key, older(split), lane);
        values.put_last(shared.value, older(split), lane);
      }
      float scores[4];
      score_block<kDims>(shared, keys, lane, scores);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int after = ValueBlock<kDims>::key_of(i, lane) - older(split);  // the new position
        if (after > 0 || (args.window > 0 && after <= -args.window)) scores[i] = -INFINITY;
      }
      WarpSums<kDims> sums;
      sums.weigh(scores, values);
      leave_warp<kDims>(sums, of.queries, shared, outputs);
    } else if (lane % 4 == 0) {
      shared.maxima[lane / 4][warp] = -INFINITY;
      shared.sums[lane / 4][warp] = 0;
    }
    // The next split's take the registers of this one's.
    const int next = split + ctas;
    const bool more = next < end_split;
    if (more && there(next)) {
      page = page_of(next);
      keys.load(args.keys + row_of(page), lane);
      values.load(args.values + row_of(page), lane);
    }
    __syncthreads();
    if (thread < kQueriesAtOnce * kAttentionWarps) weigh_warps<kDims>(shared);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= of.queries) break;
      const std::size_t part = part_of(to.query) + split;
      *reinterpret_cast<float4*>(args.outputs + part * kDims + to.dim) =
          sum_of_warps<kDims>(shared, outputs, of.queries, to);
      if (to.dim == 0) args.weights[part] = make_float2(shared.maximum[to.query], shared.sum[to.query]);
    }
    if (!more) break;
    split = next;
    __syncthreads();
  }

  // The CTA that ends last has what all of them gave, and adds it up; which one that is makes no difference.
  const int sharing = min(ctas, end_split - first_split);
  if (sharing > 1) __threadfence();
  __syncthreads();
  if (sharing > 1) {
    if (thread == 0) {
      std::uint32_t* const arrived = args.arrived + blockIdx.z * gridDim.y + blockIdx.y;
      shared.last = atomicAdd(arrived, 1u) + 1 == static_cast<std::uint32_t>(sharing);
      if (shared.last) *arrived = 0;
    }
    __syncthreads();
    if (!shared.last) return;
    __threadfence();
  }
  merge_splits<kDims>(args, of.first_head, of.queries, first_split, end_split, shared);
}

using AttentionKernel = void (*)(AttentionArguments);

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel attention_kernel(int dims) {
  return dims == 64 ? attend_splits<64> : dims == 128 ? attend_splits<128> : dims == 256 ? attend_splits<256> : nullptr;
}

}  // namespace esparse
