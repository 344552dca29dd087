// Tokens that the device chooses, against a plain reference on the host with the same random numbers.
#pragma once
#include "../kernels/sample.cuh"
#include "support.cuh"

namespace harness {

using namespace esparse;

// The token of a row by its weights in order, as `libs/engine/src/sampling` has it.
inline int chosen_token(const Choice& how, const float* logits, int vocabulary, double random) {
  const float greatest = *std::max_element(logits, logits + vocabulary);
  std::vector<std::uint64_t> keys;
  std::uint64_t total = 0;
  for (int id = 0; id < vocabulary; id++) {
    const std::uint64_t weight = weight_of(logits[id], greatest, how.temperature);
    total += weight;
    if (weight > 0) keys.push_back(candidate_key(weight, id));
  }
  if (is_ranked(how)) std::sort(keys.rbegin(), keys.rend());
  std::vector<std::uint64_t> sums;
  for (const std::uint64_t key : keys) sums.push_back((sums.empty() ? 0 : sums.back()) + candidate_weight(key));
  const int count = static_cast<int>(keys.size());
  return candidate_id(keys[chosen_place(how, keys.data(), sums.data(), count, total, random)]);
}

inline void check_sampling(Report& report, std::uint64_t seed, int samples) {
  constexpr int kVocabulary = 5000, kRows = 6, kParts = (kVocabulary + kPartLogits - 1) / kPartLogits;
  std::vector<float> logits = random_floats(kRows * kVocabulary, seed, 6);
  logits[17] = 20;
  logits[kVocabulary + 40] = logits[kVocabulary + 3000] = 21;  // equal: the lowest id
  const Device<float> device(logits);
  const Planes planes{device, 1, kRows, kVocabulary};
  Device<std::uint64_t> keys(kRows * kParts), plain(kRows * kParts), totals(kRows * kParts), sums(kRows * kOctaves),
      candidates(kRows * kMaxCandidates), reported(kRows * kParts * kMaxReported), reported_totals(kRows * kParts);
  Device<std::int32_t> ids(kRows), chosen(kRows), positions(std::vector<std::int32_t>{5, 6, 0, 0, 0, 0}), history(1);
  const Launcher launch{};
  launch(argmax_parts, dim3(kParts, kRows), kSampleThreads, 0, planes, kVocabulary, nullptr, keys);
  launch(argmax, kRows, kSampleThreads, 0, keys, kParts, Sequences{ids, positions}, chosen);
  CHECK(cudaDeviceSynchronize());
  report.expect(ids.host()[0] == 17 && ids.host()[1] == 40, "argmax", ids.host()[0]);
  report.expect(chosen.host() == ids.host(), "what was chosen", chosen.host()[0]);
  report.expect(positions.host() == std::vector<std::int32_t>({6, 7, 1, 1, 1, 1}), "positions do not advance");

  std::vector<Choice> choices(kRows);
  for (int row = 0; row < kRows; row++) {
    choices[row] = {0.5 + 0.3 * row, row % 2 == 1 ? 0.9 : 1, row == 4 ? 0.05 : 0, 1, 0, 0, row % 3 == 2 ? 50 : 0, 0, 0, 1, {}};
    for (int i = 0; i < 4; i++) choices[row].random[i] = static_cast<std::uint32_t>(seed * 2654435761u) + 97 * row + i;
  }
  Device<Choice> on_device(choices);
  Device<std::uint32_t> counts(kRows * kOctaves), found(kRows);
  Device<float> added(kRows * kVocabulary);
  Device<ChoiceReport> reports(kRows);
  const ChoiceArguments args{added, kVocabulary, kVocabulary, kParts, on_device, nullptr, history, 1, keys, plain, totals,
                             sums, counts, candidates, found, {ids, positions}, chosen, reported, reported_totals, reports};
  CHECK(cudaFuncSetAttribute(choose, cudaFuncAttributeMaxDynamicSharedMemorySize, kChoiceShared));
  int different = 0;
  for (int i = 0; i < samples; i++) {
    launch(score_parts, dim3(kParts, kRows), kSampleThreads, 0, planes, args);
    launch(weigh_parts, dim3(kParts, kRows), kSampleThreads, 0, args);
    launch(gather_candidates, dim3(kParts, kRows), kSampleThreads, 0, args);
    launch(choose, kRows, kSampleThreads, kChoiceShared, args);
    launch(report_parts, dim3(kParts, kRows), kSampleThreads, 0, args);
    launch(esparse::report, kRows, kSampleThreads, 256 * 8, args, 256);
    const std::vector<std::int32_t> got = chosen.host();
    for (int row = 0; row < kRows; row++) {
      const double random = next_random(choices[row].random);
      different += got[row] != chosen_token(choices[row], logits.data() + row * kVocabulary, kVocabulary, random);
    }
  }
  report.expect(different == 0, "tokens that are not those of the reference", different);
  const std::vector<ChoiceReport> told = reports.host();
  for (int row = 0; row < kRows; row++) {
    const float* const own = logits.data() + row * kVocabulary;
    double total = 0;
    for (int id = 0; id < kVocabulary; id++) total += std::exp(static_cast<double>(own[id]));
    const int best = static_cast<int>(std::max_element(own, own + kVocabulary) - own);
    report.expect(told[row].ids[0] == best, "the likeliest that is reported", told[row].ids[0]);
    const double error = told[row].logprobs[0] - (own[best] - std::log(total));
    report.expect(std::abs(error) < 1e-7, "a log-probability", error);
  }
}

}  // namespace harness
