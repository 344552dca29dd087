// How the decode linear (`linear.cuh`) shares its work out: a pure function of shapes, so that it can be tested without
// a GPU. Nothing here changes a sum: bits do not depend on it. Those of 32 and 64 tokens: `linear_wide_plan.h`.
#pragma once
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "layout.h"

namespace esparse {

constexpr int kLinearWarps = 8, kLinearThreads = kLinearWarps * kLanes;
constexpr int kMaxSegments = 3;
// Of `linear_widest`: its warps that multiply share so many panels, or twice as many, two a panel; as many warps copy, and give
// registers to the others.
constexpr int kWidestRows = 4, kWidestThreads = kLinearThreads + kWidestRows * kLanes;
// What a CTA can have of an SM's memory, of which each CTA loses one KB: since Hopper, and before (A100).
constexpr int kSharedOfCta = 227 * 1024, kSharedOfAmpereCta = 163 * 1024;

struct Format {
  int inputs;      // of a block
  int tile_bytes;  // of a block of one tile
  bool shuffled;   // its inputs stand in an order of its own
  bool scaled;     // integers,
  int bits = 0;    // of so many bits
  int ctas = 1;    // of 16 tokens, a warp a panel, and of 32, that an SM's registers have room for
};

// Sequences of a step, the rest are filled up. The kernel exists for up to 16; more are groups of 16, which read the same
// weights at about the same time.
constexpr int kTokenBuckets[] = {1, 2, 4, 8, 16, 32, 64};
constexpr int kMostTokens = 64;
// The smallest of them for so many sequences; 0: there is none. Eight tokens of an 8B model leave no room for a ring in the memory
// before Hopper: there they are 16; and two are four, which read as much, for a smaller image.
inline int token_bucket(int rows, int shared) {
  for (const int bucket : kTokenBuckets) {
    if (rows <= bucket && ((bucket != 8 && bucket != 2) || shared >= kSharedOfCta)) return bucket;
  }
  return 0;
}
constexpr Format kSparseFormat{kSparseInputs, kSparseTileBytes, true, false},
    kDenseFormat{kDenseInputs, kDenseTileBytes, false, false};
// Blocks that a warp of `linear` asks for at once, at most: those of integers are small.
constexpr int most_stage_blocks(const Format& format) { return format.scaled ? 2 : 1; }
constexpr int kernel_tokens(int tokens) { return tokens < kGroupTokens ? tokens : kGroupTokens; }
constexpr int token_groups(int tokens) { return (tokens + kGroupTokens - 1) / kGroupTokens; }

// The warps of a CTA that share a panel, each with a slice of the inputs; its other warps take panels of their own.
// The more warps, the fewer planes of outputs, and the more activations each CTA needs: 4 B x tokens x inputs / planes.
constexpr bool linear_exists(int tokens, int warps) {
  return warps == kSlices ? tokens <= 8 : tokens * warps >= 16 && tokens * warps <= 64;
}
constexpr int linear_planes(int warps) { return kSlices / warps; }
// Warps that every linear can have.
constexpr int plain_warps(int tokens) { return tokens <= 2 ? kSlices : 16 / kernel_tokens(tokens); }
// Up to so many tokens a linear norms its activations by itself; beyond, that is a kernel's work.
constexpr int kNormedTokens = 1;

struct LinearProblem {
  Format format;
  int panels[kMaxSegments];
  int segments;
  int cols, tokens;
  int sets = 1;         // of activations that a CTA needs: 2 where the tiles of a panel have inputs of their own
  bool normed = false;  // a row of f32 besides, to norm,
  int shared = kSharedOfCta;  // bytes that a CTA may have
  int merged = 0;  // or the outputs of attention that it adds up, heads filled up
  bool hopper = false;  // it has what is Hopper's alone
  bool late_splits = false;  // of a step in which o adds up what attention gives (`adds_splits_late`)
  bool digits = false;  // its activations are given as digits

  // Bytes of so many inputs' activations, as they are given.
  int given_bytes(int inputs, int tokens) const {
    return digits ? digit_bytes(inputs, tokens) : static_cast<int>(activation_bytes(inputs, tokens));
  }
};

struct LinearTuning {
  int warps;       // that share a panel
  int share;       // CTAs that stand on an SM at once
  int ring_bytes;  // of all rings of a CTA, at most
  int ahead_bytes = -1;  // what a CTA asks for before its activations; below 0: what `ask_ahead` chooses
  bool releases_late = false;  // the next kernel begins when the activations are there, not when all weights are asked for
  bool paced = true;  // no more of `ahead_bytes` at once than keeps the memory busy
};

struct LinearPlan {
  int planes;
  int rounds;                   // panels that a group of warps takes one after the other, the same for all CTAs
  int first_cta[kMaxSegments];  // of each segment
  int ctas;                     // in each plane
  int depth;                    // stages of each warp's ring, and of those,
  int ahead, pace;              // how many it asks for before its activations, no more than `pace` at once
  bool releases_late;           // as the tuning says
  int stage_blocks;             // in a stage of `linear`, at most
  // Shared memory, in bytes from its beginning: rings, barriers, sets of activations, partial sums, the row to norm
  // and its squares.
  int barriers, activations, set_bytes, partials, row, shared;
  // Of `linear_wide`: stages of the ring of activations, or all blocks of the longest slice, which stay.
  int stages;
  bool resident;
  int panels, cta_panels;  // of a warp of `linear_widest`, at most, and of a CTA of it at once
};

// Panels of all segments.
inline int panels_of(const LinearProblem& problem) {
  int panels = 0;
  for (int s = 0; s < problem.segments; s++) panels += problem.panels[s];
  return panels;
}

// Whether a linear of 32 and 64 tokens takes activations and sums in one CTA (`linear_wide.cuh`): its eight planes of outputs
// are read at once by what follows, but those of a large head would be as much as its weights.
inline bool linear_is_wide(const LinearProblem& problem) {
  constexpr int kMostPanels = 2000;
  return problem.tokens > kGroupTokens && panels_of(problem) <= kMostPanels;
}

// Gate and up in orders of their own, in bf16, since Hopper: as one linear, or, where a CTA does not sum whole rows, as two.
inline bool is_pair(const LinearProblem& problem) {
  return problem.shared >= kSharedOfCta && !problem.format.scaled && (problem.sets == 2 || problem.segments == 2);
}
// Whether the weights of a linear are so few that what stands beside its CTAs weighs more than how fast they are read.
inline bool is_small(const LinearProblem& problem) {
  constexpr int kFewKilobytes = 64 << 10;
  return panels_of(problem) * (problem.cols / problem.format.inputs * kPanelTiles * problem.format.tile_bytes / 1024) <= kFewKilobytes;
}

// Whether a large linear in bf16 has more inputs than outputs, as down has.
inline bool is_long(const LinearProblem& problem) {
  return problem.segments == 1 && !problem.format.scaled && problem.cols > problem.panels[0] * kPanelRows && !is_small(problem);
}

// Rings, what is asked for ahead, and when the next kernel begins, of one token: what a search over these found, two neighbouring
// linears at once. A kernel that begins early takes memory, and room on an SM, from the one that still runs.
inline void tune_for_one(const LinearProblem& problem, LinearTuning& tuning) {
  constexpr int kSmall = 76 << 10, kMedium = 112 << 10, kLarge = 150 << 10, kStage = 40 << 10;
  const bool heads = problem.segments == kMaxSegments;  // q, k and v
  const bool down = !problem.normed && problem.cols > problem.panels[0] * kPanelRows;
  if (problem.format.bits == 8) return;
  if (problem.format.bits == 4) {
    // The sooner q, k and v are asked for, the sooner attention begins; it is done before o may be.
    if (!heads) tuning.ring_bytes = problem.late_splits ? kSmall : kMedium;
    if (problem.late_splits ? down : heads || !(problem.normed || down)) tuning.ahead_bytes = kStage;
    tuning.releases_late = !problem.normed && !down;
  } else if (problem.late_splits && !problem.merged && is_small(problem)) {
    tuning.ring_bytes = problem.normed ? kMedium : problem.format.shuffled ? kLarge : kSmall;
    if (problem.normed && !heads) tuning.ahead_bytes = 2 * kStage;
    if (down && !problem.format.shuffled) tuning.ahead_bytes = kStage;
  } else if (heads && !is_small(problem)) {
    tuning.ring_bytes = kMedium;
    tuning.releases_late = true;
  }
}

// Whether a linear of so many tokens is computed by warpgroups (`linear_widest.cuh`), and has its activations as rows: of bf16, on
// Hopper.
constexpr bool takes_rows(const Format& format, int tokens, bool hopper) { return hopper && tokens > kGroupTokens && !format.scaled; }
inline bool linear_is_widest(const LinearProblem& problem) { return takes_rows(problem.format, problem.tokens, problem.hopper); }

// What was fastest, or near it, in the shapes that were measured (`docs/decisions/cuda.md`): as many warps a panel as leave
// room for the rings beside their activations, and fewer planes for the reader to add up.
inline LinearTuning chosen_tuning(const LinearProblem& problem) {
  constexpr int kRingBytes = 192 << 10, kRingOfPairs = 76 << 10, kManyPanels = 1000;  // of a head
  constexpr int kLeastRoom = 99 << 10;  // for all but the activations
  constexpr int kManyOfIntegers = 256;  // of gate and up: a plane less is worth more than room for a ring of few bytes
  const bool scaled = problem.format.scaled;
  const int tokens = kernel_tokens(problem.tokens), panels = panels_of(problem);
  const bool much = tokens <= 8 || panels >= (scaled ? kManyOfIntegers : kManyPanels);
  const int most = std::min(much ? 128 << 10 : 64 << 10, problem.shared - kLeastRoom);
  // Of integers half of the activations are worth more than planes that are whole, from four tokens on; not where four tokens have
  // panels for each SM, but not for several of them.
  constexpr int kFewPanels = 128;
  const bool whole = tokens == 4 && panels >= kFewPanels && panels < kManyOfIntegers && problem.sets == 1;
  int warps = scaled && tokens >= 4 && !whole ? kSlices / 2 : kSlices;
  const auto activations = [&] { return activation_bytes(problem.cols / kSlices * warps, tokens) * problem.sets; };
  if (tokens > kNormedTokens) {
    while (warps > plain_warps(tokens) &&
           (!linear_exists(tokens, warps) || activations() > static_cast<std::size_t>(most))) {
      warps /= 2;
    }
  }
  LinearTuning tuning{warps, 1, kRingBytes};
  if (problem.tokens == 1) tune_for_one(problem, tuning);
  if (is_pair(problem) && problem.tokens == kGroupTokens) tuning.ring_bytes = kRingOfPairs;
  return tuning;
}

// Whether gate and up, which share their panels, are computed as two linears over the tiles where they lie: a CTA that computes
// both needs the activations of each, where they are shuffled. That pays where it sums whole rows, and activates them.
inline bool pair_is_apart(const Format& format, int tiles, int cols, int tokens, int shared = kSharedOfCta) {
  const LinearProblem pair{format, {tiles}, 1, cols, tokens, format.shuffled ? 2 : 1, false, shared};
  return tokens > kGroupTokens || (format.shuffled && chosen_tuning(pair).warps < kSlices);
}

// CTAs with as many rounds as the longest-working one must have, and no more of them than that takes: memory, not the SMs,
// is the limit, and equal work ends at one time. `groups` of warps that each take a panel; `places` for CTAs.
inline void share_panels(LinearPlan& plan, const LinearProblem& problem, int groups, int places) {
  int total = 0;
  for (int s = 0; s < problem.segments; s++) total += (problem.panels[s] + groups - 1) / groups;
  for (plan.rounds = (total + places - 1) / places;; plan.rounds++) {
    plan.ctas = 0;
    for (int s = 0; s < problem.segments; s++) {
      plan.first_cta[s] = plan.ctas;
      plan.ctas += (problem.panels[s] + groups * plan.rounds - 1) / (groups * plan.rounds);
    }
    if (plan.ctas <= places || plan.rounds >= total) break;
  }
}

// How much of its weights a CTA asks for before its activations. What is asked for then stands in the memory's queue before
// these, and before what kernels that are not done yet read: 184 KB of each SM delayed them by up to 6 us. So it is as little at
// once as keeps the memory busy; and nothing where a linear norms and is so large that its CTAs begin when the kernel before
// is done; nor where kernels do not begin before that (before Hopper). Where o adds splits up, as much as all CTAs together take,
// and less before that. Integers, whose weights are soon there, ask for nothing where they are of 4 bits or few, else for a
// stage or two: what was fastest.
inline void ask_ahead(LinearPlan& plan, const LinearProblem& problem, const LinearTuning& tuning, int stage_bytes, int stages,
                      int sms) {
  constexpr int kPaceBytes = 40 << 10, kManyStages = 16, kFewStages = 4, kEight = 8;
  const auto stages_of = [&](int bytes) { return std::max(1, (bytes + stage_bytes / 2) / stage_bytes); };
  const bool late = problem.shared < kSharedOfCta || (problem.normed && stages > kManyStages), few = stages < kFewStages;
  const bool one = problem.tokens == 1, makes = problem.normed || problem.merged;
  const bool late_splits = problem.late_splits && !problem.format.scaled;
  plan.pace = stages_of(late_splits ? kPaceBytes * sms / std::min(sms, plan.ctas) : kPaceBytes);
  int ahead = stages_of((makes ? 1 : one && !late_splits ? 3 : 2) * kPaceBytes);
  if (one && problem.format.bits == 8) ahead = few ? 0 : problem.normed && stages == kFewStages ? 1 : 2;
  // Gate and up of few sequences ask for all that there is room for, where that is little; of 16, for less, as down of 4 and 8.
  if (is_pair(problem) && !problem.normed && problem.tokens < kEight && is_small(problem)) ahead = plan.depth;
  if (is_pair(problem) && problem.tokens == kGroupTokens) ahead = 1;
  if (is_long(problem) && (problem.tokens == 4 || problem.tokens == kEight)) ahead = stages_of(kPaceBytes);
  if (problem.format.scaled && (problem.tokens == kGroupTokens || (one && problem.format.bits == 4))) ahead = 0;
  const int bytes = tuning.ahead_bytes;
  if (bytes >= 0) ahead = bytes == 0 ? 0 : stages_of(bytes);
  plan.ahead = late && bytes < 0 ? 0 : std::min(plan.depth, ahead);
  if (!tuning.paced) plan.pace = plan.ahead;
}

constexpr int aligned_shared(int bytes) { return (bytes + 127) / 128 * 128; }

inline LinearPlan plan_linear(const LinearProblem& problem, const LinearTuning& tuning, int sms) {
  const auto& [format, panels, segments, cols, all_tokens, sets, normed, shared, merged, hopper, late_splits, digits] = problem;
  const int tokens = kernel_tokens(all_tokens);
  if (cols % format.inputs != 0) throw std::invalid_argument("the inputs of a linear must be whole blocks");
  if (!linear_exists(tokens, tuning.warps)) throw std::invalid_argument("no such kernel");
  LinearPlan plan{};
  plan.planes = linear_planes(tuning.warps);
  const int warps = tuning.warps, groups = kLinearWarps / warps, blocks = cols / format.inputs;

  share_panels(plan, problem, groups, std::max(1, sms * tuning.share / (plan.planes * token_groups(all_tokens))));

  int slice = 0, plane = 0;  // the longest, in blocks
  for (int s = 0; s < kSlices; s++) slice = std::max(slice, slice_first(s + 1, blocks) - slice_first(s, blocks));
  for (int s = 0; s < kSlices; s += warps) {
    plane = std::max(plane, slice_first(s + warps, blocks) - slice_first(s, blocks));
  }
  plan.set_bytes = aligned_shared(problem.given_bytes(plane * format.inputs, tokens));
  const int partials = warps == 1 ? 0 : 2 * kLinearWarps * kPanelRows * tokens * 4,
            row = normed ? (cols + kMaxNormRuns) * 4 : merged ? std::max(cols, merged) * 4 : 0;
  const int block_bytes = kPanelTiles * format.tile_bytes;
  const auto stage = [&] { return kLinearWarps * (plan.stage_blocks * block_bytes + 8); };  // one of each warp, with its barrier
  const int room = (shared + 1024) / tuning.share - 1024 - sets * plan.set_bytes - partials - row - 512;
  const int ring = std::min(tuning.ring_bytes, room);
  plan.stage_blocks = most_stage_blocks(format);
  if (ring < 2 * stage()) plan.stage_blocks = 1;
  const int stages = plan.rounds * ((slice + plan.stage_blocks - 1) / plan.stage_blocks);
  plan.depth = std::min({ring / stage(), stages, 32});
  if (plan.depth < 1) throw std::invalid_argument("the activations of a linear leave no room for its ring");
  ask_ahead(plan, problem, tuning, stage(), stages, sms);
  plan.releases_late = tuning.releases_late;

  plan.barriers = kLinearWarps * plan.depth * plan.stage_blocks * block_bytes;
  plan.activations = aligned_shared(plan.barriers + (kLinearWarps * plan.depth + 1) * 8);
  plan.partials = plan.activations + sets * plan.set_bytes;
  plan.row = plan.partials + partials;
  plan.shared = plan.row + row;
  return plan;
}

}  // namespace esparse
