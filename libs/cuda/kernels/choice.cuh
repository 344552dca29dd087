// Chooses the next token of rows that are sampled (`choice.h`), in four kernels after `score_parts`: weights and their
// sums by octave, the candidates that have to be ranked, the choice, and what is told of it. All sums are of whole
// numbers, so no order of threads changes them.
#pragma once
#include "arguments.h"
#ifdef __CUDACC__
#include "device.cuh"
#endif

namespace esparse {

constexpr int kChoiceShared = 2 * kMaxCandidates * 8;  // of `choose`: keys, and their running sums

#ifdef __CUDACC__
__device__ __forceinline__ std::uint64_t* shared_words() {
  extern __shared__ __align__(16) std::uint64_t words[];
  return words;
}
#endif

__device__ __forceinline__ std::uint64_t greatest(std::uint64_t a, std::uint64_t b) { return a > b ? a : b; }

// The greatest key of a CTA, in all of its threads.
__device__ __forceinline__ std::uint64_t cta_greatest(std::uint64_t key) {
  __shared__ std::uint64_t of_warp[kLanes];
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, warps = blockDim.x / kLanes;
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    key = greatest(key, __shfl_xor_sync(~0u, key, distance));
  }
  __syncthreads();  // of_warp may be read still
  if (lane == 0) of_warp[warp] = key;
  __syncthreads();
  for (int w = 0; w < warps; w++) key = greatest(key, of_warp[w]);
  return key;
}

// The sum of a CTA's values up to each thread's own, and of all.
struct RunningSum {
  std::uint64_t inclusive, total;
};
__device__ __forceinline__ RunningSum cta_running_sum(std::uint64_t value) {
  __shared__ std::uint64_t sums[2][kSampleThreads];
  const int thread = threadIdx.x;
  int from = 0;
  __syncthreads();
  sums[0][thread] = value;
  for (int distance = 1; distance < kSampleThreads; distance *= 2) {
    __syncthreads();
    const std::uint64_t before = thread >= distance ? sums[from][thread - distance] : 0;
    sums[1 - from][thread] = sums[from][thread] + before;
    from = 1 - from;
  }
  __syncthreads();
  return {sums[from][thread], sums[from][kSampleThreads - 1]};
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

__device__ __forceinline__ void advance(const Sequences& sequences, int token, int id) {
  if (sequences.ids == nullptr || sequences.positions[token] < 0) return;
  sequences.ids[token] = id;
  sequences.positions[token]++;
}

// A logit of a row with its penalties.
__device__ __forceinline__ float with_penalties(const ChoiceArguments& args, int row, int id, float logit) {
  if (args.counts == nullptr) return logit;
  return penalised(logit, args.counts[static_cast<std::size_t>(row) * args.stride + id], args.choices[row]);
}

// The greatest of a row's keys, in all threads.
__device__ __forceinline__ std::uint64_t row_greatest(const std::uint64_t* keys, int parts, int row) {
  std::uint64_t key = 0;
  for (int p = threadIdx.x; p < parts; p += blockDim.x) {
    key = greatest(key, __ldcg(keys + static_cast<std::size_t>(row) * parts + p));
  }
  return cta_greatest(key);
}

// The weight of a row's token.
__device__ __forceinline__ std::uint64_t row_weight(const ChoiceArguments& args, int row, int id, float largest) {
  const float logit = __ldcg(args.logits + static_cast<std::size_t>(row) * args.stride + id);
  return weight_of(with_penalties(args, row, id, logit), largest, args.choices[row].temperature);
}

// Before a row's weights are added up; by one CTA.
__device__ __forceinline__ void clear_choice(const ChoiceArguments& args, int row) {
  for (int o = threadIdx.x; o < kOctaves; o += blockDim.x) {
    args.octave_sums[row * kOctaves + o] = 0;
    args.octave_counts[row * kOctaves + o] = 0;
  }
  if (threadIdx.x == 0) args.found[row] = 0;
}

// Counts the tokens of each row's history. Grid (rows).
__global__ void __launch_bounds__(kSampleThreads) count_history(const __grid_constant__ ChoiceArguments args) {
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.x;
  const Choice& how = args.choices[row];
  const std::int32_t* history = args.history + static_cast<std::size_t>(row) * args.most_history;
  std::uint32_t* counts = args.counts + static_cast<std::size_t>(row) * args.stride;
  for (int i = threadIdx.x; i < how.length; i += blockDim.x) {
    if (i < how.prompt) atomicOr(counts + history[i], kInPrompt);
    else atomicAdd(counts + history[i], 1u);
  }
}

// totals[row][part]; sums and counts by octave. Grid (parts, rows).
__global__ void __launch_bounds__(kSampleThreads) weigh_parts(const __grid_constant__ ChoiceArguments args) {
  __shared__ unsigned long long sums[kOctaves];
  __shared__ std::uint32_t counts[kOctaves];
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.y, first = blockIdx.x * kPartLogits;
  const float largest = key_logit(row_greatest(args.keys, args.parts, row));
  if (args.choices[row].temperature == 0 || !isfinite(largest)) return;
  for (int o = threadIdx.x; o < kOctaves; o += blockDim.x) {
    sums[o] = 0;
    counts[o] = 0;
  }
  __syncthreads();
  std::uint64_t own = 0;
  for (int id = first + threadIdx.x; id < first + kPartLogits && id < args.vocabulary; id += kSampleThreads) {
    const std::uint64_t weight = row_weight(args, row, id, largest);
    if (weight == 0) continue;
    own += weight;
    atomicAdd(sums + octave_of(weight), static_cast<unsigned long long>(weight));
    atomicAdd(counts + octave_of(weight), 1u);
  }
  const RunningSum sum = cta_running_sum(own);
  if (threadIdx.x == 0) args.totals[static_cast<std::size_t>(row) * args.parts + blockIdx.x] = sum.total;
  for (int o = threadIdx.x; o < kOctaves; o += blockDim.x) {
    if (counts[o] == 0) continue;
    atomicAdd(reinterpret_cast<unsigned long long*>(args.octave_sums + row * kOctaves + o), sums[o]);
    atomicAdd(args.octave_counts + row * kOctaves + o, counts[o]);
  }
}

// What has to be ranked of a row; by all threads, who all get it.
__device__ __forceinline__ Reach row_reach(const ChoiceArguments& args, int row) {
  __shared__ std::uint32_t counts[kOctaves];
  __shared__ std::uint64_t sums[kOctaves];
  __shared__ Reach reach;
  for (int o = threadIdx.x; o < kOctaves; o += blockDim.x) {
    counts[o] = __ldcg(args.octave_counts + row * kOctaves + o);
    sums[o] = __ldcg(args.octave_sums + row * kOctaves + o);
  }
  __syncthreads();
  if (threadIdx.x == 0) reach = reach_of(args.choices[row], counts, sums);
  __syncthreads();
  return reach;
}

// candidates[row]: the keys of those that have to be ranked, in any order. Grid (parts, rows).
__global__ void __launch_bounds__(kSampleThreads) gather_candidates(const __grid_constant__ ChoiceArguments args) {
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.y, first = blockIdx.x * kPartLogits;
  const Choice& how = args.choices[row];
  const float largest = key_logit(row_greatest(args.keys, args.parts, row));
  if (how.temperature == 0 || !is_ranked(how) || !isfinite(largest)) return;
  const Reach reach = row_reach(args, row);
  if (reach.candidates > kMaxCandidates) return;
  for (int id = first + threadIdx.x; id < first + kPartLogits && id < args.vocabulary; id += kSampleThreads) {
    const std::uint64_t weight = row_weight(args, row, id, largest);
    if (weight == 0 || octave_of(weight) > reach.octave) continue;
    args.candidates[static_cast<std::size_t>(row) * kMaxCandidates + atomicAdd(args.found + row, 1u)] =
        candidate_key(weight, id);
  }
}

// Among ranked candidates; by all threads, who all get it.
__device__ __forceinline__ int choose_ranked(const ChoiceArguments& args, int row, double random) {
  __shared__ int choice;
  const int count = static_cast<int>(__ldcg(args.found + row));
  if (count == 0) return kLeftToHost;
  std::uint64_t *const keys = shared_words(), *const sums = keys + kMaxCandidates;
  int padded = 1;
  while (padded < count) padded *= 2;
  for (int i = threadIdx.x; i < padded; i += kSampleThreads) {
    keys[i] = i < count ? __ldcg(args.candidates + static_cast<std::size_t>(row) * kMaxCandidates + i) : 0;
  }
  sort_descending(keys, padded);
  const int each = (count + kSampleThreads - 1) / kSampleThreads, begin = threadIdx.x * each;
  const int end = min(begin + each, count);
  std::uint64_t own = 0;
  for (int i = begin; i < end; i++) own += candidate_weight(keys[i]);
  std::uint64_t sum = cta_running_sum(own).inclusive - own;
  for (int i = begin; i < end; i++) sums[i] = sum += candidate_weight(keys[i]);
  // Of all tokens.
  const bool has_octave = threadIdx.x < kOctaves;
  const std::uint64_t total =
      cta_running_sum(has_octave ? __ldcg(args.octave_sums + row * kOctaves + threadIdx.x) : 0).total;
  if (threadIdx.x == 0) choice = candidate_id(keys[chosen_place(args.choices[row], keys, sums, count, total, random)]);
  __syncthreads();
  return choice;
}

// Among all tokens, in the order of their ids; by all threads, who all get it.
__device__ __forceinline__ int choose_by_id(const ChoiceArguments& args, int row, double random, float largest) {
  __shared__ int part, choice;
  __shared__ std::uint64_t before;
  // A thread takes some neighbouring parts, then some neighbouring ids.
  const int each = (args.parts + kSampleThreads - 1) / kSampleThreads;
  const std::uint64_t* totals = args.totals + static_cast<std::size_t>(row) * args.parts;
  const int begin = min(static_cast<int>(threadIdx.x) * each, args.parts), end = min(begin + each, args.parts);
  std::uint64_t own = 0;
  for (int p = begin; p < end; p++) own += __ldcg(totals + p);
  const RunningSum of_parts = cta_running_sum(own);
  const double point = times(random, static_cast<double>(of_parts.total));
  std::uint64_t sum = of_parts.inclusive - own;
  for (int p = begin; p < end; p++) {
    const std::uint64_t next = sum + __ldcg(totals + p);
    if (static_cast<double>(sum) <= point && point < static_cast<double>(next)) {
      part = p;
      before = sum;
    }
    sum = next;
  }
  __syncthreads();
  constexpr int kIds = kPartLogits / kSampleThreads;
  const int first = part * kPartLogits + threadIdx.x * kIds;
  std::uint64_t weights[kIds];
  own = 0;
#pragma unroll
  for (int i = 0; i < kIds; i++) {
    weights[i] = first + i < args.vocabulary ? row_weight(args, row, first + i, largest) : 0;
    own += weights[i];
  }
  sum = before + cta_running_sum(own).inclusive - own;
#pragma unroll
  for (int i = 0; i < kIds; i++) {
    const std::uint64_t next = sum + weights[i];
    if (static_cast<double>(sum) <= point && point < static_cast<double>(next)) choice = first + i;
    sum = next;
  }
  __syncthreads();
  return choice;
}

// chosen[row]: its next token, which it also becomes the input of the next step; kNotNumbers, or kLeftToHost where too many
// candidates would have to be ranked. Grid (rows); shared memory: kChoiceShared.
__global__ void __launch_bounds__(kSampleThreads, 1) choose(const __grid_constant__ ChoiceArguments args) {
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.x;
  Choice& how = args.choices[row];
  const std::uint64_t key = row_greatest(args.keys, args.parts, row);
  const float largest = key_logit(key);
  int id = key_id(key), told = id;
  if (!isfinite(largest)) {
    told = kNotNumbers;
  } else if (how.temperature > 0) {
    std::uint32_t state[4] = {how.random[0], how.random[1], how.random[2], how.random[3]};
    const double random = next_random(state);
    __syncthreads();  // all have read the state
    if (threadIdx.x < 4) how.random[threadIdx.x] = state[threadIdx.x];
    told = is_ranked(how) ? choose_ranked(args, row, random) : choose_by_id(args, row, random, largest);
    if (told >= 0) id = told;
  }
  if (args.counts != nullptr) {
    std::int32_t* history = args.history + static_cast<std::size_t>(row) * args.most_history;
    std::uint32_t* counts = args.counts + static_cast<std::size_t>(row) * args.stride;
    for (int i = threadIdx.x; i < how.length; i += blockDim.x) counts[history[i]] = 0;
    __syncthreads();
    if (threadIdx.x == 0 && how.length < args.most_history) history[how.length++] = id;
  }
  if (threadIdx.x != 0) return;
  advance(args.sequences, row, id);
  args.chosen[row] = told;
}

// The likeliest of each part, and weights at temperature 1, of rows whose log-probabilities are wanted. Grid (parts, rows).
__global__ void __launch_bounds__(kSampleThreads) report_parts(const __grid_constant__ ChoiceArguments args) {
  __shared__ std::uint64_t keys[kPartLogits];
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.y, first = blockIdx.x * kPartLogits;
  if (args.choices[row].reports == 0) return;
  const float largest = key_logit(row_greatest(args.plain_keys, args.parts, row));
  std::uint64_t own = 0;
  for (int i = threadIdx.x; i < kPartLogits; i += kSampleThreads) {
    const int id = first + i;
    if (id < args.vocabulary) {
      const float logit = __ldcg(args.logits + static_cast<std::size_t>(row) * args.stride + id);
      keys[i] = logit_key(logit, id);
      own += weight_of(logit, largest, 1);
    } else {
      keys[i] = 0;
    }
  }
  const std::size_t at = static_cast<std::size_t>(row) * args.parts + blockIdx.x;
  const RunningSum sum = cta_running_sum(own);
  if (threadIdx.x == 0) args.reported_totals[at] = sum.total;
  sort_descending(keys, kPartLogits);
  for (int i = threadIdx.x; i < kMaxReported; i += kSampleThreads) args.reported_keys[at * kMaxReported + i] = keys[i];
}

// Log-probabilities of the token that was chosen, and of the likeliest. Grid (rows); shared memory: the keys of all parts,
// filled up to a power of two.
__global__ void __launch_bounds__(kSampleThreads) report(const __grid_constant__ ChoiceArguments args, int padded) {
  release_dependents();
  wait_for_producers();
  const int row = blockIdx.x, count = args.parts * kMaxReported, token = __ldcg(args.chosen + row);
  if (args.choices[row].reports == 0 || token < 0) return;
  const float largest = key_logit(row_greatest(args.plain_keys, args.parts, row));
  std::uint64_t own = 0;
  for (int p = threadIdx.x; p < args.parts; p += kSampleThreads) {
    own += __ldcg(args.reported_totals + static_cast<std::size_t>(row) * args.parts + p);
  }
  const double all = largest + log(cta_running_sum(own).total * 0x1p-44);
  std::uint64_t* const keys = shared_words();
  for (int i = threadIdx.x; i < padded; i += kSampleThreads) {
    keys[i] = i < count ? __ldcg(args.reported_keys + static_cast<std::size_t>(row) * count + i) : 0;
  }
  sort_descending(keys, padded);
  ChoiceReport& to = args.reports[row];
  for (int i = threadIdx.x; i < kMaxReported; i += kSampleThreads) {
    to.ids[i] = keys[i] == 0 ? -1 : key_id(keys[i]);
    to.logprobs[i] = keys[i] == 0 ? 0 : key_logit(keys[i]) - all;
  }
  if (threadIdx.x == 0) {
    to.logprob = __ldcg(args.logits + static_cast<std::size_t>(row) * args.stride + token) - all;
  }
}

}  // namespace esparse
