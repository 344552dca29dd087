// What passes between linears. A linear leaves planes of partial sums, f32; whoever reads them adds them up, by the
// same balanced tree as the linear's own warps. Activations for a linear are written as hi and lo parts, in fragment
// order.
#pragma once
#include "arguments.h"
#include "device.cuh"

namespace esparse {

__device__ __forceinline__ float add(float a, float b) { return a + b; }
__device__ __forceinline__ float2 add(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
__device__ __forceinline__ float4 add(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

template <class V>
__device__ __forceinline__ V Planes::sum(int token, int row) const {
  const std::size_t stride = static_cast<std::size_t>(tokens) * rows;
  const float* at = data + static_cast<std::size_t>(token) * rows + row;
  const auto load = [&](int plane) { return __ldcg(reinterpret_cast<const V*>(at + plane * stride)); };
  if (planes == 1) return load(0);
  if (planes == 2) return add(load(0), load(1));
  if (planes == 4) return add(add(load(0), load(1)), add(load(2), load(3)));
  return add(add(add(load(0), load(1)), add(load(2), load(3))), add(add(load(4), load(5)), add(load(6), load(7))));
}

__device__ __forceinline__ float sum_of_lanes(float x) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(~0u, x, distance);
  return x;
}

// The same tree over what lies in shared memory, `stride` floats apart.
template <int kCount>
__device__ __forceinline__ float tree_sum(const float* parts, int stride) {
  if constexpr (kCount == 1) {
    return parts[0];
  } else {
    return tree_sum<kCount / 2>(parts, stride) + tree_sum<kCount / 2>(parts + kCount / 2 * stride, stride);
  }
}

// Two activations as their hi and lo parts, the first in the low halves.
struct Split {
  std::uint32_t hi, lo;
};
__device__ __forceinline__ Split split(float first, float second) {
  const __nv_bfloat162 hi = __floats2bfloat162_rn(first, second);
  const __nv_bfloat162 lo = __floats2bfloat162_rn(first - __low2float(hi), second - __high2float(hi));
  return {reinterpret_cast<const std::uint32_t&>(hi), reinterpret_cast<const std::uint32_t&>(lo)};
}

__device__ __forceinline__ void split_chunk(const float (&x)[kChunk], Words4& hi, Words4& lo) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const Split both = split(x[2 * i], x[2 * i + 1]);
    hi.word[i] = both.hi;
    lo.word[i] = both.lo;
  }
}

// Writes one chunk of a token: eight activations.
__device__ __forceinline__ void write_chunk(const TokenPlace& to, int step, int quad, const float (&x)[kChunk]) {
  Words4 hi, lo;
  split_chunk(x, hi, lo);
  if (to.rows) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const std::size_t at = row_offset(chunk_input(step, quad, 2 * i), to.token, to.tokens);
      *reinterpret_cast<std::uint32_t*>(to.fragments + at) = hi.word[i];
      *reinterpret_cast<std::uint32_t*>(to.fragments + row_lo_offset(at)) = lo.word[i];
    }
    return;
  }
  std::uint8_t* const at = to.fragments + chunk_offset(step, quad, to.token, to.tokens);
  *reinterpret_cast<Words4*>(at) = hi;
  *reinterpret_cast<Words4*>(at + kLoOffset) = lo;
}

// Where an input's hi and lo parts lie.
struct Parts {
  std::uint8_t *hi, *lo;
};
ESPARSE_BOTH Parts parts_of(const TokenPlace& to, int input) {
  const std::size_t hi = to.rows ? row_offset(input, to.token, to.tokens) : activation_offset(input, to.token, to.tokens);
  return {to.fragments + hi, to.fragments + (to.rows ? row_lo_offset(hi) : hi + kLoOffset)};
}

// Writes inputs `input` (even) and input + 1, which are neighbours in fragment order too.
__device__ __forceinline__ void write_pair(const TokenPlace& to, int input, float first, float second) {
  const Parts at = parts_of(to, input);
  const Split both = split(first, second);
  *reinterpret_cast<std::uint32_t*>(at.hi) = both.hi;
  *reinterpret_cast<std::uint32_t*>(at.lo) = both.lo;
}

// Writes one activation, where neighbours in fragment order are made by others.
__device__ __forceinline__ void write_activation(const TokenPlace& to, int input, float x) {
  const Parts at = parts_of(to, input);
  const __nv_bfloat16 hi = __float2bfloat16_rn(x);
  *reinterpret_cast<__nv_bfloat16*>(at.hi) = hi;
  *reinterpret_cast<__nv_bfloat16*>(at.lo) = __float2bfloat16_rn(x - __bfloat162float(hi));
}

}  // namespace esparse
