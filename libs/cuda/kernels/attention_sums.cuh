// What becomes of what a CTA's warps give in attention of decoding: a thread adds up four outputs beside each other, of warps, then
// of splits, and writes them as activations of the linear o.
#pragma once
#include "attention_block.cuh"
#include "attention_merge.cuh"

namespace esparse {

// What the warps of a CTA give of a split, in shared memory.
struct WarpResults {
  std::uint64_t (*weights)[kAttentionWarps];  // [queries], float2: the greatest score and the sum of the weights
  float* outputs;                             // [warps][queries][output_stride]

  __device__ __forceinline__ float2* weights_of(int query) const { return reinterpret_cast<float2*>(weights[query]); }
};

// What a warp gives; `values_of` has the values of 64 dims.
template <int kDims, class Values>
__device__ __forceinline__ void leave_warp(WarpWeights& weights, const Values& values_of, int queries, const WarpResults& to) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 1);
  weights.sum += __shfl_xor_sync(~0u, weights.sum, 2);
  if (lane % 4 == 0) to.weights_of(lane / 4)[warp] = make_float2(weights.maximum, weights.sum);
#pragma unroll
  for (int part = 0; part < kDims / 64; part++) {
    float of[4][4];
    weights.weigh(values_of(part), of);
#pragma unroll
    for (int odd = 0; odd < 2; odd++) {
      const int query = lane % 4 * 2 + odd;
      if (query >= queries) continue;
      float* const row = to.outputs + (warp * queries + query) * output_stride(kDims) + 64 * part + lane / 4 * 8;
      *reinterpret_cast<float4*>(row) = make_float4(of[0][odd], of[0][2 + odd], of[1][odd], of[1][2 + odd]);
      *reinterpret_cast<float4*>(row + 4) = make_float4(of[2][odd], of[2][2 + odd], of[3][odd], of[3][2 + odd]);
    }
  }
}

// Four outputs beside each other of a query are a thread's, or several times that.
template <int kDims>
constexpr int kOutputsOfThread = (kQueriesAtOnce * kDims + 4 * kAttentionThreads - 1) / (4 * kAttentionThreads);
struct OutputOf {
  int query, dim;
};
template <int kDims>
__device__ __forceinline__ OutputOf output_of(int i) {
  const int output = 4 * (i * kAttentionThreads + attention_thread());
  return {output / kDims, output % kDims};
}

// What all warps have of a split, added up.
template <int kDims>
__device__ __forceinline__ Attended sum_of_warps(const WarpResults& results, int queries, const OutputOf& of) {
  Attended sum;
#pragma unroll
  for (int first = 0; first < kAttentionWarps; first += kMergedAtOnce) {
    float4 parts[kMergedAtOnce];
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      const float* const row = results.outputs + ((first + i) * queries + of.query) * output_stride(kDims);
      parts[i] = *reinterpret_cast<const float4*>(row + of.dim);
    }
    add_parts(sum, results.weights_of(of.query) + first, parts);
  }
  return sum;
}

// The number of a query's split among those of all queries.
__device__ __forceinline__ unsigned part_of(const AttentionArguments& args, int head, int split) {
  return (blockIdx.z * args.heads + head) * attention_splits(args.max_pages) + split;
}

// Adds a head's splits up, in their order, as CTAs left them in the GPU's memory.
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

// Where a thread's outputs go: the places of four beside each other.
template <int kDims>
struct OutputPlaces {
  uint2 of[kOutputsOfThread<kDims>];

  __device__ __forceinline__ OutputPlaces(const AttentionArguments& args, int first_head, int queries) {
#pragma unroll
    for (int i = 0; i < kOutputsOfThread<kDims>; i++) {
      const OutputOf to = output_of<kDims>(i);
      if (to.query >= queries) break;
      of[i] = __ldg(reinterpret_cast<const uint2*>(args.inverse + (first_head + to.query) * kDims + to.dim));
    }
  }
};

// Writes what all splits give as activations.
template <int kDims>
__device__ __forceinline__ void write_head(const AttentionArguments& args, const TokenPlace& to, int first_head, int queries,
                                           const OutputPlaces<kDims>& places,
                                           const Attended (&sums)[kOutputsOfThread<kDims>]) {
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

}  // namespace esparse
