// How the decode linears of 32 and 64 tokens (`linear_wide.cuh`, `linear_widest.cuh`) share their work out, as `linear_plan.h`
// says it of those of fewer.
#pragma once
#include "linear_plan.h"

namespace esparse {

// Tokens of a CTA of `linear_wide`, and how many CTAs share those of a step. Of the memory before Hopper, blocks of 64 tokens
// would leave no room to bring one while another is multiplied; of integers two CTAs on an SM are faster than one of all tokens.
inline int wide_tokens(const LinearProblem& problem) {
  constexpr int kFewTokens = 32;
  const bool few = problem.shared < kSharedOfCta || problem.format.scaled;
  return std::min(problem.tokens, few ? kFewTokens : kMostTokens);
}
constexpr int kStageBarriers = 2;  // of a stage of activations: it is full, it is empty
inline int wide_groups(const LinearProblem& problem) { return problem.tokens / wide_tokens(problem); }

// With so many CTAs on an SM.
inline LinearPlan plan_wide_with(const LinearProblem& problem, int sms, int share) {
  const Format& format = problem.format;
  LinearPlan plan{};
  plan.planes = kSlices;
  share_panels(plan, problem, kLinearWarps, std::max(1, sms * share / (plan.planes * wide_groups(problem))));
  const int blocks = problem.cols / format.inputs, slice = slice_first(1, blocks);  // the longest is the first
  const int x = problem.given_bytes(format.inputs, wide_tokens(problem)) + kStageBarriers * 8;
  const int weights = kLinearWarps * (kPanelTiles * format.tile_bytes + 8);
  constexpr int kLeastDepth = 2, kDepth = 3, kMost = 32;  // of the rings of weights
  const int room = (problem.shared + 1024) / share - 1024 - 512;
  plan.resident = slice * x + kLeastDepth * weights <= room;
  plan.stages = plan.resident ? std::max(slice, 1) : (room - std::min(kDepth, plan.rounds * slice) * weights) / x;
  // CTAs beside each other ask for less at once.
  plan.depth = std::max(1, std::min({(room - plan.stages * x) / weights, plan.rounds * slice, share > 1 ? kDepth : kMost}));
  plan.barriers = kLinearWarps * plan.depth * kPanelTiles * format.tile_bytes;
  plan.activations = aligned_shared(plan.barriers + (kLinearWarps * plan.depth + kStageBarriers * plan.stages) * 8);
  plan.shared = plan.activations + plan.stages * (x - kStageBarriers * 8);
  return plan;
}

inline LinearPlan plan_wide(LinearProblem problem, int sms) {
  problem.digits = problem.format.scaled;  // given, or made before it by a kernel
  if (problem.cols % problem.format.inputs != 0) throw std::invalid_argument("the inputs of a linear must be whole blocks");
  constexpr int kLeastStages = 4;  // of CTAs beside each other: fewer bring too little before it is needed
  if (wide_tokens(problem) < kMostTokens && problem.format.ctas > 1 && problem.shared >= kSharedOfCta) {
    const LinearPlan plan = plan_wide_with(problem, sms, problem.format.ctas);
    const bool many = plan.ctas * plan.planes * wide_groups(problem) > sms;
    if (many && (plan.resident || plan.stages >= kLeastStages)) return plan;
  }
  return plan_wide_with(problem, sms, 1);
}

// Sums of a CTA that wait for others, at most: of three levels of the tree.
constexpr int kMostPending = 3 * kWidestRows * 2 * kPanelRows * kMostTokens;
inline std::size_t pending_floats(int sms) { return static_cast<std::size_t>(sms) * kMostPending; }

// Panels of a warp, and slices that a CTA adds up.
struct WidestTuning {
  int panels = 2, slices = 1;
  bool resident = true;
  int ahead = -1;    // blocks that are asked for before the kernel before is done; below 0: all that there is room for
};

inline LinearPlan plan_widest_with(const LinearProblem& problem, const WidestTuning& tuning, int sms) {
  constexpr int kBarriers = 2 * 8;  // of a slot, and of a stage: it is full, it is empty
  const Format& format = problem.format;
  LinearPlan plan{};
  plan.planes = kSlices / tuning.slices;
  plan.panels = tuning.panels;
  // So many panels at once that the CTA with the most has as few as can be.
  for (int panels = kWidestRows * tuning.panels, least = 0; panels > (tuning.panels - 1) * kWidestRows; panels--) {
    LinearPlan shared = plan;
    shared.cta_panels = panels;
    share_panels(shared, problem, panels, std::max(1, sms / plan.planes));
    if (least == 0 || shared.rounds * panels < least) {
      least = shared.rounds * panels;
      plan = shared;
    }
    if (tuning.panels == 1) break;
  }
  const int blocks = problem.cols / format.inputs, longest = slice_first(tuning.slices, blocks), all = plan.rounds * longest;
  const int parts = format.inputs / kRowInputs;  // stages of a block
  const int x = static_cast<int>(activation_bytes(kRowInputs, problem.tokens)) + kBarriers;
  const int slot = tuning.panels * kPanelTiles * format.tile_bytes + kBarriers;
  const int room = problem.shared - 2 * kRowsAlignment;
  plan.resident = tuning.resident && plan.rounds > 1 && longest * parts * x + 2 * kWidestRows * slot <= room;
  // As many blocks of either.
  plan.stages = plan.resident ? longest * parts : std::max(parts, std::min(room * parts / (parts * x + kWidestRows * slot), all * parts));
  // Each row has slots of its own: of two warps that filled one by turns, the one behind could take a phase for the next but one.
  plan.depth = std::min((room - plan.stages * x) / slot / kWidestRows, all) * kWidestRows;
  if (plan.depth < kWidestRows) throw std::invalid_argument("a linear of many tokens has no room for its rings");
  plan.ahead = tuning.ahead < 0 ? plan.depth : std::min(plan.depth, tuning.ahead * kWidestRows);
  const int slots = plan.depth * (slot - kBarriers);
  plan.activations = (slots + kRowsAlignment - 1) / kRowsAlignment * kRowsAlignment;
  plan.barriers = plan.activations + plan.stages * (x - kBarriers);
  plan.shared = plan.barriers + (plan.depth + plan.stages) * kBarriers + kRowsAlignment;
  return plan;
}

// Bytes that go through the SM with the most of them: weights, activations, which come once more in each round where they do not stay,
// and planes. These count three times: what reads them waits for all of them, and those of many rows do not stay in the L2 until then.
inline double widest_bytes(const LinearProblem& problem, const LinearPlan& plan, int sms) {
  constexpr double kPlaneBytes = 3 * (4 + 4);  // of a sum, written and read
  const double slices = 1.0 / plan.planes, cols = problem.cols;
  const double panel = cols / problem.format.inputs * kPanelTiles * problem.format.tile_bytes;
  const double activations = cols * problem.tokens * kColumnsPerToken * 2, sums = panels_of(problem) * kPanelRows * problem.tokens;
  return slices * (plan.rounds * plan.cta_panels * panel + (plan.resident ? 1 : plan.rounds) * activations) +
         plan.planes * sums * kPlaneBytes / sms;
}

// The way to share it out with the fewest of these; where planes would be as much as the weights, CTAs sum whole rows.
inline LinearPlan plan_widest(const LinearProblem& problem, int sms) {
  if (problem.cols % problem.format.inputs != 0) throw std::invalid_argument("the inputs of a linear must be whole blocks");
  LinearPlan best{};
  double least = INFINITY;
  for (const int panels : {1, 2}) {
    for (int slices = linear_is_wide(problem) ? 1 : kSlices; slices <= kSlices; slices *= 2) {
      const LinearPlan plan = plan_widest_with(problem, {panels, slices}, sms);
      const double bytes = widest_bytes(problem, plan, sms);
      if (bytes < least) least = bytes, best = plan;
    }
  }
  return best;
}

}  // namespace esparse
