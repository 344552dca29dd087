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

// The queries of the new position, scaled and rotated, to shared memory, and what is new of the cache, also to the cache.
// What stands there of queries that are not there may be anything: each has products of its own.
template <int kDims, int kThreads>
__device__ __forceinline__ void prepare_head(const AttentionArguments& args, const HeadOf& of, bool newest, const float4& turn,
                                             AttentionShared<kDims>& shared) {
  // A head is made by kItems threads; that of the key, and the value, by whole warps of their own.
  constexpr int kItems = kDims / 4, kHeadsOfWarp = kItems < kLanes ? kLanes / kItems : 1;
  constexpr float kLog2E = 1.4426950408889634f;
  const int dim = threadIdx.x % kItems * 2;
  const int key_slot = (of.queries + kHeadsOfWarp - 1) / kHeadsOfWarp * kHeadsOfWarp, value_slot = key_slot + kHeadsOfWarp;
  const bool writes = of.appends && !args.appended;
  const int end = newest ? value_slot + kHeadsOfWarp : key_slot;
#pragma unroll 1
  for (int slot = threadIdx.x / kItems; slot < end; slot += kThreads / kItems) {
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

// The greatest score and the sum of the weights of each warp of a query, of a split of those that are computed at once.
template <int kDims>
__device__ __forceinline__ float2* weights_of(AttentionShared<kDims>& shared, int query) {
  return reinterpret_cast<float2*>(shared.weights[threadIdx.x / kSplitThreads][query]);
}

// What a warp gives, to shared memory.
template <int kDims>
__device__ __forceinline__ void leave_warp(WarpWeights& weights, const ValueBlock<kDims>& values, int queries,
                                           AttentionShared<kDims>& shared, float* outputs) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 1);
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 2);
  if (lane % 4 == 0) weights_of<kDims>(shared, lane / 4)[warp % kSplitWarps] = make_float2(weights.maximum, weights.sum);
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
constexpr int kOutputsOfThread = (kQueriesAtOnce * kDims + 4 * kSplitThreads - 1) / (4 * kSplitThreads);
struct OutputOf {
  int query, dim;
};
template <int kDims>
__device__ __forceinline__ OutputOf output_of(int i) {
  const int output = 4 * (i * kSplitThreads + threadIdx.x % kSplitThreads);
  return {output / kDims, output % kDims};
}

// What all warps have of a split, added up.
template <int kDims>
__device__ __forceinline__ Attended sum_of_warps(AttentionShared<kDims>& shared, const float* outputs, int queries,
                                                 const OutputOf& of) {
  Attended sum;
#pragma unroll
  for (int first = 0; first < kSplitWarps; first += kMergedAtOnce) {
    float4 parts[kMergedAtOnce];
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      parts[i] = *reinterpret_cast<const float4*>(outputs + ((threadIdx.x / kSplitThreads * kSplitWarps + first + i) * queries + of.query) * output_stride(kDims) + of.dim);
    }
    add_parts(sum, weights_of<kDims>(shared, of.query) + first, parts);
  }
  return sum;
}

// The number of a query's split among those of all queries.
__device__ __forceinline__ unsigned part_of(const AttentionArguments& args, int head, int split) {
  return (blockIdx.z * args.heads + head) * attention_splits(args.max_pages) + split;
}

// Where a thread's outputs go: the places of four beside each other.
template <int kDims>
struct OutputPlaces {
  uint2 of[kOutputsOfThread<kDims>];

  __device__ __forceinline__ void load(const AttentionArguments& args, int first_head, int queries) {
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= queries) break;
      of[i] = __ldg(reinterpret_cast<const uint2*>(args.inverse + (first_head + to.query) * kDims + to.dim));
    }
  }
};

// Writes what all splits give as the activations of o.
template <int kDims>
__device__ __forceinline__ void write_head(const AttentionArguments& args, int first_head, int queries,
                                           const OutputPlaces<kDims>& places,
                                           const Attended (&sums)[kOutputsOfThread<kDims>]) {
  const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
#pragma unroll
  for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
    const OutputOf of = output_of<kDims>(i);
    if (of.query >= queries) break;
    const int head = first_head + of.query;
    const float whole = whole_of(sums[i], args.sinks == nullptr ? nullptr : args.sinks + head);
    write_activation(to, places.of[i].x & 0xffff, sums[i].outputs.x * whole);
    write_activation(to, places.of[i].x >> 16, sums[i].outputs.y * whole);
    write_activation(to, places.of[i].y & 0xffff, sums[i].outputs.z * whole);
    write_activation(to, places.of[i].y >> 16, sums[i].outputs.w * whole);
  }
}

// Adds a head's splits up, in their order, as CTAs left them in the GPU's memory. By the threads of a split.
template <int kDims>
__device__ __forceinline__ void merge_splits(const AttentionArguments& args, int first_head, int queries,
                                             const SplitRange& splits, Attended (&sums)[kOutputsOfThread<kDims>]) {
#pragma unroll
  for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
    const OutputOf of = output_of<kDims>(i);
    if (of.query >= queries) break;
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
}

// Grid (CTAs that share a head's splits, kv_heads x query groups, tokens). A CTA takes kSplits splits beside each other at once,
// and then those gridDim.x times as many further. kSlots: see `AttentionVariant`.
template <int kDims, int kSplits, int kSlots>
__global__ void __launch_bounds__(kSplits * kSplitThreads, kSplits == 1 && kSlots <= 1 ? attention_share(kDims) : 1)
    attend_splits(const __grid_constant__ AttentionArguments args) {
  constexpr int kThreads = kSplits * kSplitThreads, kBlocks = kSlots > 0 ? kSlots : 1;
  auto& shared = *reinterpret_cast<AttentionShared<kDims>*>(attention_memory);
  std::uint8_t* const blocks = attention_memory + sizeof(shared);
  float* const outputs = reinterpret_cast<float*>(blocks + kSplits * kSplitWarps * kSlots * block_bytes(kDims));
  const int of_head = args.queries, groups = args.groups;
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes, ctas = gridDim.x;
  const int own_split = warp / kSplitWarps, own_block = warp % kSplitWarps * kKeyBlock;
  const int kv_head = groups == 1 ? blockIdx.y : blockIdx.y / groups, group = blockIdx.y - kv_head * groups;
  const int first_query = group * kQueriesAtOnce;
  HeadOf of{static_cast<int>(blockIdx.z),   kv_head, kv_head * of_head + first_query,
            min(kQueriesAtOnce, of_head - first_query), 0,       first_query == 0};
  float* const merged = outputs + kSplits * kSplitWarps * of.queries * output_stride(kDims);  // [kMergedAtOnce][queries][dims]
  release_dependents();
  begin_timeline(args.keys);
  const auto page_of = [&](int split) {
    return args.page_table[static_cast<int>(blockIdx.z) * args.max_pages + min((split * kSplitPositions + own_block) / kPagePositions, args.max_pages - 1)];
  };
  // The split of a warp in a round: all warps of a CTA have as many rounds.
  const auto split_of = [&](int first, int round) { return first + (round * ctas + static_cast<int>(blockIdx.x)) * kSplits + own_split; };
  int page = page_of(split_of(0, 0));  // beside the position, not after it
  of.position = args.positions[of.token];
  if (of.position < 0) {  // no token: zeros
    if (blockIdx.x > 0 || args.fragments == nullptr) return;
    wait_for_producers();
    const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z);
#pragma unroll 1
    for (int i = thread; i < of.queries * kDims; i += kThreads) {
      write_activation(to, args.inverse[of.first_head * kDims + i], 0);
    }
    return;
  }
  const int begin = first_of_window(args, of.position);
  const SplitRange splits = splits_of(of.position, args.window);
  const int units = (splits.count() + kSplits - 1) / kSplits;  // of as many splits as a CTA takes at once
  if (static_cast<int>(blockIdx.x) >= units) return;
  const int rounds = (units - 1 - static_cast<int>(blockIdx.x)) / ctas + 1;
  if (splits.first > 0) page = page_of(split_of(splits.first, 0));

  // Known before the wait: the cache, but for the new position, angles, and the places of the activations.
  const auto older = [&](int split) { return of.position - split * kSplitPositions - own_block; };
  const auto there = [&](int split) { return older(split) >= 0 && of.position - older(split) + kKeyBlock > begin; };
  const float4 turn = turn_of<kDims>(args.rotary, of.position, thread % (kDims / 4) * 2);
  OutputPlaces<kDims> places;
  auto* const kept_places = reinterpret_cast<OutputPlaces<kDims>*>(merged + kMergedAtOnce * of.queries * kDims) + thread;
  if constexpr (kSlots > 0) {
    if (thread < kSplitThreads) {
      places.load(args, of.first_head, of.queries);
      *kept_places = places;
    }
  } else {
    if (64 * thread < of.queries * kDims) prefetch(args.inverse + of.first_head * kDims + 64 * thread);
  }
  if (args.appended) wait_for_producers();
  KeyBlock<kDims> keys;
  ValueBlock<kDims> values;
  const auto row_of = [&](int page) {
    const std::size_t head = static_cast<std::size_t>(page) * args.kv_heads + of.kv_head;
    return (head * kPagePositions + own_block % kPagePositions) * kDims;
  };
  std::uint8_t* const slots = blocks + warp * kSlots * block_bytes(kDims);
  const std::uint32_t slot_barriers = shared_address(shared.barriers) + warp * kBlocks * 8;
  if constexpr (kSlots > 0) {
    if (lane == 0) {
      for (int i = 0; i < kBlocks; i++) barrier_init(slot_barriers + i * 8, 1);
      barrier_init_fence();
    }
    __syncwarp();
  }
  int asked = 0, taken = 0;  // blocks
  // Asks for the block of a round, whose page is known.
  const auto request = [&](int round, int page) {
    const int split = split_of(splits.first, round);
    if constexpr (kSlots > 0) {
      if (round < rounds && there(split)) {
        if (lane == 0) {
          const std::uint32_t to = shared_address(slots + asked % kBlocks * block_bytes(kDims)), bar = slot_barriers + asked % kBlocks * 8;
          barrier_expect(bar, block_bytes(kDims));
          bulk_copy(to, args.keys + row_of(page), block_bytes(kDims) / 2, bar);
          bulk_copy(to + block_bytes(kDims) / 2, args.values + row_of(page), block_bytes(kDims) / 2, bar);
        }
        asked++;
      }
    } else if (round < rounds && there(split)) {
      keys.load(args.keys + row_of(page), lane);
      values.load(args.values + row_of(page), lane);
    } else {  // else what they were would be kept
      keys = {};
      values = {};
    }
  };
  request(0, page);
#pragma unroll
  for (int round = 1; round < kSlots; round++) request(round, page_of(split_of(splits.first, round)));
  int next_page = page_of(split_of(splits.first, kBlocks));
  stamp(Moment::kRequested);
  wait_for_producers();
  stamp(Moment::kReleased);
  const bool newest = (units - 1) % ctas == static_cast<int>(blockIdx.x);
  prepare_head<kDims, kThreads>(args, of, newest, turn, shared);
  __syncthreads();
  stamp(Moment::kReady);

  const int sharing = min(ctas, units);
  Attended sums[kOutputsOfThread<kDims>];
  // Of 1024 threads none has registers for them meanwhile.
  constexpr bool kSumsInShared = kSplits == kMostSplitsAtOnce;
  auto* const kept_sums = reinterpret_cast<Attended*>(kept_places + kSplitThreads - thread) + thread;
  if (kSumsInShared && thread < kSplitThreads) *kept_sums = Attended{};
#pragma unroll 1
  for (int round = 0; round < rounds; round++) {
    const int split = split_of(splits.first, round);
    if (there(split) && split < splits.end) {
      if constexpr (kSlots > 0) barrier_wait(slot_barriers + taken % kBlocks * 8, taken / kBlocks % 2);
      const bool last = older(split) < kKeyBlock;
      const std::uint8_t* const slot = slots + taken++ % kBlocks * block_bytes(kDims);
      if constexpr (kSlots > 0) keys.take(slot, lane);
      if (last) keys.put(shared.key, older(split), lane);
      float scores[4];
      score_block<kDims>(shared, keys, lane, scores);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int after = ValueBlock<kDims>::key_of(i, lane) - older(split);  // the new position
        if (after > 0 || (args.window > 0 && after <= -args.window)) scores[i] = -INFINITY;
      }
      if constexpr (kSlots > 0) values.take(slot + block_bytes(kDims) / 2, lane);
      if (last) values.put_last(shared.value, older(split), lane);
      WarpWeights weights(scores);
      leave_warp<kDims>(weights, values, of.queries, shared, outputs);
    } else if (lane % 4 == 0) {
      weights_of<kDims>(shared, lane / 4)[warp % kSplitWarps] = make_float2(-INFINITY, 0);
    }
    // The next block takes the room of this one.
    if constexpr (kSlots > 0) __syncwarp();
    request(round + kBlocks, next_page);
    if (round + 1 < rounds) next_page = page_of(split_of(splits.first, round + 1 + kBlocks));
    __syncthreads();
    const bool here = kSlots > 0 && sharing == 1 && args.fragments != nullptr;  // splits are added up in this CTA
    const int index = split - splits.first;
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= of.queries) break;
      const Attended sum = sum_of_warps<kDims>(shared, outputs, of.queries, to);
      if (here) {
        *reinterpret_cast<float4*>(merged + (index % kMergedAtOnce * of.queries + to.query) * kDims + to.dim) = sum.outputs;
        if (to.dim == 0) {
          reinterpret_cast<float2&>(shared.merged[index % kMergedAtOnce][to.query]) =
              make_float2(split < splits.end ? sum.maximum : -INFINITY, sum.total);
        }
      } else if (split < splits.end) {
        const unsigned part = part_of(args, of.first_head + to.query, split);
        *reinterpret_cast<float4*>(args.outputs + static_cast<std::size_t>(part) * kDims + to.dim) = sum.outputs;
        if (to.dim == 0) args.weights[part] = make_float2(sum.maximum, sum.total);
      }
    }
    if (round + 1 == rounds && !here) break;
    __syncthreads();
    if constexpr (kSlots > 0) {
      const int done = (round + 1) * kSplits;  // splits
      if (here && thread < kSplitThreads && (done % kMergedAtOnce == 0 || round + 1 == rounds)) {
#pragma unroll
        for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
          const OutputOf to = output_of<kDims>(i);
          if (to.query >= of.queries) break;
          LoadedSplits some;
#pragma unroll
          for (int s = 0; s < kMergedAtOnce; s++) {
            const bool filled = s <= (done - 1) % kMergedAtOnce;
            some.weights[s] = filled ? reinterpret_cast<const float2&>(shared.merged[s][to.query]) : make_float2(-INFINITY, 0);
            some.outputs[s] = filled ? *reinterpret_cast<const float4*>(merged + (s * of.queries + to.query) * kDims + to.dim) : float4{};
          }
          if (kSumsInShared) {
            Attended sum = *kept_sums;
            add_parts(sum, some.weights, some.outputs);
            *kept_sums = sum;
          } else {
            add_parts(sums[i], some.weights, some.outputs);
          }
        }
      }
    }
  }

  stamp(Moment::kSummed);
  if (args.fragments == nullptr) {  // the linear o adds splits up
    end_timeline();
    return;
  }
  if constexpr (kSlots > 0) {
    if (sharing == 1) {
      if (kSumsInShared && thread < kSplitThreads) sums[0] = *kept_sums;
      if (thread < kSplitThreads) write_head<kDims>(args, of.first_head, of.queries, *kept_places, sums);
      end_timeline();
      return;
    }
  }
  // The CTA that ends last has what all of them gave, and adds it up; which one that is makes no difference.
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
  if (thread < kSplitThreads) {
    if constexpr (kSlots == 0) places.load(args, of.first_head, of.queries);
    else places = *kept_places;
    merge_splits<kDims>(args, of.first_head, of.queries, splits, sums);
    write_head<kDims>(args, of.first_head, of.queries, places, sums);
  }
  end_timeline();
}

using AttentionKernel = void (*)(AttentionArguments);

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel attention_kernel(int dims, const AttentionVariant& of) {
  const auto is = [&](int dims_, int splits, int slots) { return dims == dims_ && of.splits == splits && of.slots == slots; };
#ifdef EB_ATT
  if (is(64, 1, 1)) return attend_splits<64, 1, 1>;
  if (is(64, 2, 2)) return attend_splits<64, 2, 2>;
  if (is(64, 2, 1)) return attend_splits<64, 2, 1>;
  if (is(128, 2, 1)) return attend_splits<128, 2, 1>;
  if (is(128, 1, 2)) return attend_splits<128, 1, 2>;
  if (is(128, 1, 3)) return attend_splits<128, 1, 3>;
  if (is(128, 1, 1)) return attend_splits<128, 1, 1>;
#endif
  if (is(64, 1, 0)) return attend_splits<64, 1, 0>;
  if (is(128, 1, 0)) return attend_splits<128, 1, 0>;
  return is(256, 1, 0) ? attend_splits<256, 1, 0> : nullptr;
}

}  // namespace esparse
