// Attention of decoding where there are about as many heads as SMs, or more: a CTA takes one head after the other, with all splits of each. Half of its
// warps attend, and ask for blocks of keys and values without a pause between heads; the other half makes the next head ready and adds
// up what they leave, a split behind them. Bits are those of `attend_splits`.
#pragma once
#include "attention_decode.cuh"
#include "ring_place.h"

namespace esparse {

// The blocks of a warp, of one split after the other of one head after the other: what is asked for next.
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
    if (head < all) find();
  }
  // Asks for a block, where there is one more, and looks for the one behind it.
  __device__ __forceinline__ void request() {
    if (head >= all) return;
    constexpr int kDims = Stream::kHalf / kKeyBlock;
    const std::size_t of_page = static_cast<std::size_t>(page) * args.kv_heads + head % heads / args.groups;
    const std::size_t at = (of_page * kPagePositions + warp * kKeyBlock % kPagePositions) * kDims;
    stream.request(args.keys + at, args.values + at, lane);
    split++;
    find();
  }

 private:
  __device__ __forceinline__ void enter() {
    splits = position < 0 ? SplitRange{} : splits_of(position, args.window);
    split = splits.first;
  }
  // The warp's next block, from this split on: a token may be none, and the first and the last split of a head have no block of it.
  __device__ __forceinline__ void find() {
    while (split >= splits.end || !has_block(args, position, split)) {
      if (++split < splits.end) continue;
      head += gridDim.x;
      if (head >= all) return;
      position = following;
      following = position_of(head + gridDim.x);
      enter();
    }
    page = args.page_table[head / heads * args.max_pages + (split * kSplitPositions + warp * kKeyBlock) / kPagePositions];
  }
};

// A head of a token by its number among those of all.
__device__ __forceinline__ HeadOf head_at(const AttentionArguments& args, int number) {
  const int heads = args.kv_heads * args.groups, token = number / heads, kv_head = number % heads / args.groups;
  const int first_query = number % args.groups * kQueriesAtOnce;
  return {token, kv_head, kv_head * args.queries + first_query, min(kQueriesAtOnce, args.queries - first_query),
          args.positions[token], first_query == 0};
}

// What both halves of a CTA know, and how they wait for each other.
template <int kDims>
struct Walk {
  const AttentionArguments& args;
  WalkShared<kDims>& shared;
  float* outputs;  // of the warps, behind the slots
  int all;         // heads

  __device__ __forceinline__ WarpResults results(int turn) const {
    const int of_warps = kAttentionWarps * min(kQueriesAtOnce, args.queries) * output_stride(kDims);
    return {shared.weights[turn], outputs + turn * of_warps};
  }
  static __device__ __forceinline__ void wait(const std::uint64_t* barriers, const RingPlace& turn) {
    barrier_wait(shared_address(barriers + turn.at), turn.parity);
  }
  // By a whole warp, which moves on.
  static __device__ __forceinline__ void arrive(const std::uint64_t* barriers, RingPlace& turn) {
    __syncwarp();
    if (threadIdx.x % kLanes == 0) barrier_arrive(shared_address(barriers + turn.at));
    turn.move(1, kWalkTurns);
  }
};

// The warps that attend.
template <int kDims>
__device__ __forceinline__ void attend_walking(const Walk<kDims>& of, std::uint8_t* slots) {
  using Stream = BlockStream<kDims, walk_slots(kDims)>;
  const AttentionArguments& args = of.args;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  Stream blocks(slots, of.shared.blocks, warp, lane);
  BlockWalk<Stream> walk{args, blocks, args.kv_heads * args.groups, of.all, warp, lane};
  walk.begin(blockIdx.x);
  if (args.appended) wait_for_producers();
  walk.request();  // known before the wait
  stamp(Moment::kRequested);
  RingPlace made{0, 0}, left{0, 1};
  bool first = true;
#pragma unroll 1
  for (int number = blockIdx.x; number < of.all; number += gridDim.x) {
    const HeadOf head = head_at(args, number);
    if (head.position < 0) continue;
    of.wait(of.shared.made, made);
    if (first) {  // the others, behind what the first queries are made of
      stamp(Moment::kReady);
#pragma unroll
      for (int i = 1; i < walk_slots(kDims); i++) walk.request();
      first = false;
    }
    const SplitRange splits = splits_of(head.position, args.window);
#pragma unroll 1
    for (int split = splits.first; split < splits.end; split++) {
      of.wait(of.shared.added, left);
      attend_block<kDims>(args, head, split, blocks, of.shared.heads[made.at], of.results(left.at));
      of.arrive(of.shared.left, left);
      if (has_block(args, head.position, split)) walk.request();  // it takes the place of this one
    }
    of.arrive(of.shared.attended, made);
  }
  stamp(Moment::kSummed);
}

// The other half, in step with them: they are one head ahead with what is made of a new position.
template <int kDims>
__device__ __forceinline__ void merge_walking(const Walk<kDims>& of) {
  const AttentionArguments& args = of.args;
  wait_for_producers();
  RingPlace made{0, 1}, left{0, 0};
  int next = blockIdx.x;  // head to be made ready
  const auto make_next = [&] {
    while (next < of.all && head_at(args, next).position < 0) next += gridDim.x;
    if (next >= of.all) return;
    const HeadOf head = head_at(args, next);
    const float4 turn = turn_of<kDims>(args.rotary, head.position, attention_thread() % kHeadThreads<kDims> * 2);
    of.wait(of.shared.attended, made);
    prepare_head<kDims>(args, head, true, turn, of.shared.heads[made.at]);
    of.arrive(of.shared.made, made);
    next += gridDim.x;
  };
  make_next();
#pragma unroll 1
  for (int number = blockIdx.x; number < of.all; number += gridDim.x) {
    const HeadOf head = head_at(args, number);
    const TokenPlace to = token_place(args.fragments, args.inputs, head.token, args.tokens, args.rows);
    if (head.position < 0) {  // no token: zeros
#pragma unroll 1
      for (int i = attention_thread(); i < head.queries * kDims; i += kAttentionThreads) {
        write_activation(to, args.inverse[head.first_head * kDims + i], 0);
      }
      continue;
    }
    make_next();
    const OutputPlaces<kDims> places(args, head.first_head, head.queries);
    const SplitRange splits = splits_of(head.position, args.window);
    Attended sums[kOutputsOfThread<kDims>];
    KeptSplits kept[kOutputsOfThread<kDims>];
#pragma unroll 1
    for (int split = splits.first; split < splits.end; split++) {
      of.wait(of.shared.left, left);
      const WarpResults results = of.results(left.at);
#pragma unroll
      for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
        const OutputOf output = output_of<kDims>(i);
        if (output.query >= head.queries) break;
        const Attended sum = sum_of_warps<kDims>(results, head.queries, output);
        kept[i].add(sums[i], (split - splits.first) % kMergedAtOnce, sum, split + 1 == splits.end);
      }
      of.arrive(of.shared.added, left);
    }
    write_head<kDims>(args, to, head.first_head, head.queries, places, sums);
  }
}

// Grid (CTAs).
template <int kDims>
__global__ void __launch_bounds__(kWalkThreads, 1) attend_heads(const __grid_constant__ AttentionArguments args) {
  auto& shared = *reinterpret_cast<WalkShared<kDims>*>(attention_memory);
  std::uint8_t* const slots = attention_memory + sizeof(shared);
  auto* const outputs = reinterpret_cast<float*>(slots + kAttentionWarps * walk_slots(kDims) * slot_bytes(kDims));
  const Walk<kDims> walk{args, shared, outputs, args.kv_heads * args.groups * args.tokens};
  release_dependents();
  begin_timeline(args.keys);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kWalkTurns; i++) {
      for (const std::uint64_t* barrier : {shared.made + i, shared.attended + i, shared.left + i, shared.added + i}) {
        barrier_init(shared_address(barrier), kAttentionWarps);
      }
    }
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x < kAttentionThreads) {
    attend_walking(walk, slots);
    end_timeline();
  } else {
    merge_walking(walk);
  }
}

// The kernel for heads of `dims`; null where there is none.
inline AttentionKernel walk_kernel(int dims) { return dims == 64 ? attend_heads<64> : dims == 128 ? attend_heads<128> : nullptr; }

}  // namespace esparse
