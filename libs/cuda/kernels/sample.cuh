// From logits to the next token, on the device: argmax, or a sample of the top candidates. Both end a step: they write
// the token that the next one embeds and advance the sequence's position.
#pragma once
#include "planes.cuh"

namespace esparse {

constexpr int kMaxCandidates = 64;

// Orders logits, and equal ones by their ids, the lowest first. No two keys are equal. What is not a number comes before
// all others, so that it is seen.
__device__ __forceinline__ std::uint64_t logit_key(float logit, int id) {
  const std::uint32_t bits = isnan(logit) ? 0x7fffffffu : __float_as_uint(logit + 0.0f);  // -0 as 0
  const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(ordered) << 32 | ~static_cast<std::uint32_t>(id);
}
__device__ __forceinline__ float key_logit(std::uint64_t key) { return __uint_as_float(key_logit_bits(key)); }

__device__ __forceinline__ std::uint64_t greatest(std::uint64_t a, std::uint64_t b) { return a > b ? a : b; }

// The greatest key of a CTA, in thread 0.
__device__ __forceinline__ std::uint64_t cta_greatest(std::uint64_t key) {
  __shared__ std::uint64_t of_warp[kLanes];
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, warps = blockDim.x / kLanes;
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    key = greatest(key, __shfl_xor_sync(~0u, key, distance));
  }
  if (lane == 0) of_warp[warp] = key;
  __syncthreads();
  for (int w = 0; w < warps; w++) key = greatest(key, of_warp[w]);
  return key;
}

__device__ __forceinline__ void advance(const Sequences& sequences, int token, int id) {
  if (sequences.ids == nullptr || sequences.positions[token] < 0) return;
  sequences.ids[token] = id;
  sequences.positions[token]++;
}

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

// Sorts shared keys, the greatest first; `count` is a power of two.
__device__ __forceinline__ void sort_descending(std::uint64_t* keys, int count) {
  for (int size = 2; size <= count; size *= 2) {
    for (int distance = size / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int i = threadIdx.x; i < count / 2; i += blockDim.x) {
        const int low = i / distance * 2 * distance + i % distance, high = low + distance;
        const std::uint64_t a = keys[low], b = keys[high];
        if ((a < b) == ((low & size) == 0)) {
          keys[low] = b;
          keys[high] = a;
        }
      }
    }
  }
  __syncthreads();
}

// candidates[token][part] = the kMaxCandidates greatest keys of kPartLogits logits, in order. Grid (parts, tokens).
__global__ void __launch_bounds__(kSampleThreads) candidates_of_parts(const Planes logits, std::uint64_t* candidates) {
  __shared__ std::uint64_t keys[kPartLogits];
  release_dependents();
  const int token = blockIdx.y, first = blockIdx.x * kPartLogits;
  wait_for_producers();
  for (int i = threadIdx.x; i < kPartLogits; i += kSampleThreads) {
    keys[i] = first + i < logits.rows ? logit_key(logits.sum(token, first + i), first + i) : 0;
  }
  sort_descending(keys, kPartLogits);
  std::uint64_t* to = candidates + (static_cast<std::size_t>(token) * gridDim.x + blockIdx.x) * kMaxCandidates;
  for (int i = threadIdx.x; i < kMaxCandidates; i += kSampleThreads) to[i] = keys[i];
}

// A number in [0, 1) that depends on the request's seed and the token's position only (SplitMix64).
ESPARSE_BOTH float uniform(std::uint64_t seed, int position) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15ull * (static_cast<std::uint64_t>(position) + 1);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return static_cast<float>((z ^ z >> 31) >> 40) * 0x1p-24f;
}

struct Sampling {
  float temperature;  // above 0
  int top_k;          // 1 to kMaxCandidates
  float top_p;        // (0, 1]: the fewest of them whose probabilities reach it
  std::uint64_t seed;
};

// Grid (tokens); shared memory for all candidates, filled up to a power of two.
__global__ void __launch_bounds__(1024) sample(const std::uint64_t* candidates, int parts, int padded,
                                               const Sampling* sampling, const Sequences sequences) {
  extern __shared__ std::uint64_t keys[];
  release_dependents();
  wait_for_producers();
  const int token = blockIdx.x, count = parts * kMaxCandidates;
  for (int i = threadIdx.x; i < padded; i += blockDim.x) {
    keys[i] = i < count ? __ldcg(candidates + static_cast<std::size_t>(token) * count + i) : 0;
  }
  sort_descending(keys, padded);
  if (threadIdx.x != 0) return;
  const Sampling& how = sampling[token];
  const float best = key_logit(keys[0]);
  float weights[kMaxCandidates], total = 0;
  int kept = 0;
  for (; kept < how.top_k && keys[kept] != 0; kept++) {
    weights[kept] = expf((key_logit(keys[kept]) - best) / how.temperature);
    total += weights[kept];
  }
  float nucleus = 0;
  for (int i = 0; i < kept; i++) {
    nucleus += weights[i];
    if (nucleus >= how.top_p * total) kept = i + 1;
  }
  const float target = uniform(how.seed, sequences.positions[token]) * nucleus;
  float passed = 0;
  int chosen = 0;
  for (; chosen + 1 < kept; chosen++) {
    passed += weights[chosen];
    if (passed > target) break;
  }
  advance(sequences, token, key_id(keys[chosen]));
}

}  // namespace esparse
