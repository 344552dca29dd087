// Chooses tokens as the device does, by the kernels' own source: reads a case from standard input (see
// `test/e2e/cuda-sampling.test.ts`), and writes what every step has chosen.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "threads.h"

namespace esparse {

// What the kernels have of CUDA besides.
inline std::uint64_t* shared_words() { return static_cast<std::uint64_t*>(dynamic_shared()); }
inline void wait_for_producers() {}
inline void release_dependents() {}
using std::isfinite, std::min;

}  // namespace esparse

#include "../kernels/choice.cuh"

using namespace esparse;

namespace {

template <class Kernel, class... Arguments>
void launch(const Kernel& kernel, const Index3& grid, const Arguments&... arguments) {
  run_grid(grid, {kSampleThreads, 1, 1}, [&] { kernel(arguments...); });
}

template <class T>
std::vector<T> read(std::size_t count) {
  std::vector<T> out(count);
  if (std::fread(out.data(), sizeof(T), count, stdin) != count) std::exit(2);
  return out;
}

}  // namespace

int main() {
  const auto header = read<std::int32_t>(5);
  const int rows = header[0], vocabulary = header[1], most_history = header[2], steps = header[3];
  const bool penalties = header[4] != 0;
  const int parts = (vocabulary + kPartLogits - 1) / kPartLogits, stride = (vocabulary + 3) / 4 * 4;
  auto choices = read<Choice>(rows);
  auto history = read<std::int32_t>(static_cast<std::size_t>(rows) * most_history);
  std::vector<float> logits;
  for (int row = 0; row < rows; row++) {
    const auto own = read<float>(vocabulary);
    logits.insert(logits.end(), own.begin(), own.end());
    logits.resize(static_cast<std::size_t>(row + 1) * stride);
  }
  std::vector<std::uint32_t> counts(logits.size()), octave_counts(rows * kOctaves), found(rows);
  std::vector<std::uint64_t> keys(rows * parts), plain(rows * parts), totals(rows * parts), octave_sums(rows * kOctaves),
      candidates(static_cast<std::size_t>(rows) * kMaxCandidates),
      reported(static_cast<std::size_t>(rows) * parts * kMaxReported), reported_totals(rows * parts);
  std::vector<std::int32_t> chosen(rows), ids(rows), positions(rows);
  std::vector<ChoiceReport> reports(rows);
  const ChoiceArguments args{logits.data(), vocabulary, stride, parts, choices.data(),
                             penalties ? counts.data() : nullptr, history.data(), most_history, keys.data(), plain.data(),
                             totals.data(), octave_sums.data(), octave_counts.data(), candidates.data(), found.data(),
                             {ids.data(), positions.data()}, chosen.data(), reported.data(), reported_totals.data(),
                             reports.data()};
  const Index3 all{static_cast<unsigned>(parts), static_cast<unsigned>(rows), 1}, each{static_cast<unsigned>(rows), 1, 1};
  int padded = 1;
  while (padded < parts * kMaxReported) padded *= 2;
  for (int step = 0; step < steps; step++) {
    if (penalties) launch(count_history, each, args);
    // What `score_parts` does with the planes of the head.
    for (int row = 0; row < rows; row++) {
      for (int part = 0; part < parts; part++) {
        std::uint64_t key = 0, own = 0;
        for (int id = part * kPartLogits; id < (part + 1) * kPartLogits && id < vocabulary; id++) {
          const float logit = logits[static_cast<std::size_t>(row) * stride + id];
          own = greatest(own, logit_key(logit, id));
          key = greatest(key, logit_key(with_penalties(args, row, id, logit), id));
        }
        keys[row * parts + part] = key;
        plain[row * parts + part] = own;
      }
      blockDim = {1, 1, 1};
      threadIdx = {0, 0, 0};
      clear_choice(args, row);
    }
    launch(weigh_parts, all, args);
    launch(gather_candidates, all, args);
    launch(choose, each, args);
    launch(report_parts, all, args);
    launch(report, each, args, padded);
    std::fwrite(chosen.data(), 4, rows, stdout);
    std::fwrite(reports.data(), sizeof(ChoiceReport), rows, stdout);
  }
  for (const std::uint32_t count : counts) {
    if (count != 0) return 3;
  }
  for (int row = 0; row < rows; row++) {
    if (positions[row] != steps || ids[row] != (chosen[row] >= 0 ? chosen[row] : ids[row])) return 4;
  }
  return 0;
}
