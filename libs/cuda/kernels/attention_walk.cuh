// Attention of decoding where there are more heads than SMs: a CTA takes one head after the other, with all splits of each, and its
// blocks of keys and values are asked for without a pause between heads. Bits are those of `attend_splits`.
#pragma once
#include "attention_decode.cuh"

namespace esparse {

constexpr int kWalkSlots = kMostSlots;

// The blocks of a warp, split after split of one head after the other: what is asked for next.
template <class Stream>
struct BlockWalk {
  const AttentionArguments& args;
  Stream& stream;
  int heads, all, warp, lane;  // heads of a token, and of all
  int head = 0, position = 0, following = 0;  // that the next block is of; of the head behind it
  SplitRange splits{};
  int split = 0, page = 0;

  __device__ __forceinline__ int position_of(int of) const { return of < all ? args.positions[of / heads] : -1; }

  __device__ __forceinline__ void begin(int first) {
    head = first;
    position = position_of(first);
    following = position_of(first + gridDim.x);
    enter();
  }
  // Asks for a block, where the warp has one in the split, and looks for the one behind it.
  __device__ __forceinline__ void request() {
    if (head >= all) return;
    if (has_block(args, position, split)) {
      constexpr int kDims = Stream::kHalf / kKeyBlock;
      const std::size_t of_page = static_cast<std::size_t>(page) * args.kv_heads + head % heads / args.groups;
      const std::size_t at = (of_page * kPagePositions + warp * kKeyBlock % kPagePositions) * kDims;
      stream.request(args.keys + at, args.values + at, lane);
    }
    if (++split < splits.end) return find_page();
    leave();
    enter();
  }

 private:
  __device__ __forceinline__ void leave() {
    head += gridDim.x;
    position = following;
    following = position_of(head + gridDim.x);
  }
  // At the first split of the head, or of the next one that has a token.
  __device__ __forceinline__ void enter() {
    while (head < all && position < 0) leave();
    if (head >= all) return;
    splits = splits_of(position, args.window);
    split = splits.first;
    find_page();
  }
  __device__ __forceinline__ void find_page() {
    page = args.page_table[head / heads * args.max_pages + (split * kSplitPositions + warp * kKeyBlock) / kPagePositions];
  }
};

// Grid (CTAs).
template <int kDims>
__global__ void __launch_bounds__(kAttentionThreads, 1) attend_heads(const __grid_constant__ AttentionArguments args) {
  using Stream = BlockStream<kDims, kWalkSlots>;
  auto& shared = *reinterpret_cast<AttentionShared<kDims>*>(attention_memory);
  std::uint8_t* const slots = attention_memory + sizeof(shared);
  const WarpResults results{shared.weights, reinterpret_cast<float*>(slots + kAttentionWarps * kWalkSlots * slot_bytes(kDims))};
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes;
  const int heads = args.kv_heads * args.groups, all = heads * args.tokens;
  release_dependents();
  begin_timeline(args.keys);
  Stream blocks(slots, shared.barriers, warp, lane);
  BlockWalk<Stream> walk{args, blocks, heads, all, warp, lane};
  walk.begin(blockIdx.x);
  if (args.appended) wait_for_producers();
  walk.request();  // known before the wait
  stamp(Moment::kRequested);
  wait_for_producers();
  stamp(Moment::kReleased);

  bool first = true;
#pragma unroll 1
  for (int head = blockIdx.x; head < all; head += gridDim.x) {
    const int token = head / heads, kv_head = head % heads / args.groups, first_query = head % args.groups * kQueriesAtOnce;
    const HeadOf of{token, kv_head, kv_head * args.queries + first_query, min(kQueriesAtOnce, args.queries - first_query),
                    args.positions[token], first_query == 0};
    const TokenPlace to = token_place(args.fragments, args.inputs, token, args.tokens, args.rows);
    if (of.position < 0) {  // no token: zeros
#pragma unroll 1
      for (int i = thread; i < of.queries * kDims; i += kAttentionThreads) {
        write_activation(to, args.inverse[of.first_head * kDims + i], 0);
      }
      continue;
    }
    const float4 turn = turn_of<kDims>(args.rotary, of.position, thread % kHeadThreads<kDims> * 2);
    const OutputPlaces<kDims> places(args, of.first_head, of.queries);
    prepare_head<kDims>(args, of, true, turn, shared);
    if (first) walk.request();  // the second, behind what the queries are made of
    first = false;
    __syncthreads();

    const SplitRange splits = splits_of(of.position, args.window);
    Attended sums[kOutputsOfThread<kDims>];
    KeptSplits kept[kOutputsOfThread<kDims>];
#pragma unroll 1
    for (int split = splits.first; split < splits.end; split++) {
      attend_block<kDims>(args, of, split, blocks, shared, results);
      walk.request();  // it takes the place of this one
      __syncthreads();
      const bool more = split + 1 < splits.end;
#pragma unroll
      for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
        const OutputOf output = output_of<kDims>(i);
        if (output.query >= of.queries) break;
        kept[i].add(sums[i], (split - splits.first) % kMergedAtOnce, sum_of_warps<kDims>(results, of.queries, output), !more);
      }
      if (more) __syncthreads();
    }
    write_head<kDims>(args, to, of.first_head, of.queries, places, sums);
  }
  end_timeline();
}

}  // namespace esparse
