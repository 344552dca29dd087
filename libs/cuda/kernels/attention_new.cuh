// The new position of a sequence in attention of decoding: its query, key and value from the linear's planes, and where
// the paged cache has them.
#pragma once
#include "head.cuh"

namespace esparse {

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
                                            const float4& turn) {
  const HeadPart key = read_head<kDims>(args, token, (args.heads + kv_head) * kDims + dim);
  return turned<kDims>(key, args.head.key_norm, args.head.epsilon, dim, turn);
}

// Two dims of its value.
template <int kDims>
__device__ __forceinline__ std::uint32_t new_value(const AttentionArguments& args, int token, int kv_head, int dim) {
  const int row = (args.heads + args.kv_heads + kv_head) * kDims + dim;
  float2 sum = args.qkv.sum<float2>(token, row);
  if (args.head.bias != nullptr) sum = add(sum, __ldg(reinterpret_cast<const float2*>(args.head.bias + row)));
  return bf16_pair(sum);
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
__global__ void __launch_bounds__(kAppendPositionThreads) append_positions(const __grid_constant__ AttentionArguments args) {
  const int kv_head = blockIdx.x, token = blockIdx.y, warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  release_dependents();
  const int position = args.positions[token];
  if (position < 0) return;
  const std::size_t at = cache_at(args, token, position, kv_head, kDims);
  wait_for_producers();
  if (warp == 0) {
#pragma unroll
    for (int part = 0; part < (kDims + 127) / 128; part++) {
      const int dim = part * 2 * kLanes + lane % (kDims / 4) * 2;
      const HeadPart key = new_key<kDims>(args, token, kv_head, dim, turn_of<kDims>(args.rotary, position, dim));
      put_pair(args.keys + at + dim, bf16_pair(key.low));
      put_pair(args.keys + at + dim + kDims / 2, bf16_pair(key.high));
    }
  } else {
    for (int dim = 2 * (threadIdx.x - kLanes); dim < kDims; dim += 2 * (kAppendPositionThreads - kLanes)) {
      put_pair(args.values + at + dim, new_value<kDims>(args, token, kv_head, dim));
    }
  }
}

}  // namespace esparse
