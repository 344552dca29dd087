// Attention of one new position a sequence over a paged bf16 key-value cache, in f32.
//
// A page holds 64 positions, and is also the length by which the work is split: a CTA takes one page of one key-value
// head for all query heads that share it, and what the pages give is merged in their order. So a sequence's bits depend
// on its own length only. The page of the new position also gets its key and value, rotated and rounded.
#pragma once
#include <type_traits>

#include "head.cuh"

namespace esparse {

constexpr int kAttentionWarps = kAttentionThreads / kLanes;

template <int kDims, int kQueries>
struct AttentionShared {
  float queries[kQueries][kDims];
  alignas(16) std::uint16_t key[kDims];
  alignas(16) std::uint16_t value[kDims];  // of the new position
  float outputs[kAttentionWarps][kQueries][kDims];
  float weights[kPagePositions][kQueries];
  float maxima[kAttentionWarps][kQueries], sums[kAttentionWarps][kQueries];
};

// Where the cache has a token's position, of a key-value head.
__device__ __forceinline__ std::size_t cache_at(const AttentionArguments& args, int token, int position, int kv_head,
                                                int dims) {
  const std::size_t page = args.page_table[token * args.max_pages + position / kPagePositions];
  return ((page * args.kv_heads + kv_head) * kPagePositions + position % kPagePositions) * dims;
}

// A part of a head of the new position, its bias added.
template <int kDims>
__device__ __forceinline__ HeadPart read_head(const AttentionArguments& args, int token, int row) {
  const HeadPart x{args.qkv.sum<float2>(token, row), args.qkv.sum<float2>(token, row + kDims / 2)};
  return biased<kDims>(x, args.head.bias, row);
}

// Its key, by a whole warp: dims of lane % (kDims / 4).
template <int kDims>
__device__ __forceinline__ HeadPart new_key(const AttentionArguments& args, int token, int kv_head, int dim,
                                            const float2* turns) {
  const HeadPart key = read_head<kDims>(args, token, (args.heads + kv_head) * kDims + dim);
  return turned<kDims>(key, args.head.key_norm, args.head.epsilon, dim, turns);
}

// Two dims of its value.
template <int kDims>
__device__ __forceinline__ std::uint32_t new_value(const AttentionArguments& args, int token, int kv_head, int dim) {
  const int row = (args.heads + args.kv_heads + kv_head) * kDims + dim;
  float2 sum = args.qkv.sum<float2>(token, row);
  if (args.head.bias != nullptr) sum = add(sum, __ldg(reinterpret_cast<const float2*>(args.head.bias + row)));
  return bf16_pair(sum);
}

// Where the angles of two dims of a position stand.
template <int kDims>
__device__ __forceinline__ const float2* turns_of(const AttentionArguments& args, int position, int dim) {
  return args.rotary + static_cast<std::size_t>(position) * (kDims / 2) + dim;
}

// The first position that a token attends to.
__device__ __forceinline__ int first_of_window(const AttentionArguments& args, int position) {
  return args.window > 0 ? max(0, position + 1 - args.window) : 0;
}

__device__ __forceinline__ void put_pair(std::uint16_t* to, std::uint32_t pair) {
  *reinterpret_cast<std::uint32_t*>(to) = pair;
}

// Puts the rotated keys, and the values, of all tokens of the step into the cache. Grid (kv_heads, tokens).
template <int kDims>
__global__ void __launch_bounds__(kAttentionThreads) append_positions(const __grid_constant__ AttentionArguments args) {
  const int kv_head = blockIdx.x, token = blockIdx.y, warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  release_dependents();
  const int position = args.positions[token];
  if (position < 0) return;
  const std::size_t at = cache_at(args, token, position, kv_head, kDims);
  wait_for_producers();
  if (warp == 0) {
    const int dim = lane % (kDims / 4) * 2;
    const HeadPart key = new_key<kDims>(args, token, kv_head, dim, turns_of<kDims>(args, position, dim));
    put_pair(args.keys + at + dim, bf16_pair(key.low));
    put_pair(args.keys + at + dim + kDims / 2, bf16_pair(key.high));
  } else if (const int dim = 2 * (threadIdx.x - kLanes); dim < kDims) {
    put_pair(args.values + at + dim, new_value<kDims>(args, token, kv_head, dim));
  }
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
  __shared__ __align__(16) AttentionShared<kDims, kQueries> shared;
  constexpr int kItems = kDims / 4, kHeadsAtOnce = kAttentionThreads / kItems;
  constexpr int kKeysOfWarp = kPagePositions / kAttentionWarps, kKeysAtOnce = 4;
  constexpr int kChunks = kDims / 64, kDimsOfLane = kDims / kLanes;
  using ValueWords = std::conditional_t<kDimsOfLane == 4, uint2, std::uint32_t>;
  const int page = blockIdx.x, kv_head = blockIdx.y, token = blockIdx.z;
  const int thread = threadIdx.x, warp = thread / kLanes, lane = thread % kLanes;
  release_dependents();
  const int position = args.positions[token], cache_page = args.page_table[token * args.max_pages + page];
  const int older = min(kPagePositions, position - page * kPagePositions);
  const int begin = first_of_window(args, position) - page * kPagePositions;  // of the page's keys; may be before them
  if (older < 0 || begin >= kPagePositions) return;
  if (args.appended) wait_for_producers();
  const bool newest = older < kPagePositions;
  const int count = older + newest;

  // What is known before the wait: the page, but for the new position, and the angles. A warp takes 16 positions; of
  // their keys a lane holds one in four, eight dims of each 64, of their values all, two or four dims.
  const std::size_t at = (static_cast<std::size_t>(cache_page) * args.kv_heads + kv_head) * kPagePositions * kDims;
  const int of_key = lane / 8, part = lane % 8, first = warp * kKeysOfWarp;
  uint4 keys[kKeysOfWarp / kKeysAtOnce][kChunks];
  ValueWords values[kKeysOfWarp];
#pragma unroll
  for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
    const int key = first + i * kKeysAtOnce + of_key;
#pragma unroll
    for (int chunk = 0; chunk < kChunks; chunk++) {
      const std::uint16_t* from = args.keys + at + key * kDims + (chunk * 8 + part) * 8;
      keys[i][chunk] = key < older ? __ldcg(reinterpret_cast<const uint4*>(from)) : make_uint4(0, 0, 0, 0);
    }
  }
#pragma unroll
  for (int i = 0; i < kKeysOfWarp; i++) {
    const std::uint16_t* from = args.values + at + (first + i) * kDims + lane * kDimsOfLane;
    values[i] = first + i < older ? __ldcg(reinterpret_cast<const ValueWords*>(from)) : ValueWords{};
  }
  const int dim = thread % kItems * 2;
  const float2* const turns = turns_of<kDims>(args, position, dim);
  wait_for_producers();

  constexpr float kLog2E = 1.4426950408889634f;
  const float scale = args.scale * kLog2E;
#pragma unroll
  for (int head = 0; head < kQueries; head += kHeadsAtOnce) {
    const int q = head + thread / kItems, row = (kv_head * kQueries + min(q, kQueries - 1)) * kDims + dim;
    const HeadPart x = turned<kDims>(read_head<kDims>(args, token, row), args.head.query_norm, args.head.epsilon, dim, turns);
    if (q >= kQueries) continue;
    *reinterpret_cast<float2*>(&shared.queries[q][dim]) = make_float2(x.low.x * scale, x.low.y * scale);
    *reinterpret_cast<float2*>(&shared.queries[q][dim + kDims / 2]) = make_float2(x.high.x * scale, x.high.y * scale);
  }
  if (newest && warp == 0) {
    const HeadPart made = new_key<kDims>(args, token, kv_head, dim, turns);
    const auto put = [&](int to, std::uint32_t two) {
      put_pair(shared.key + to, two);
      if (!args.appended) put_pair(args.keys + at + older * kDims + to, two);
    };
    put(dim, bf16_pair(made.low));
    put(dim + kDims / 2, bf16_pair(made.high));
  } else if (const int of_value = 2 * (thread - kLanes); newest && of_value < kDims) {
    const std::uint32_t two = new_value<kDims>(args, token, kv_head, of_value);
    put_pair(shared.value + of_value, two);
    if (!args.appended) put_pair(args.values + at + older * kDims + of_value, two);
  }
  __syncthreads();

  // Scores of a warp's 16 keys: 4 at a time, 8 lanes a key.
  float scores[kKeysOfWarp / kKeysAtOnce][kQueries] = {};
#pragma unroll
  for (int chunk = 0; chunk < kChunks; chunk++) {
    const int dim = (chunk * 8 + part) * 8;
    float query[kQueries][8];
#pragma unroll
    for (int q = 0; q < kQueries; q++) {
#pragma unroll
      for (int i = 0; i < 8; i++) query[q][i] = shared.queries[q][dim + i];
    }
#pragma unroll
    for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
      uint4 words = keys[i][chunk];
      if (first + i * kKeysAtOnce + of_key == older) words = *reinterpret_cast<const uint4*>(&shared.key[dim]);
      float key[8];
      widen8(words, key);
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
      const int key = first + i * kKeysAtOnce + of_key;
      if (key < begin || key >= count) scores[i][q] = -INFINITY;  // not there
      maximum = fmaxf(maximum, scores[i][q]);
    }
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 8));
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 16));
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kKeysOfWarp / kKeysAtOnce; i++) {
      const int key = first + i * kKeysAtOnce + of_key;
      const float weight = key >= begin && key < count ? exp2f(scores[i][q] - maximum) : 0;
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
  float outputs[kQueries][kDimsOfLane] = {};
#pragma unroll
  for (int i = 0; i < kKeysOfWarp; i++) {
    ValueWords words = values[i];
    if (first + i == older) words = *reinterpret_cast<const ValueWords*>(&shared.value[lane * kDimsOfLane]);
#pragma unroll
    for (int d = 0; d < kDimsOfLane; d += 2) {
      const std::uint32_t two = reinterpret_cast<const std::uint32_t*>(&words)[d / 2];
#pragma unroll
      for (int q = 0; q < kQueries; q++) {
        const float weight = shared.weights[first + i][q];  // 0 where no key is
        outputs[q][d] = fmaf(weight, __uint_as_float(two << 16), outputs[q][d]);
        outputs[q][d + 1] = fmaf(weight, __uint_as_float(two & 0xffff0000u), outputs[q][d + 1]);
      }
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
    const std::size_t to =
        (static_cast<std::size_t>(token) * args.heads + kv_head * kQueries + q) * args.max_pages + page;
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
  const int position = args.positions[token], pages = position / kPagePositions + (position >= 0);
  const int first_page = first_of_window(args, position) / kPagePositions;
  const int input = inverse[head * dims + dim];
  wait_for_producers();
  const std::size_t at = (static_cast<std::size_t>(token) * args.heads + head) * args.max_pages;
  // Eight pages at once: their loads do not wait for each other.
  constexpr int kAtOnce = 8;
  float maximum = -INFINITY, output = 0, sum = 0;
  for (int first = first_page; first < pages; first += kAtOnce) {
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

template <int kDims>
AttentionKernel attention_kernel_of(int queries) {
  switch (queries) {
    case 1:
      return attend_page<kDims, 1>;
    case 2:
      return attend_page<kDims, 2>;
    case 4:
      return attend_page<kDims, 4>;
    case 8:
      return attend_page<kDims, 8>;
    default:
      return nullptr;
  }
}

// The kernel for heads of `dims` where `queries` query heads share a key-value head; null where there is none.
inline AttentionKernel attention_kernel(int dims, int queries) {
  return dims == 64 ? attention_kernel_of<64>(queries) : dims == 128 ? attention_kernel_of<128>(queries) : nullptr;
}

}  // namespace esparse
