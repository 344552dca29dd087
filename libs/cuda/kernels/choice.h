// How the next token of a row is chosen: the arithmetic of `libs/engine/src/sampling`, which the device follows to the same
// token. Plain C++: the host fills these in, and the tests run them without CUDA.
//
// Weights, e^((logit - greatest) / temperature), are computed in f64 as on the processor, and then rounded to whole numbers
// of 2^-44: their sums are exact in any order, so a token does not depend on how many threads add up. Against sums in f64 a
// choice differs where the random point is within 2^-28 of the total of the bound between two tokens, and tokens that are
// less likely than 2^-45 of the likeliest one are never chosen.
#pragma once
#include <cmath>
#include <cstring>

#include "layout.h"
#include "times.h"

namespace esparse {

struct Choice {
  double temperature;                      // 0: the likeliest
  double top_p, min_p;                     // 1 and 0: all
  double repetition, frequency, presence;  // 1, 0 and 0: no penalty
  std::int32_t top_k;                      // 0: all
  std::int32_t prompt, length;             // tokens of the row's history, and how many of them are the prompt's
  std::int32_t reports;                    // whether log-probabilities are wanted
  std::uint32_t random[4];                 // state of sfc32: the numbers to come follow from it
};
static_assert(sizeof(Choice) == 80, "TypeScript writes these");

// What is told of a token where it is asked for.
constexpr int kMaxReported = 32;
struct ChoiceReport {
  double logprob;                 // of the token
  double logprobs[kMaxReported];  // of the likeliest, and
  std::int32_t ids[kMaxReported];
};

constexpr int kWeightBits = 44;                     // after the point
constexpr int kOctaves = kWeightBits + 1;           // of weights: octave o has those from 2^(44 - o) on
constexpr int kMaxCandidates = 4096;                // that are ranked; what needs more is left to the processor
constexpr int kIdBits = 18;                         // of a vocabulary
constexpr int kNotNumbers = -1, kLeftToHost = -2;   // in the place of a chosen token

// Tokens of a history are counted in one word each: how often it was generated, and whether it is in the prompt.
constexpr std::uint32_t kInPrompt = 1u << 31;

// A logit as its penalties leave it; each rounds to f32, in the order of the engine's options.
ESPARSE_BOTH float penalised(float logit, std::uint32_t count, const Choice& how) {
  if (count == 0) return logit;
  if (how.repetition != 1) {
    const double x = logit;
    logit = static_cast<float>(logit > 0 ? x / how.repetition : times(x, how.repetition));
  }
  const std::uint32_t generated = count & ~kInPrompt;
  if (generated == 0) return logit;
  if (how.frequency != 0) logit = static_cast<float>(logit - times(how.frequency, generated));
  if (how.presence != 0) logit = static_cast<float>(logit - how.presence);
  return logit;
}

// Of a logit that is not above the greatest.
ESPARSE_BOTH std::uint64_t weight_of(float logit, float greatest, double temperature) {
  const double weight = exp((static_cast<double>(logit) - greatest) / temperature);
  return static_cast<std::uint64_t>(times(weight, 0x1p44) + 0.5);
}

ESPARSE_BOTH int octave_of(std::uint64_t weight) {
#ifdef __CUDA_ARCH__
  return kWeightBits - (63 - __clzll(static_cast<long long>(weight)));
#else
  return kWeightBits - (63 - __builtin_clzll(weight));
#endif
}

// Whether tokens are drawn in the order of their weights: what the engine's filters leave. Else in that of their ids.
ESPARSE_BOTH bool is_ranked(const Choice& how) { return how.top_k > 0 || how.top_p < 1 || how.min_p > 0; }

ESPARSE_BOTH bool reaches_min_p(std::uint64_t weight, const Choice& how) {
  return static_cast<double>(weight) >= times(how.min_p, 0x1p44);
}

// Candidates that have to be ranked: all of the octaves up to this one, and how many they are. `counts` and `sums` are by
// octave.
struct Reach {
  int octave, candidates;
};
ESPARSE_BOTH Reach reach_of(const Choice& how, const std::uint32_t* counts, const std::uint64_t* sums) {
  std::uint64_t total = 0;
  for (int o = 0; o < kOctaves; o++) total += sums[o];
  Reach reach{0, 0};
  std::uint64_t sum = 0;
  for (; reach.octave < kOctaves; reach.octave++) {
    reach.candidates += static_cast<int>(counts[reach.octave]);
    sum += sums[reach.octave];
    const std::uint64_t below = std::uint64_t{1} << (kWeightBits - reach.octave);  // the least of the octave
    const bool enough = how.top_k > 0   ? reach.candidates >= how.top_k
                        : how.top_p < 1 ? static_cast<double>(sum) >= times(how.top_p, static_cast<double>(total))
                                        : false;
    // Where top-p is one of top-k, all of those are needed for their total.
    const bool cut = how.min_p > 0 && !(how.top_k > 0 && how.top_p < 1) && !reaches_min_p(below - 1, how);
    if (enough || cut) break;
  }
  return reach;
}

// Orders candidates by weight, and equal ones by their ids, the lowest first. No two are equal.
ESPARSE_BOTH std::uint64_t candidate_key(std::uint64_t weight, int id) {
  return weight << kIdBits | ((std::uint64_t{1} << kIdBits) - 1 - static_cast<std::uint64_t>(id));
}
ESPARSE_BOTH std::uint64_t candidate_weight(std::uint64_t key) { return key >> kIdBits; }
ESPARSE_BOTH int candidate_id(std::uint64_t key) {
  return static_cast<int>(((std::uint64_t{1} << kIdBits) - 1) & ~key);
}

// The next number in [0, 1), as `seededRandom` gives it; the state goes on.
ESPARSE_BOTH double next_random(std::uint32_t (&s)[4]) {
  const std::uint32_t sum = s[0] + s[1] + s[3];
  s[3]++;
  s[0] = s[1] ^ s[1] >> 9;
  s[1] = s[2] + (s[2] << 3);
  s[2] = (s[2] << 21 | s[2] >> 11) + sum;
  return sum * 0x1p-32;
}

// The place among ranked candidates whose running sums are given; `kept` of them are left.
ESPARSE_BOTH int first_above(const std::uint64_t* sums, int count, double point) {
  int low = 0, high = count;  // the first whose sum is above the point
  while (low < high) {
    const int middle = (low + high) / 2;
    if (static_cast<double>(sums[middle]) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}
ESPARSE_BOTH int first_reaching(const std::uint64_t* sums, int count, double point) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (static_cast<double>(sums[middle]) >= point) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Which of ranked candidates is chosen: top-k, then top-p of those, then min-p, then the point of a random number. `keys`
// are in order, `sums` their running sums; `total` is that of all tokens.
ESPARSE_BOTH int chosen_place(const Choice& how, const std::uint64_t* keys, const std::uint64_t* sums, int count,
                              std::uint64_t total, double random) {
  int kept = count;
  if (how.top_k > 0) {
    kept = how.top_k < count ? how.top_k : count;
    total = sums[kept - 1];
  }
  if (how.top_p < 1) {
    const int reaching = first_reaching(sums, kept, times(how.top_p, static_cast<double>(total))) + 1;
    kept = reaching < kept ? reaching : kept;
  }
  if (how.min_p > 0) {
    int low = 1, high = kept;  // the first that does not reach it
    while (low < high) {
      const int middle = (low + high) / 2;
      if (reaches_min_p(candidate_weight(keys[middle]), how)) low = middle + 1;
      else high = middle;
    }
    kept = low;
  }
  const int place = first_above(sums, kept, times(random, static_cast<double>(sums[kept - 1])));
  return place < kept ? place : kept - 1;
}

// Orders logits, and equal ones by their ids, the lowest first. No two keys are equal. What is not a number comes before
// all others, so that it is seen.
ESPARSE_BOTH std::uint64_t logit_key(float logit, int id) {
  const float plain = logit + 0.0f;  // -0 as 0
  std::uint32_t bits;
#ifdef __CUDA_ARCH__
  bits = __float_as_uint(plain);
#else
  std::memcpy(&bits, &plain, 4);
#endif
  if (logit != logit) bits = 0x7fffffffu;
  const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(ordered) << 32 | ~static_cast<std::uint32_t>(id);
}
ESPARSE_BOTH int key_id(std::uint64_t key) { return static_cast<int>(~static_cast<std::uint32_t>(key)); }
ESPARSE_BOTH float key_logit(std::uint64_t key) {
  const auto ordered = static_cast<std::uint32_t>(key >> 32);
  const std::uint32_t bits = ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered;
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
#endif
}

}  // namespace esparse
