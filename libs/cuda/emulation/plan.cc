// Checks plans of the decode linear over many shapes: each slice of each panel is read once, rings fit, CTAs end
// together; and those of attention: CTAs that are to stand on an SM fit it. Prints what is wrong and exits with 1, or prints how many plans it has seen.
#include <cstdio>
#include <vector>

#include "../kernels/attention_plan.h"
#include "../kernels/encoding.h"
#include "../kernels/linear_wide_plan.h"

namespace {

using namespace esparse;

int seen = 0;

constexpr Format kFormats[] = {format_of(Encoding::kSparse),         format_of(Encoding::kDense),     format_of(Encoding::kSparseInt8),
                               format_of(Encoding::kSparseInt4),     format_of(Encoding::kDenseInt8), format_of(Encoding::kDenseInt4),
                               format_of(Encoding::kSparseInt4Fine)};

bool wrong(const char* what, const LinearProblem& problem, const LinearTuning& tuning) {
  std::printf("%s: panels %d %d %d (%d segments), %d inputs, %d tokens, %d warps, %d CTAs an SM\n", what,
              problem.panels[0], problem.panels[1], problem.panels[2], problem.segments, problem.cols, problem.tokens,
              tuning.warps, tuning.share);
  return false;
}

// What is chosen fits wherever the plainest does, and is a kernel that there is.
bool check_choice(const LinearProblem& problem) {
  const auto fits = [&](const LinearTuning& tuning) {
    try {
      return plan_linear(problem, tuning, 132).depth >= 1;
    } catch (const std::invalid_argument&) {
      return false;
    }
  };
  const LinearTuning chosen = chosen_tuning(problem);
  if (fits({plain_warps(problem.tokens), 1, 192 << 10}) && !fits(chosen)) return wrong("the choice", problem, chosen);
  return true;
}

// As `linear_wide` walks, for any number of tokens that it has.
bool check_wide(const LinearProblem& problem) {
  const LinearPlan plan = plan_wide(problem, 132);
  const int blocks = problem.cols / problem.format.inputs, slice = slice_first(1, blocks);
  if (plan.shared > problem.shared) return wrong("wide: does not fit", problem, {});
  if (plan.depth < 1 || plan.stages < (plan.resident ? slice : 2)) return wrong("wide: no ring", problem, {});
  for (int s = 0; s < problem.segments; s++) {
    const int end = s + 1 < problem.segments ? plan.first_cta[s + 1] : plan.ctas;
    if ((end - plan.first_cta[s]) * kLinearWarps * plan.rounds < problem.panels[s]) {
      return wrong("wide: panels are lost", problem, {});
    }
  }
  return true;
}

// As `linear_widest` walks.
bool check_widest(const LinearProblem& problem) {
  const LinearPlan plan = plan_widest(problem, 132);
  const int blocks = problem.cols / problem.format.inputs, parts = problem.format.inputs / kRowInputs;
  if (plan.shared > problem.shared) return wrong("widest: does not fit", problem, {});
  const int stages = plan.resident ? slice_first(kSlices / plan.planes, blocks) * parts : parts;
  if (plan.depth % kWidestRows != 0) return wrong("widest: a slot is filled by several warps", problem, {});
  if (plan.depth < kWidestRows || plan.stages < stages) return wrong("widest: no ring", problem, {});
  if (plan.rounds > 1 && plan.ctas * plan.planes > 132) return wrong("widest: CTAs wait for others", problem, {});
  for (int s = 0; s < problem.segments; s++) {
    const int end = s + 1 < problem.segments ? plan.first_cta[s + 1] : plan.ctas;
    if ((end - plan.first_cta[s]) * plan.cta_panels * plan.rounds < problem.panels[s]) {
      return wrong("widest: panels are lost", problem, {});
    }
  }
  return true;
}

bool check(const LinearProblem& problem, const LinearTuning& tuning) {
  constexpr int kSms = 132;
  LinearPlan plan;
  try {
    plan = plan_linear(problem, tuning, kSms);
  } catch (const std::invalid_argument&) {
    return true;  // too large, which is said
  }
  if (linear_is_wide(problem) && !check_wide(problem)) return false;
  LinearProblem on_hopper = problem;
  on_hopper.hopper = problem.shared >= kSharedOfCta;
  if (linear_is_widest(on_hopper) && !check_widest(on_hopper)) return false;
  const int groups = kLinearWarps / tuning.warps, blocks = problem.cols / problem.format.inputs;
  seen++;
  if (plan.planes * tuning.warps != kSlices) return wrong("slices are lost", problem, tuning);
  if (tuning.share * (plan.shared + 1024) > problem.shared + 1024) {
    return wrong("does not fit", problem, tuning);
  }
  if (plan.depth < 1) return wrong("no ring", problem, tuning);

  // As the kernel walks: how often is each panel read in a plane?
  for (int s = 0; s < problem.segments; s++) {
    const int end = s + 1 < problem.segments ? plan.first_cta[s + 1] : plan.ctas, ctas = end - plan.first_cta[s];
    std::vector<int> reads(problem.panels[s]);
    for (int cta = 0; cta < ctas; cta++) {
      for (int group = 0; group < groups; group++) {
        for (int round = 0; round < plan.rounds; round++) {
          const int panel = cta * groups + group + round * ctas * groups;
          if (panel < problem.panels[s]) reads[panel]++;
        }
      }
    }
    for (const int count : reads) {
      if (count != 1) return wrong("a panel is not read once", problem, tuning);
    }
  }
  if (slice_first(0, blocks) != 0 || slice_first(kSlices, blocks) != blocks) {
    return wrong("the slices are not all inputs", problem, tuning);
  }
  return true;
}

// Of so many tokens, key heads, and query heads of each.
bool check_attention(int dims, int queries, int kv_heads, int tokens, int shared) {
  const int heads = kv_heads * query_groups(queries) * tokens;
  for (const int pages : {1, 8, 9, 64, 2048}) {
    const AttentionPlan plan = plan_attention({dims, queries, heads, pages, tokens, 132, shared});
    const int share = plan.walks ? 1 : attention_share(dims, plan.slots), splits = attention_splits(pages);
    const bool fits = share * (plan.shared + 1024) <= shared + 1024;
    const bool shares = plan.walks ? heads * 10 > 132 * 9 && plan.ctas == std::min(heads, 132)
                                   : plan.ctas >= 1 && plan.ctas <= splits && (plan.ctas == 1 || plan.ctas * heads <= share * 132);
    const bool exists = plan.walks ? dims <= 128 && shared == kSharedOfCta
                                   : plan.slots == 0 || (dims == 128 && shared == kSharedOfCta && plan.slots <= kMostSlots);
    if (fits && shares && exists) continue;
    std::printf("attention: %d x %d heads of %d, %d tokens, %d pages\n", kv_heads, queries, dims, tokens, pages);
    return false;
  }
  return true;
}

// The largest inputs up to which all linears that read them have plans, at every number of tokens: of the stream (q, k, v; gate
// and up; the head), or of what is before o and down.
int largest(int shared, bool of_stream) {
  const auto planned = [&](const Format& format, int panels, int cols, int tokens, int sets, bool normed) {
    const LinearProblem problem{format, {panels}, 1, cols, tokens, sets, normed, shared};
    try {
      if (linear_is_wide(problem)) return check_wide(problem);
      return plan_linear(problem, chosen_tuning(problem), 132).depth >= 1;
    } catch (const std::invalid_argument&) {
      return false;
    }
  };
  constexpr int kManyPanels = 4000;
  int cols = 0;
  for (;; cols += kSparseInputs) {
    const int next = cols + kSparseInputs;
    for (const int tokens : kTokenBuckets) {
      if (token_bucket(tokens, shared) != tokens) continue;
      for (const Format& format : kFormats) {
        if (format.scaled && shared < kSharedOfCta) continue;  // integers are for Hopper
        const bool normed = of_stream && tokens <= kNormedTokens;
        if (!planned(format, 128, next, tokens, 1, normed)) return cols;
        if (!of_stream) continue;
        const int sets = !format.shuffled || pair_is_apart(format, 128, next, tokens, shared) ? 1 : 2;
        if (!planned(format, 128, next, tokens, sets, normed)) return cols;
        if (!format.shuffled && !planned(format, kManyPanels, next, tokens, 1, normed)) return cols;
      }
    }
  }
}

}  // namespace

int main() {
  const int shapes[][4] = {{1, 0, 0, 1},  {64, 64, 64, 3}, {128, 32, 32, 3}, {344, 344, 0, 2}, {448, 448, 0, 2},
                           {64, 8, 8, 3}, {4008, 0, 0, 1}, {7, 1, 3, 3},     {1000, 0, 0, 1},  {896, 0, 0, 1}};
  const int inputs[] = {128, 384, 2048, 4096, 5632, 8192, 11008, 14336};
  for (const auto& shape : shapes) {
    for (const int cols : inputs) {
      for (const int tokens : kTokenBuckets) {
        for (const Format& format : kFormats) {
          for (const int warps : {1, 2, 4, 8}) {
            for (const int share : {1, 2}) {
              for (const int ring : {48, 96, 208}) {
                for (const int sets : {1, 2}) {
                  for (const int shared : {kSharedOfCta, kSharedOfAmpereCta}) {
                    LinearProblem problem{format, {shape[0], shape[1], shape[2]}, shape[3], cols, tokens, sets, sets == 2, shared};
                    if (!check(problem, {warps, share, ring << 10}) || !check_choice(problem)) return 1;
                    problem.digits = format.scaled;
                    if (!check(problem, {warps, share, ring << 10}) || !check_choice(problem)) return 1;
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  for (const int dims : {64, 128, 256}) {
    for (const int queries : {1, 2, 4, 5, 8, 12}) {
      for (const int kv_heads : {1, 2, 8, 32}) {
        for (const int tokens : kTokenBuckets) {
          for (const int shared : {kSharedOfCta, kSharedOfAmpereCta}) {
            if (!check_attention(dims, queries, kv_heads, tokens, shared)) return 1;
          }
        }
      }
    }
  }
  std::printf("%d plans\n", seen);
  for (const int shared : {kSharedOfCta, kSharedOfAmpereCta}) {
    std::printf("%d KB: hidden sizes to %d, inner sizes to %d\n", shared >> 10, largest(shared, true), largest(shared, false));
  }
  return 0;
}
