// What becomes of the heads of q and k between their linear and attention: bias, RMSNorm of each head, rotation. The same
// operations in the same order in every kernel, so that a key has the same bits wherever it was made.
#pragma once
#include "planes.cuh"

namespace esparse {

// Dims i and i + 1 of a head (i even), and their partners half a head further. kDims / 4 lanes beside each other hold a
// head.
struct HeadPart {
  float2 low, high;
};

// The pair (i, i + dims / 2) turned by its angle.
__device__ __forceinline__ float2 rotate(float a, float b, float2 turn) {
  return make_float2(fmaf(a, turn.x, -__fmul_rn(b, turn.y)), fmaf(b, turn.x, __fmul_rn(a, turn.y)));
}

// The angles of two dims of a position: cosine and sine of each.
template <int kDims>
__device__ __forceinline__ float4 turn_of(const float2* rotary, int position, int dim) {
  return __ldg(reinterpret_cast<const float4*>(rotary + static_cast<std::size_t>(position) * (kDims / 2) + dim));
}

// From [dims] of f32.
template <int kDims>
__device__ __forceinline__ HeadPart load_part(const float* from, int dim) {
  return {__ldg(reinterpret_cast<const float2*>(from + dim)),
          __ldg(reinterpret_cast<const float2*>(from + dim + kDims / 2))};
}

// With the bias of its rows, where there is one.
template <int kDims>
__device__ __forceinline__ HeadPart biased(const HeadPart& x, const float* bias, int row) {
  if (bias == nullptr) return x;
  const HeadPart of = load_part<kDims>(bias, row);
  return {add(x.low, of.low), add(x.high, of.high)};
}

// Normed, where `norm` (dims) is given, and turned; `turn`: of dims `dim` and dim + 1. By all lanes of a warp.
template <int kDims>
__device__ __forceinline__ HeadPart turned(HeadPart x, const float* norm, float epsilon, int dim, const float4& turn) {
  // Wider heads are more than a warp holds: `norm_heads` has normed them.
  if (kDims <= 128 && norm != nullptr) {
    float square = (x.low.x * x.low.x + x.low.y * x.low.y) + (x.high.x * x.high.x + x.high.y * x.high.y);
#pragma unroll
    for (int distance = kDims / 8; distance > 0; distance /= 2) square += __shfl_xor_sync(~0u, square, distance);
    const float scale = 1 / sqrtf(square / kDims + epsilon);
    const HeadPart weight = load_part<kDims>(norm, dim);
    x.low = make_float2(x.low.x * scale * weight.low.x, x.low.y * scale * weight.low.y);
    x.high = make_float2(x.high.x * scale * weight.high.x, x.high.y * scale * weight.high.y);
  }
  const float2 first = rotate(x.low.x, x.high.x, make_float2(turn.x, turn.y));
  const float2 second = rotate(x.low.y, x.high.y, make_float2(turn.z, turn.w));
  return {make_float2(first.x, second.x), make_float2(first.y, second.y)};
}

// Two as bf16, the first in the low half.
__device__ __forceinline__ std::uint32_t bf16_pair(float2 x) {
  const __nv_bfloat162 rounded = __floats2bfloat162_rn(x.x, x.y);
  return reinterpret_cast<const std::uint32_t&>(rounded);
}

}  // namespace esparse
