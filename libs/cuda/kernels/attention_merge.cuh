// How attention of decoding adds up what it computed of a query apart: by warps, by splits of the positions. The same operations
// in the same order wherever that is done.
#pragma once
#include "attention_plan.h"
#include "planes.cuh"

namespace esparse {

// Four outputs beside each other of a query, relative to the greatest of its scores (by powers of 2), and the sum of its weights.
struct Attended {
  float4 outputs{};
  float maximum = -3e38f, total = 0;  // below all scores, and a number: differences of nothing are 0
};

// Adds kMergedAtOnce parts, in their order; `weights`: the greatest score and the sum of each. A part without positions has the
// greatest score minus infinity, and its outputs may be anything; it changes nothing.
__device__ __forceinline__ void add_parts(Attended& to, const float2* weights, const float4* outputs) {
  float maximum = to.maximum;
#pragma unroll
  for (int i = 0; i < kMergedAtOnce; i++) maximum = fmaxf(maximum, weights[i].x);
  const float kept = power_of_2(to.maximum - maximum);  // 0 at first
  to.maximum = maximum;
  to.total *= kept;
  to.outputs = make_float4(to.outputs.x * kept, to.outputs.y * kept, to.outputs.z * kept, to.outputs.w * kept);
#pragma unroll
  for (int i = 0; i < kMergedAtOnce; i++) {
    const float factor = power_of_2(weights[i].x - maximum);
    const bool used = factor != 0;
    to.total = used ? fmaf(factor, weights[i].y, to.total) : to.total;
    to.outputs.x = used ? fmaf(factor, outputs[i].x, to.outputs.x) : to.outputs.x;
    to.outputs.y = used ? fmaf(factor, outputs[i].y, to.outputs.y) : to.outputs.y;
    to.outputs.z = used ? fmaf(factor, outputs[i].z, to.outputs.z) : to.outputs.z;
    to.outputs.w = used ? fmaf(factor, outputs[i].w, to.outputs.w) : to.outputs.w;
  }
}

// What splits gave of four outputs of a query, on their way. Loads do not wait for each other.
struct LoadedSplits {
  float2 weights[kMergedAtOnce];
  float4 outputs[kMergedAtOnce];

  // `weights` and `outputs`: of the first of `count` splits, which may be fewer than none.
  __device__ __forceinline__ void load(const float2* weights_of, const float* outputs_of, int dims, int count) {
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      weights[i] = i < count ? __ldcg(weights_of + i) : make_float2(-INFINITY, 0);
      outputs[i] = i < count ? __ldcg(reinterpret_cast<const float4*>(outputs_of + i * dims)) : float4{};
    }
  }
  // The same where there is memory of one split at least: the last one stands for those that are not there.
  __device__ __forceinline__ void load_some(const float2* weights_of, const float* outputs_of, int dims, int count) {
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      const unsigned at = max(min(i, count - 1), 0);
      weights[i] = __ldcg(weights_of + at);
      outputs[i] = __ldcg(reinterpret_cast<const float4*>(outputs_of + at * dims));
    }
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) weights[i].x = i < count ? weights[i].x : -INFINITY;
  }
};

// Splits as one CTA computes them, kept until there are kMergedAtOnce.
struct KeptSplits {
  Attended kept[kMergedAtOnce - 1];

  // `place`: of the split among those that are added up with it.
  __device__ __forceinline__ void add(Attended& to, int place, const Attended& split, bool last) {
    if (place + 1 < kMergedAtOnce && !last) {
#pragma unroll
      for (int i = 0; i + 1 < kMergedAtOnce; i++) {
        if (i == place) kept[i] = split;
      }
      return;
    }
    float2 weights[kMergedAtOnce];
    float4 outputs[kMergedAtOnce];
#pragma unroll
    for (int i = 0; i < kMergedAtOnce; i++) {
      weights[i] = i <= place ? make_float2(split.maximum, split.total) : make_float2(-INFINITY, 0);
      outputs[i] = split.outputs;
    }
#pragma unroll
    for (int i = 0; i + 1 < kMergedAtOnce; i++) {
      if (i >= place) continue;
      weights[i] = make_float2(kept[i].maximum, kept[i].total);
      outputs[i] = kept[i].outputs;
    }
    add_parts(to, weights, outputs);
  }
};

// Where the positions of a token begin and end among its splits.
struct SplitRange {
  int first, end;
  __device__ __forceinline__ int count() const { return end - first; }
};
__device__ __forceinline__ SplitRange splits_of(int position, int window) {
  const int begin = window > 0 ? max(0, position + 1 - window) : 0;
  return {begin / kSplitPositions, position / kSplitPositions + 1};
}

// What is multiplied with the outputs at last.
__device__ __forceinline__ float whole_of(const Attended& of, const float* sink) {
  return reciprocal(sink == nullptr ? of.total : of.total + power_of_2(__ldg(sink) - of.maximum));
}

}  // namespace esparse
