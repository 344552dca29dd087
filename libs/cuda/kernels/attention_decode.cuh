// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A CTA takes splits of a sequence, 128 positions each, of one key-value head, for the query heads that share it; the CTA of
// the head that ends last adds the splits up, in their order, and writes the activations of the linear o. However many CTAs
// share the splits, a sequence's bits depend on its own length only. The CTA that has the new position puts its key and value,
// rotated and rounded, into the cache.
#pragma once
#include "attention_block.cuh"
#include "attention_merge.cuh"
#include "attention_new.cuh"

namespace esparse {

extern __shared__ __align__(128) std::uint8_t attention_memory[];

// What a CTA is of; `position`: of the token.
struct HeadOf {
  int token, kv_head, first_head, queries, position;
  bool appends;
};

// Threads beside each other that make a head, four dims each.
template <int kDims>
constexpr int kHeadThreads = kDims / 4;

// The queries of the new position, scaled and rotated, to shared memory, and what is new of the cache, also to the cache.
// `turn`: the angles of a thread's dims.
// What stands there of queries that are not there may be anything: each has products of its own.
template <int kDims>
__device__ __forceinline__ void prepare_head(const AttentionArguments& args, const HeadOf& of, bool newest, const float4& turn,
                                             AttentionShared<kDims>& shared) {
  // A head is made by kItems threads; that of the key, and the value, by whole warps of their own.
  constexpr int kItems = kHeadThreads<kDims>, kHeadsOfWarp = kItems < kLanes ? kLanes / kItems : 1;
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
      x = turned<kDims>(x, is_query ? args.head.query_norm : args.head.key_norm, args.head.epsilon, dim, turn);
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

// The greatest score and the sum of the weights of each warp of a query.
template <int kDims>
__device__ __forceinline__ float2* weights_of(AttentionShared<kDims>& shared, int query) {
  return reinterpret_cast<float2*>(shared.weights[query]);
}

// What a warp gives, to shared memory.
template <int kDims>
__device__ __forceinline__ void leave_warp(WarpWeights& weights, const ValueBlock<kDims>& values, int queries,
                                           AttentionShared<kDims>& shared, float* outputs) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 1);
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 2);
  if (lane % 4 == 0) weights_of<kDims>(shared, lane / 4)[warp] = make_float2(weights.maximum, weights.sum);
#pragma unroll
  for (int half = 0; half < ValueBlock<kDims>::kHalves; half++) {
    float of[4][4];
    weights.weigh(values, half, of);
#pragma unroll
    for (int odd = 0; odd < 2; odd++) {
      const int query = lane % 4 * 2 + odd;
      if (query >= queries) continue;
      float* const row = outputs + (warp * queries + query) * output_stride(kDims) + 64 * half + lane / 4 * 8;
      *reinterpret_cast<float4*>(row) = make_float4(of[0][odd], of[0][2 + odd], of[1][odd], of[1][2 + odd]);
      *reinterpret_cast<float4*>(row + 4) = make_float4(of[2][odd], of[2][2 + odd], of[3][odd], of[3][2 + odd]);
    }
  }
}

// Four outputs beside each other of a query are a thread's, or several times that.
template <int kDims>
constexpr int kOutputsOfThread = (kQueriesAtOnce * kDims + 4 * kAttentionThreads - 1) / (4 * kAttentionThreads);
struct OutputOf {
  int query, dim;
};
template <int kDims>
__device__ __forceinline__ OutputOf output_of(int i) {
  const int output = 4 * (i * kAttentionThreads + threadIdx.x);
  return {output / kDims, output % kDims};
}

// What all warps have of a split, added up.
template <int kDims>
__device__ __forceinline__ Attended sum_of_warps(AttentionShared<kDims>& shared, const float* outputs, int queries,
                                                 const OutputOf& of) {
  Attended sum;
#pragma unroll
  for (int first = 0; first < kAttentionWarps; first += kMergedAtOnce) {
    float4 parts[kMergedAtOnce];
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      parts[i] = *reinterpret_cast<const float4*>(outputs + ((first + i) * queries + of.query) * output_stride(kDims) + of.dim);
    }
    add_parts(sum, weights_of<kDims>(shared, of.query) + first, parts);
  }
  return sum;
}

// The number of a query's split among those of all queries.
__device__ __forceinline__ unsigned part_of(const AttentionArguments& args, int head, int split) {
  return (blockIdx.z * args.heads + head) * attention_splits(args.max_pages) + split;
}

// Adds a head's splits up, in their order, and writes the activations. By all threads.
template <int kDims>
__device__ __forceinline__ void merge_splits(const AttentionArguments& args, int first_head, int queries,
                                             const SplitRange& splits) {
  const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
  Attended sums[kOutputsOfThread<kDims>];
  uint2 places[kOutputsOfThread<kDims>];
#pragma unroll
  for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
    const OutputOf of = output_of<kDims>(i);
    if (of.query >= queries) break;
    places[i] = __ldg(reinterpret_cast<const uint2*>(args.inverse + (first_head + of.query) * kDims + of.dim));
#pragma unroll 1
    for (int split = splits.first; split < splits.end; split += 2 * kMergedAtOnce) {
      LoadedSplits some[2];
#pragma unroll
      for (int s = 0; s < 2; s++) {
        const int first = split + s * kMergedAtOnce;
        const unsigned part = part_of(args, first_head + of.query, first);
        some[s].load(args.weights + part, args.outputs + static_cast<std::size_t>(part) * kDims + of.dim, kDims,
                     splits.end - first);
      }
#pragma unroll
      for (int s = 0; s < 2; s++) add_parts(sums[i], some[s].weights, some[s].outputs);
    }
  }
#pragma unroll
  for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
    const OutputOf of = output_of<kDims>(i);
    if (of.query >= queries) break;
    const int head = first_head + of.query;
    const float whole = whole_of(sums[i], args.sinks == nullptr ? nullptr : args.sinks + head);
    write_activation(to, places[i].x & 0xffff, sums[i].outputs.x * whole);
    write_activation(to, places[i].x >> 16, sums[i].outputs.y * whole);
    write_activation(to, places[i].y & 0xffff, sums[i].outputs.z * whole);
    write_activation(to, places[i].y >> 16, sums[i].outputs.w * whole);
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
  begin_timeline(args.keys);
  const auto page_of = [&](int split) {
    return args.page_table[static_cast<int>(blockIdx.z) * args.max_pages + min((split * kSplitPositions + warp * kKeyBlock) / kPagePositions, args.max_pages - 1)];
  };
  int split = blockIdx.x, page = page_of(split);  // beside the position, not after it
  of.position = args.positions[of.token];
  if (of.position < 0) {  // no token: zeros
    if (split > 0 || args.fragments == nullptr) return;
    wait_for_producers();
    const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
#pragma unroll 1
    for (int i = thread; i < of.queries * kDims; i += kAttentionThreads) {
      write_activation(to, args.inverse[of.first_head * kDims + i], 0);
    }
    return;
  }
  const int begin = first_of_window(args, of.position);
  const SplitRange splits = splits_of(of.position, args.window);
  if (splits.first > 0) page = page_of(split += splits.first);
  if (split >= splits.end) return;

  // Known before the wait: the cache, but for the new position, its angles, and the places of the activations.
  const auto older = [&](int split) { return of.position - split * kSplitPositions - warp * kKeyBlock; };
  const auto there = [&](int split) { return older(split) >= 0 && of.position - older(split) + kKeyBlock > begin; };
  const float4 turn = turn_of<kDims>(args.rotary, of.position, thread % kHeadThreads<kDims> * 2);
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
  stamp(Moment::kRequested);
  wait_for_producers();
  stamp(Moment::kReleased);
  prepare_head<kDims>(args, of, (splits.count() - 1) % ctas == static_cast<int>(blockIdx.x), turn, shared);
  __syncthreads();
  stamp(Moment::kReady);

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
      WarpWeights weights(scores);
      leave_warp<kDims>(weights, values, of.queries, shared, outputs);
    } else if (lane % 4 == 0) {
      weights_of<kDims>(shared, lane / 4)[warp] = make_float2(-INFINITY, 0);
    }
    // The next split's take the registers of this one's.
    const int next = split + ctas;
    const bool more = next < splits.end;
    if (more && there(next)) {
      page = page_of(next);
      keys.load(args.keys + row_of(page), lane);
      values.load(args.values + row_of(page), lane);
    } else {  // else what they were would be kept until then
      keys = {};
      values = {};
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= of.queries) break;
      const Attended sum = sum_of_warps<kDims>(shared, outputs, of.queries, to);
      const unsigned part = part_of(args, of.first_head + to.query, split);
      *reinterpret_cast<float4*>(args.outputs + static_cast<std::size_t>(part) * kDims + to.dim) = sum.outputs;
      if (to.dim == 0) args.weights[part] = make_float2(sum.maximum, sum.total);
    }
    if (!more) break;
    split = next;
    __syncthreads();
  }

  stamp(Moment::kSummed);
  if (args.fragments == nullptr) {
    end_timeline();
    return;
  }
  // The CTA that ends last has what all of them gave, and adds it up; which one that is makes no difference.
  const int sharing = min(ctas, splits.count());
  __syncthreads();
  if (sharing > 1) {
    if (thread == 0) {
      fence_gpu();
      std::uint32_t* const arrived = args.arrived + blockIdx.z * gridDim.y + blockIdx.y;
      shared.last = atomicAdd(arrived, 1u) + 1 == static_cast<std::uint32_t>(sharing);
      if (shared.last) *arrived = 0;
      fence_gpu();
    }
    __syncthreads();
    if (!shared.last) {
      end_timeline();
      return;
    }
  }
  stamp(Moment::kMerging);
  merge_splits<kDims>(args, of.first_head, of.queries, splits);
  end_timeline();
}

using AttentionKernel = void (*)(AttentionArguments);

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel attention_kernel(int dims) {
  return dims == 64 ? attend_splits<64> : dims == 128 ? attend_splits<128> : dims == 256 ? attend_splits<256> : nullptr;
}

}  // namespace esparse
