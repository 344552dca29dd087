// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A page holds 64 positions, and is also the length by which the work is split: a CTA takes one page of one key-value
// head for all query heads that share it, and what the pages give is merged in their order. So a sequence's bits depend
// on its own length only. The page of the new position also gets its key and value, rotated and rounded.
#pragma once
#include "planes.cuh"

namespace esparse {

constexpr int kPagePositions = 64, kAttentionThreads = 128, kAttentionWarps = kAttentionThreads / kLanes;

struct AttentionArguments {
  Planes qkv;  // rows: heads * dims of q, kv_heads * dims of k, the same of v
  int heads, kv_heads;
  std::uint16_t *keys, *values;    // [page][kv_heads][kPagePositions][dims]
  const std::int32_t* page_table;  // [tokens][max_pages]: the pages of a sequence, in order
  const std::int32_t* positions;   // [tokens]: of the new token; -1: no sequence
  int max_pages;
  const float2* rotary;  // [positions][dims / 2]: cosine and sine
  float scale;
  float* outputs;  // [tokens][heads][max_pages][dims]: sums of values, each relative to its page's maximum
  float2* weights;  // [tokens][heads][max_pages]: maximum of the scores (by powers of 2), sum of the weights
};

template <int kDims, int kQueries>
struct AttentionShared {
  std::uint16_t keys[kPagePositions][kDims], values[kPagePositions][kDims];
  float queries[kQueries][kDims];
  float outputs[kAttentionWarps][kQueries][kDims];
  float weights[kPagePositions][kQueries];
  float maxima[kAttentionWarps][kQueries], sums[kAttentionWarps][kQueries];
  std::uint64_t arrived;
};

// The pair (i, i + dims / 2) turned by its angle.
__device__ __forceinline__ float2 rotate(float a, float b, float2 turn) {
  return make_float2(a * turn.x - b * turn.y, b * turn.x + a * turn.y);
}

// Eight bf16 as f32.
__device__ __forceinline__ void widen8(const uint4& packed, float (&out)[8]) {
  const std::uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    out[2 * i] = __uint_as_float(words[i] << 16);
    out[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}

// Grid (pages, kv_heads, tokens).
template <int kDims, int kQueries>
__global__ void __launch_bounds__(kAttentionThreads) attend_page(const __grid_constant__ AttentionArguments args) {
  extern __shared__ __align__(128) std::uint8_t memory[];
  auto& shared = *reinterpret_cast<AttentionShared<kDims, kQueries>*>(memory);
  constexpr int kPairs = kDims / 2, kHeadsAtOnce = kAttentionThreads / kPairs;
  constexpr int kKeysOfWarp = kPagePositions / kAttentionWarps, kKeysAtOnce = 4;
  const int page = blockIdx.x, kv_head = blockIdx.y, token = blockIdx.z;
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes;
  release_dependents();
  const int position = args.positions[token];
  const int older = min(kPagePositions, position - page * kPagePositions);
  if (older < 0) return;
  const bool newest = older < kPagePositions;
  const int count = older + newest;

  // What is known before the wait: the page, but for the new position, and the angles.
  const std::size_t at =
      (static_cast<std::size_t>(args.page_table[token * args.max_pages + page]) * args.kv_heads + kv_head) *
      kPagePositions * kDims;
  const std::uint32_t arrived = shared_address(&shared.arrived);
  if (thread == 0) {
    barrier_init(arrived, 1);
    barrier_init_fence();
    const int bytes = older * kDims * 2;
    barrier_expect(arrived, 2 * bytes);
    if (bytes > 0) {
      bulk_copy(shared_address(shared.keys), args.keys + at, bytes, arrived);
      bulk_copy(shared_address(shared.values), args.values + at, bytes, arrived);
    }
  }
  const int pair = thread % kPairs;
  const float2 turn = args.rotary[static_cast<std::size_t>(position) * kPairs + pair];
  wait_for_producers();

  constexpr float kLog2E = 1.4426950408889634f;
  for (int q = thread / kPairs; q < kQueries; q += kHeadsAtOnce) {
    const int row = (kv_head * kQueries + q) * kDims + pair;
    const float2 turned = rotate(args.qkv.sum(token, row), args.qkv.sum(token, row + kPairs), turn);
    shared.queries[q][pair] = turned.x * (args.scale * kLog2E);
    shared.queries[q][pair + kPairs] = turned.y * (args.scale * kLog2E);
  }
  if (newest) {
    const int row = (args.heads + kv_head) * kDims;
    std::uint16_t* const key = args.keys + at + older * kDims;
    std::uint16_t* const value = args.values + at + older * kDims;
    if (thread < kPairs) {
      const float2 turned = rotate(args.qkv.sum(token, row + pair), args.qkv.sum(token, row + pair + kPairs), turn);
      shared.keys[older][pair] = key[pair] = bf16_bits(turned.x);
      shared.keys[older][pair + kPairs] = key[pair + kPairs] = bf16_bits(turned.y);
    }
    if (thread < kDims) {
      const float v = args.qkv.sum(token, row + args.kv_heads * kDims + thread);
      shared.values[older][thread] = value[thread] = bf16_bits(v);
    }
  }
  __syncthreads();
  barrier_wait(arrived, 0);

  // Scores of a warp's 16 keys: 4 at a time, 8 lanes a key.
  const int of_key = lane / 8, part = lane % 8, first = warp * kKeysOfWarp;
  float scores[kKeysOfWarp / kKeysAtOnce][kQueries] = {};
#pragma unroll
  for (int chunk = 0; chunk < kDims / 64; chunk++) {
    const int dim = (chunk * 8 + part) * 8;
    float query[kQueries][8];
#pragma unroll
    for (int q = 0; q < kQueries; q++) {
#pragma unroll
      for (int i = 0; i < 8; i++) query[q][i] = shared.queries[q][dim + i];
    }
#pragma unroll
    for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
      float key[8];
      widen8(*reinterpret_cast<const uint4*>(&shared.keys[first + i * kKeysAtOnce + of_key][dim]), key);
#pragma unroll
      for (int q = 0; q < kQueries; q++) {
#pragma unroll
        for (int d = 0; d < 8; d++) scores[i][q] = fmaf(query[q][d], key[d], scores[i][q]);
      }
    }
  }
#pragma unroll
  for (int q = 0; q < kQueries; q++) {
    float maximum = -INFINITY;
#pragma unroll
    for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
#pragma unroll
      for (int distance = 4; distance > 0; distance /= 2) {
        scores[i][q] += __shfl_xor_sync(~0u, scores[i][q], distance);
      }
      if (first + i * kKeysAtOnce + of_key >= count) scores[i][q] = -INFINITY;  // not there: whatever lies in shared memory
      maximum = fmaxf(maximum, scores[i][q]);
    }
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 8));
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 16));
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
      const int key = first + i * kKeysAtOnce + of_key;
      const float weight = key < count ? exp2f(scores[i][q] - maximum) : 0;
      if (part == 0) shared.weights[key][q] = weight;
      sum += weight;
    }
    sum += __shfl_xor_sync(~0u, sum, 8);
    sum += __shfl_xor_sync(~0u, sum, 16);
    if (lane == 0) {
      shared.maxima[warp][q] = maximum;
      shared.sums[warp][q] = sum;
    }
  }
  __syncwarp();

  // Values, weighted: a lane has its dims of all of the warp's keys.
  constexpr int kDimsOfLane = kDims / kLanes;
  float outputs[kQueries][kDimsOfLane] = {};
  const int end = min(first + kKeysOfWarp, count);
#pragma unroll 4
  for (int key = first; key < end; key++) {
    float value[kDimsOfLane];
#pragma unroll
    for (int d = 0; d < kDimsOfLane; d += 2) {
      const auto two = *reinterpret_cast<const std::uint32_t*>(&shared.values[key][lane * kDimsOfLane + d]);
      value[d] = __uint_as_float(two << 16);
      value[d + 1] = __uint_as_float(two & 0xffff0000u);
    }
#pragma unroll
    for (int q = 0; q < kQueries; q++) {
#pragma unroll
      for (int d = 0; d < kDimsOfLane; d++) outputs[q][d] = fmaf(shared.weights[key][q], value[d], outputs[q][d]);
    }
  }
#pragma unroll
  for (int q = 0; q < kQueries; q++) {
#pragma unroll
    for (int d = 0; d < kDimsOfLane; d++) shared.outputs[warp][q][lane * kDimsOfLane + d] = outputs[q][d];
  }
  __syncthreads();

  for (int i = thread; i < kQueries * kDims; i += kAttentionThreads) {
    const int q = i / kDims, dim = i % kDims;
    float maximum = -INFINITY, output = 0, sum = 0;
#pragma unroll
    for (int w = 0; w < kAttentionWarps; w++) maximum = fmaxf(maximum, shared.maxima[w][q]);
#pragma unroll
    for (int w = 0; w < kAttentionWarps; w++) {
      const float factor = exp2f(shared.maxima[w][q] - maximum);  // 0 for a warp without keys
      output = fmaf(factor, shared.outputs[w][q][dim], output);
      sum = fmaf(factor, shared.sums[w][q], sum);
    }
    const std::size_t to = (static_cast<std::size_t>(token) * args.heads + kv_head * kQueries + q) * args.max_pages + page;
    args.outputs[to * kDims + dim] = output;
    if (dim == 0) args.weights[to] = make_float2(maximum, sum);
  }
}

// Adds the pages up and writes the activations of the linear o: `inverse[i]` is the place of channel i in its shuffled
// order. Grid (heads, tokens), a thread a dim.
__global__ void merge_pages(const __grid_constant__ AttentionArguments args, const std::uint16_t* inverse,
                            std::uint8_t* fragments) {
  const int head = blockIdx.x, token = blockIdx.y, dim = threadIdx.x, dims = blockDim.x;
  release_dependents();
  const int pages = args.positions[token] / kPagePositions + (args.positions[token] >= 0);
  const int input = inverse[head * dims + dim];
  wait_for_producers();
  const std::size_t at = (static_cast<std::size_t>(token) * args.heads + head) * args.max_pages;
  // Eight pages at once: their loads do not wait for each other.
  constexpr int kAtOnce = 8;
  float maximum = -INFINITY, output = 0, sum = 0;
  for (int first = 0; first < pages; first += kAtOnce) {
    float2 weights[kAtOnce];
    float outputs[kAtOnce], greatest = maximum;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const bool there = first + i < pages;
      weights[i] = there ? __ldcg(args.weights + at + first + i) : make_float2(-INFINITY, 0);
      outputs[i] = there ? __ldcg(args.outputs + (at + first + i) * dims + dim) : 0;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) greatest = fmaxf(greatest, weights[i].x);
    const float kept = exp2f(maximum - greatest);  // 0 at first
    output *= kept;
    sum *= kept;
    maximum = greatest;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const float factor = exp2f(weights[i].x - maximum);
      output = fmaf(factor, outputs[i], output);
      sum = fmaf(factor, weights[i].y, sum);
    }
  }
  write_activation(fragments, input, token, gridDim.y, pages > 0 ? output / sum : 0);
}

using AttentionKernel = void (*)(AttentionArguments);

struct AttentionVariant {
  AttentionKernel kernel;
  int shared;
};

template <int kDims>
AttentionVariant attention_variant_of(int queries) {
  switch (queries) {
    case 1: return {attend_page<kDims, 1>, sizeof(AttentionShared<kDims, 1>)};
    case 2: return {attend_page<kDims, 2>, sizeof(AttentionShared<kDims, 2>)};
    case 4: return {attend_page<kDims, 4>, sizeof(AttentionShared<kDims, 4>)};
    case 8: return {attend_page<kDims, 8>, sizeof(AttentionShared<kDims, 8>)};
    default: return {nullptr, 0};
  }
}

// The kernel for heads of `dims` where `queries` query heads share a key-value head.
inline AttentionVariant attention_variant(int dims, int queries) {
  return dims == 64 ? attention_variant_of<64>(queries) : dims == 128 ? attention_variant_of<128>(queries)
                                                                       : AttentionVariant{nullptr, 0};
}

}  // namespace esparse
