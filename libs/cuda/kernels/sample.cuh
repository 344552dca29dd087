// From the planes of the head to logits and the likeliest token of each row. `choice.cuh` has what samples.
#pragma once
#include "choice.cuh"
#include "planes.cuh"

namespace esparse {

// keys[token][part] = the greatest of kPartLogits logits; sums[token][id] = the planes added up, where they are wanted.
// Rows of planes are filled up to a multiple of four; ids from `vocabulary` on are none. Grid (parts, tokens).
__global__ void __launch_bounds__(kSampleThreads)
    argmax_parts(const Planes logits, int vocabulary, float* sums, std::uint64_t* keys) {
  release_dependents();
  const int token = blockIdx.y, id = blockIdx.x * kPartLogits + threadIdx.x * 4;
  wait_for_producers();
  std::uint64_t key = 0;
  if (id < vocabulary) {
    const float4 four = logits.sum<float4>(token, id);
    if (sums != nullptr) *reinterpret_cast<float4*>(sums + static_cast<std::size_t>(token) * logits.rows + id) = four;
    const float each[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (id + i < vocabulary) key = greatest(key, logit_key(each[i], id + i));
    }
  }
  key = cta_greatest(key);
  if (threadIdx.x == 0) keys[static_cast<std::size_t>(token) * gridDim.x + blockIdx.x] = key;
}

// chosen[token] = the id of the greatest logit, the lowest of equal ones, or -1 where that is no finite number. Grid
// (tokens).
__global__ void __launch_bounds__(kSampleThreads)
    argmax(const std::uint64_t* keys, int parts, const Sequences sequences, std::int32_t* chosen) {
  release_dependents();
  wait_for_producers();
  std::uint64_t key = 0;
  for (int p = threadIdx.x; p < parts; p += kSampleThreads) {
    key = greatest(key, __ldcg(keys + static_cast<std::size_t>(blockIdx.x) * parts + p));
  }
  key = cta_greatest(key);
  if (threadIdx.x != 0) return;
  advance(sequences, blockIdx.x, key_id(key));
  chosen[blockIdx.x] = isfinite(key_logit(key)) ? key_id(key) : -1;
}

// Where rows are sampled: logits[row][id] = the planes added up; keys of each kPartLogits, with penalties and without. Grid
// (parts, rows).
__global__ void __launch_bounds__(kSampleThreads) score_parts(const Planes planes,
                                                              const __grid_constant__ ChoiceArguments args) {
  release_dependents();
  const int row = blockIdx.y, id = blockIdx.x * kPartLogits + threadIdx.x * 4;
  wait_for_producers();
  if (blockIdx.x == 0) clear_choice(args, row);
  std::uint64_t key = 0, plain = 0;
  if (id < args.vocabulary) {
    const float4 four = planes.sum<float4>(row, id);
    const std::size_t at = static_cast<std::size_t>(row) * args.stride + id;
    *reinterpret_cast<float4*>(args.logits + at) = four;
    const float each[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (id + i >= args.vocabulary) continue;
      plain = greatest(plain, logit_key(each[i], id + i));
      key = greatest(key, logit_key(with_penalties(args, row, id + i, each[i]), id + i));
    }
  }
  key = cta_greatest(key);
  plain = args.counts == nullptr ? key : cta_greatest(plain);
  if (threadIdx.x != 0) return;
  args.keys[static_cast<std::size_t>(row) * args.parts + blockIdx.x] = key;
  args.plain_keys[static_cast<std::size_t>(row) * args.parts + blockIdx.x] = plain;
}

}  // namespace esparse
