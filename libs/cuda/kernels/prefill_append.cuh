// What is beside attention of a prompt's tokens: the heads that their linears gave become queries, and keys and values of
// the cache; and what attention gives gets the order of o's inputs.
#pragma once
#include "head.cuh"
#include "prefill_arguments.h"

namespace esparse {

// The element of the cache where a position of the prompt begins whose pages these are.
__device__ __forceinline__ std::size_t cache_row(const PrefillAttention& args, const std::int32_t* pages, int position,
                                                 int kv_head, int dims) {
  const std::size_t page = pages[position / kPagePositions];
  return ((page * args.kv_heads + kv_head) * kPagePositions + position % kPagePositions) * dims;
}

// Adds biases, norms and rotates q and k, and puts k and v into the cache. Grid (tokens).
template <int kDims>
__global__ void __launch_bounds__(kAppendThreads) append(const __grid_constant__ PrefillAttention args) {
  constexpr int kItems = kDims / 4;  // an item: two neighbours and their partners
  release_dependents();
  const int token = blockIdx.x, position = args.positions[token], all = args.heads + 2 * args.kv_heads;
  const std::int32_t* const pages = args.pages + args.first_page[token];
  wait_for_producers();
  // By whole warps, the last of which may have less to do.
  for (int first = 0; first < all * kItems; first += kAppendThreads) {
    const int i = first + threadIdx.x, head = min(i / kItems, all - 1), dim = i % kItems * 2;
    std::uint16_t* const from = args.qkv + (static_cast<std::size_t>(token) * all + head) * kDims + dim;
    const auto widened = [](std::uint32_t two) { return make_float2(bf16_value(two & 0xffffu), bf16_value(two >> 16)); };
    HeadPart x{widened(*reinterpret_cast<const std::uint32_t*>(from)),
               widened(*reinterpret_cast<const std::uint32_t*>(from + kDims / 2))};
    x = biased<kDims>(x, args.head.bias, head * kDims + dim);
    const bool is_query = head < args.heads, is_value = head >= args.heads + args.kv_heads;
    const HeadPart other =
        turned<kDims>(x, is_query ? args.head.query_norm : args.head.key_norm, args.head.epsilon, dim,
                      turn_of<kDims>(args.rotary, position, dim));
    if (!is_value) x = other;
    std::uint16_t* to = from;
    if (!is_query) {
      std::uint16_t* const cache = is_value ? args.values : args.keys;
      to = cache + cache_row(args, pages, position, (head - args.heads) % args.kv_heads, kDims) + dim;
    }
    if (i >= all * kItems) continue;
    *reinterpret_cast<std::uint32_t*>(to) = bf16_pair(x.low);
    *reinterpret_cast<std::uint32_t*>(to + kDims / 2) = bf16_pair(x.high);
  }
}

// Rows [tokens][channels] of bf16 in the shuffled order of the linear that reads them: input i is sources[i] of the
// natural order, or, from `channels` on, fills up: 0. Grid (tokens); shared memory: a row of the longer ones.
__global__ void __launch_bounds__(kShuffleThreads)
    shuffle(const std::uint16_t* from, const std::uint16_t* sources, int channels, int inputs, std::uint16_t* to) {
  extern __shared__ __align__(16) std::uint16_t natural[];
  release_dependents();
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * inputs;
  from += static_cast<std::size_t>(blockIdx.x) * channels;
  wait_for_producers();
  for (int i = 8 * threadIdx.x; i < max(inputs, channels); i += 8 * kShuffleThreads) {
    *reinterpret_cast<uint4*>(natural + i) =
        i < channels ? __ldcg(reinterpret_cast<const uint4*>(from + i)) : make_uint4(0, 0, 0, 0);
  }
  __syncthreads();
  for (int i = 8 * threadIdx.x; i < inputs; i += 8 * kShuffleThreads) {
    const uint4 source = __ldg(reinterpret_cast<const uint4*>(sources + i));
    const auto* eight = reinterpret_cast<const std::uint16_t*>(&source);
    Words4 out;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      out.word[j] = natural[eight[2 * j]] | static_cast<std::uint32_t>(natural[eight[2 * j + 1]]) << 16;
    }
    *reinterpret_cast<Words4*>(to + at + i) = out;
  }
}

using PrefillAttentionKernel = void (*)(PrefillAttention);

// The kernel for heads of `dims`; null where there is none.
inline PrefillAttentionKernel append_kernel(int dims) {
  return dims == 64 ? append<64> : dims == 128 ? append<128> : nullptr;
}

}  // namespace esparse
