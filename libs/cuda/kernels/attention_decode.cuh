// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A CTA takes splits of a sequence, 128 positions each, of one key-value head, for the query heads that share it; the CTA of
// the head that ends last adds the splits up, in their order, and writes the activations of the linear o; or it has all of them,
// and adds them up as they come. However many CTAs share the splits, a sequence's bits depend on its own length only. The CTA that
// has the new position puts its key and value, rotated and rounded, into the cache.
#pragma once
#include "attention_new.cuh"
#include "attention_stream.cuh"
#include "attention_sums.cuh"

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
                                             NewHead<kDims>& made) {
  // A head is made by kItems threads; that of the key, and the value, by whole warps of their own.
  constexpr int kItems = kHeadThreads<kDims>, kHeadsOfWarp = kItems < kLanes ? kLanes / kItems : 1;
  constexpr float kLog2E = 1.4426950408889634f;
  const int dim = attention_thread() % kItems * 2;
  const int key_slot = (of.queries + kHeadsOfWarp - 1) / kHeadsOfWarp * kHeadsOfWarp, value_slot = key_slot + kHeadsOfWarp;
  const bool writes = of.appends && !args.appended;
  const int end = newest ? value_slot + kHeadsOfWarp : key_slot;
#pragma unroll 1
  for (int slot = attention_thread() / kItems; slot < end; slot += kAttentionThreads / kItems) {
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
      put_pair(&made.queries[0][query][dim], low.hi);
      put_pair(&made.queries[1][query][dim], low.lo);
      put_pair(&made.queries[0][query][dim + kDims / 2], high.hi);
      put_pair(&made.queries[1][query][dim + kDims / 2], high.lo);
      continue;
    }
    const std::uint32_t low = bf16_pair(x.low), high = bf16_pair(x.high);
    std::uint16_t* const to = (is_key ? made.key : made.value) + dim;
    put_pair(to, low);
    put_pair(to + kDims / 2, high);
    if (!writes) continue;
    std::uint16_t* const cached =
        (is_key ? args.keys : args.values) + cache_at(args, of.token, of.position, of.kv_head, kDims) + dim;
    put_pair(cached, low);
    put_pair(cached + kDims / 2, high);
  }
}

// Whether the warp has positions in a split.
__device__ __forceinline__ bool has_block(const AttentionArguments& args, int position, int split) {
  const int first = split * kSplitPositions + threadIdx.x / kLanes * kKeyBlock;
  return first <= position && first + kKeyBlock > first_of_window(args, position);
}

// What the warp gives of its positions in a split.
template <int kDims, class Stream>
__device__ __forceinline__ void attend_block(const AttentionArguments& args, const HeadOf& of, int split, Stream& blocks,
                                             const NewHead<kDims>& head, const WarpResults& results) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  if (!has_block(args, of.position, split)) {
    if (lane % 4 == 0) results.weights_of(lane / 4)[warp] = make_float2(-INFINITY, 0);
    return;
  }
  const int new_key = of.position - split * kSplitPositions - warp * kKeyBlock;  // of the block, or behind it
  KeyBlock<kDims> keys = blocks.keys(lane);
  if (new_key < kKeyBlock) keys.put(head.key, new_key, lane);
  float scores[4];
  score_block<kDims>(head, keys, lane, scores);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int after = ValueBlock<kDims>::key_of(i, lane) - new_key;
    if (after > 0 || (args.window > 0 && after <= -args.window)) scores[i] = -INFINITY;
  }
  WarpWeights weights(scores);
  const auto values_of = [&](int part) {
    ValueBlock<kDims> values = blocks.values(part, lane);
    if (new_key < kKeyBlock) values.put_last(head.value + 64 * part, new_key, lane);
    return values;
  };
  leave_warp<kDims>(weights, values_of, of.queries, results);
  blocks.free();  // what products made of it has been written
}

// Grid (CTAs that share a head's splits, kv_heads x query groups, tokens): a CTA takes one split in so many. kSlots: see
// `AttentionPlan`.
template <int kDims, int kSlots>
__global__ void __launch_bounds__(kAttentionThreads, attention_share(kDims, kSlots))
    attend_splits(const __grid_constant__ AttentionArguments args) {
  using Stream = BlockStream<kDims, kSlots>;
  constexpr bool kKeeps = kSlots > 0;  // registers have room for splits that are added up here
  auto& shared = *reinterpret_cast<AttentionShared<kDims>*>(attention_memory);
  std::uint8_t* const slots = attention_memory + sizeof(shared);
  float* const outputs = reinterpret_cast<float*>(slots + kAttentionWarps * kSlots * slot_bytes(kDims));
  const int of_head = args.queries, groups = args.groups;
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes, ctas = gridDim.x;
  const int kv_head = groups == 1 ? blockIdx.y : blockIdx.y / groups, group = blockIdx.y - kv_head * groups;
  const int first_query = group * kQueriesAtOnce;
  HeadOf of{static_cast<int>(blockIdx.z),   kv_head, kv_head * of_head + first_query,
            min(kQueriesAtOnce, of_head - first_query), 0,       first_query == 0};
  const TokenPlace to = token_place(args.fragments, args.inputs, blockIdx.z, gridDim.z, args.rows);
  release_dependents();
  begin_timeline(args.keys);
  // The pages of the splits that are asked for first: beside the position, and each other.
  const auto page_of = [&](int split) {
    const int page = (split * kSplitPositions + warp * kKeyBlock) / kPagePositions;
    return args.page_table[of.token * args.max_pages + min(page, args.max_pages - 1)];
  };
  int first = blockIdx.x, page = page_of(first), next_page = page_of(first + ctas);
  of.position = args.positions[of.token];
  Stream blocks(slots, shared.barriers, warp, lane);
  if (of.position < 0) {  // no token: zeros
    if (first > 0 || args.fragments == nullptr) return;
    wait_for_producers();
#pragma unroll 1
    for (int i = thread; i < of.queries * kDims; i += kAttentionThreads) {
      write_activation(to, args.inverse[of.first_head * kDims + i], 0);
    }
    return;
  }
  const SplitRange splits = splits_of(of.position, args.window);
  if (splits.first > 0) {
    first += splits.first;
    page = page_of(first);
    next_page = page_of(first + ctas);
  }
  if (first >= splits.end) return;

  // Known before the wait: the cache, but for the new position, its angles, and the places of the activations.
  const auto request = [&](int split, int page) {
    if (split >= splits.end || !has_block(args, of.position, split)) return blocks.skip();
    const std::size_t head = static_cast<std::size_t>(page) * args.kv_heads + of.kv_head;
    const std::size_t at = (head * kPagePositions + warp * kKeyBlock % kPagePositions) * kDims;
    blocks.request(args.keys + at, args.values + at, lane);
  };
  const float4 turn = turn_of<kDims>(args.rotary, of.position, thread % kHeadThreads<kDims> * 2);
  const OutputPlaces<kDims> places(args, of.first_head, of.queries);
  if (args.appended) wait_for_producers();
  request(first, page);
  int next = first + ctas;  // to be asked for, and its page
  const auto request_next = [&] {
    request(next, next_page);
    next_page = page_of(next += ctas);
  };
  stamp(Moment::kRequested);
  wait_for_producers();
  stamp(Moment::kReleased);
  prepare_head<kDims>(args, of, (splits.count() - 1) % ctas == static_cast<int>(blockIdx.x), turn, shared.head);
  if constexpr (kSlots > 1) request_next();  // the second, behind what the queries are made of
  __syncthreads();
  stamp(Moment::kReady);

  const int sharing = min(ctas, splits.count());
  const bool alone = kKeeps && sharing == 1 && args.fragments != nullptr;
  Attended sums[kOutputsOfThread<kDims>];
  KeptSplits kept[kKeeps ? kOutputsOfThread<kDims> : 1];
  const WarpResults results{shared.weights, outputs};
#pragma unroll 1
  for (int split = first;; split += ctas) {
    attend_block<kDims>(args, of, split, blocks, shared.head, results);
    request_next();  // it takes the place of this one
    __syncthreads();
    const bool more = split + ctas < splits.end;
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= of.queries) break;
      const Attended sum = sum_of_warps<kDims>(results, of.queries, to);
      if (alone) {
        kept[kKeeps ? i : 0].add(sums[i], (split - splits.first) % kMergedAtOnce, sum, !more);
        continue;
      }
      const unsigned part = part_of(args, of.first_head + to.query, split);
      *reinterpret_cast<float4*>(args.outputs + static_cast<std::size_t>(part) * kDims + to.dim) = sum.outputs;
      if (to.dim == 0) args.weights[part] = make_float2(sum.maximum, sum.total);
    }
    if (!more) break;
    __syncthreads();
  }

  stamp(Moment::kSummed);
  if (args.fragments == nullptr) {  // the linear o adds splits up
    end_timeline();
    return;
  }
  if (!alone) {
    __syncthreads();
    // The CTA that ends last has what all of them gave, and adds it up; which one that is makes no difference.
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
    merge_splits<kDims>(args, of.first_head, of.queries, splits, sums);
  }
  write_head<kDims>(args, to, of.first_head, of.queries, places, sums);
  end_timeline();
}

using AttentionKernel = void (*)(AttentionArguments);

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel attention_kernel(int dims, int slots) {
  if (slots > 0) return dims != 128 ? nullptr : slots == kMostSlots ? attend_splits<128, 2> : nullptr;
  return dims == 64 ? attend_splits<64, 0> : dims == 128 ? attend_splits<128, 0> : dims == 256 ? attend_splits<256, 0> : nullptr;
}

}  // namespace esparse
