// What a part of a block gives to the residual stream, and what the next part is given of it, where that is more than the
// RMSNorm of `norm.cuh`: the bias of the part's linear, a norm behind the part, a layer norm, or no norm at all.
#pragma once
#include "norm.cuh"

namespace esparse {

// Sums of a row, kept by runs of 128 channels: the same bits for any number of threads.
struct RunSums {
  float* of_run;  // [kMaxNormRuns], shared
  int runs;

  // By whole warps: `value` is the lane's share of the run of channel `c`.
  __device__ __forceinline__ void put(int c, float value) const {
    const float sum = sum_of_lanes(value);
    if (threadIdx.x % kLanes == 0) of_run[c / kNormRun] = sum;
  }
  // Of all runs, in all threads; between two uses.
  __device__ __forceinline__ float total() const {
    __syncthreads();
    float sum = 0;
    for (int run = threadIdx.x % kLanes; run < runs; run += kLanes) sum += of_run[run];
    sum = sum_of_lanes(sum);
    __syncthreads();
    return sum;
  }
};

__device__ __forceinline__ float4 scaled(const float4& x, float factor, const float4& weight) {
  return make_float4(x.x * factor * weight.x, x.y * factor * weight.y, x.z * factor * weight.z, x.w * factor * weight.w);
}
__device__ __forceinline__ float4 load_four(const float* from) { return __ldg(reinterpret_cast<const float4*>(from)); }

// Leaves in `row` (shared) what the next part is given of a token; each thread has channels of its own until then. By all
// kThreads of a CTA.
template <int kThreads>
__device__ __forceinline__ void join_row(const JoinInput& join, int token, float* row, float* of_run) {
  const NormInput& in = join.input;
  const std::size_t at = static_cast<std::size_t>(token) * in.channels;
  const RunSums sums{of_run, in.channels / kNormRun};
  const auto four_at = [&](int c) -> float4& { return *reinterpret_cast<float4*>(row + c); };
  const int first = 4 * threadIdx.x;
  const bool adds = in.added.data != nullptr;
  float part = 1;  // what the norm behind the part multiplies by
  if (adds) {
    for (int c = first; c < in.channels; c += 4 * kThreads) {
      float4 x = in.added.template sum<float4>(token, c);
      if (join.added_bias != nullptr) x = add(x, load_four(join.added_bias + c));
      four_at(c) = x;
      sums.put(c, square_of(x));
    }
    if (join.after != nullptr) part = 1 / sqrtf(sums.total() / in.counted + join.after_epsilon);
    else __syncthreads();
  }
  const bool centred = join.shift != nullptr;
  for (int c = first; c < in.channels; c += 4 * kThreads) {
    float4 x = __ldcg(reinterpret_cast<const float4*>(in.residual + at + c));
    if (adds) {
      x = add(x, join.after != nullptr ? scaled(four_at(c), part, load_four(join.after + c)) : four_at(c));
      *reinterpret_cast<float4*>(in.updated + at + c) = x;
    }
    four_at(c) = x;
    sums.put(c, centred ? (x.x + x.y) + (x.z + x.w) : square_of(x));
  }
  if (in.weight == nullptr) {
    __syncthreads();
    return;
  }
  float mean = 0, square = sums.total() / in.counted;
  if (centred) {
    mean = square;
    const auto off = [&](int c, float x) { return c < in.counted ? x - mean : 0; };
    for (int c = first; c < in.channels; c += 4 * kThreads) {
      const float4 x = four_at(c);
      const float4 apart = make_float4(off(c, x.x), off(c + 1, x.y), off(c + 2, x.z), off(c + 3, x.w));
      four_at(c) = apart;
      sums.put(c, square_of(apart));
    }
    square = sums.total() / in.counted;
  }
  const float factor = 1 / sqrtf(square + in.epsilon);
  for (int c = first; c < in.channels; c += 4 * kThreads) {
    float4 x = scaled(four_at(c), factor, load_four(in.weight + c));
    if (centred) x = add(x, load_four(join.shift + c));
    four_at(c) = x;
  }
  __syncthreads();
}

// Grid (tokens); shared memory: 4 B a channel.
__global__ void __launch_bounds__(kNormThreads) join(const __grid_constant__ JoinArguments args) {
  extern __shared__ __align__(16) float row[];
  __shared__ float of_run[kMaxNormRuns];
  const int token = blockIdx.x, channels = args.join.input.channels, chunks = channels / kChunk;
  release_dependents();
  wait_for_producers();
  join_row<kNormThreads>(args.join, token, row, of_run);
  if (args.rows != nullptr) {
    float* const to = args.rows + static_cast<std::size_t>(token) * channels;
    for (int c = 4 * threadIdx.x; c < channels; c += 4 * kNormThreads) {
      *reinterpret_cast<float4*>(to + c) = *reinterpret_cast<const float4*>(row + c);
    }
  }
  for (int chunk = threadIdx.x; chunk < chunks * args.reader_count; chunk += kNormThreads) {
    const int of = chunk / chunks, within = chunk % chunks;
    float x[kChunk];
    gather_chunk(row, 1, __ldg(reinterpret_cast<const uint4*>(args.readers[of].sources) + within), x);
    write_chunk(token_place(args.readers[of].fragments, channels, token, args.tokens, args.as_rows), within / 4, within % 4, x);
  }
}

}  // namespace esparse
