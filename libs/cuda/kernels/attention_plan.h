// How attention of decoding shares its work out, and what a CTA of it keeps in shared memory. Plain C++, for the host too.
//
// A sequence's positions are cut into splits of 128, two pages, of which each warp of a CTA takes a block of 16. All of it follows
// from a sequence's own length, so its bits do too.
#pragma once
#include "linear_plan.h"

namespace esparse {

constexpr int kPagePositions = 64, kKeyBlock = 16;
constexpr int kAttentionWarps = 8, kAttentionThreads = kAttentionWarps * kLanes;
// CTAs of an SM, by what a warp has in registers, of heads of 256 channels twice as much; or by shared memory, where several
// blocks of keys and values of each warp are there.
ESPARSE_BOTH constexpr int attention_share(int dims, int slots) { return dims <= 128 && slots <= 1 ? 2 : 1; }
constexpr int kSplitPositions = kAttentionWarps * kKeyBlock, kSplitPages = kSplitPositions / kPagePositions;
// Query heads of a CTA, the columns of an mma: more of them that share a key head are several CTAs'.
constexpr int kQueriesAtOnce = 8;

// Warps, and splits, that are added up at once.
constexpr int kMergedAtOnce = 4;
// Blocks of keys and values that a warp may have on their way.
constexpr int kMostSlots = 2;

// What is made of a sequence's new position.
template <int kDims>
struct NewHead {
  // The query heads as hi and lo parts; rows so long that those of two queries stand in different banks.
  alignas(16) std::uint16_t queries[2][kQueriesAtOnce][kDims + 32];
  alignas(16) std::uint16_t key[kDims], value[kDims];
};
template <int kDims>
struct AttentionShared {
  NewHead<kDims> head;
  alignas(16) std::uint64_t weights[kQueriesAtOnce][kAttentionWarps];  // of `WarpResults`
  alignas(16) std::uint64_t barriers[kAttentionWarps * kMostSlots];     // of blocks of keys and values
  bool last;  // of the head's CTAs to end
};

// A slot for a block of keys and values, fours of the values apart: lanes that read of four of them read different banks.
constexpr int kFourApart = 32;
ESPARSE_BOTH constexpr int slot_bytes(int dims) { return 2 * kKeyBlock * dims * 2 + 4 * kFourApart; }

// What each warp gives: [warps][queries][dims + 8], behind AttentionShared and slots.
ESPARSE_BOTH constexpr int output_stride(int dims) { return dims + 8; }

// Of `attend_heads`: half of the warps attend; the other half makes heads ready for them, and adds up what they leave of splits. Of
// each, one is under way while another is waited for.
constexpr int kWalkThreads = 2 * kAttentionThreads, kWalkTurns = 2;
// Blocks of keys and values that a warp has on their way: the same bytes for heads of 64 and 128 channels.
ESPARSE_BOTH constexpr int walk_slots(int dims) { return 256 / dims; }
template <int kDims>
struct WalkShared {
  NewHead<kDims> heads[kWalkTurns];
  alignas(16) std::uint64_t weights[kWalkTurns][kQueriesAtOnce][kAttentionWarps];  // of `WarpResults`
  alignas(16) std::uint64_t blocks[kAttentionWarps * walk_slots(kDims)];           // barriers,
  std::uint64_t made[kWalkTurns], attended[kWalkTurns];                            // of a head, and
  std::uint64_t left[kWalkTurns], added[kWalkTurns];                               // of what warps leave of a split
};

ESPARSE_BOTH constexpr int attention_splits(int pages) { return (pages + kSplitPages - 1) / kSplitPages; }
ESPARSE_BOTH constexpr int query_groups(int queries) { return (queries + kQueriesAtOnce - 1) / kQueriesAtOnce; }

// Whether the linear o adds a token's splits up, each CTA for itself: where that is little to read, it is sooner done than by the
// CTA of attention that ends last. `outputs`: of all heads; the more there are, the more CTAs has o that read all of them: with 4096
// outputs a step is slower by a tenth to a third, however few positions there are.
inline bool adds_splits_late(int outputs, int pages, int tokens) {
  constexpr int kFewOutputs = 2048, kMostBytes = 64 << 10;
  return tokens == 1 && outputs <= kFewOutputs && outputs * attention_splits(pages) * 4 <= kMostBytes;
}

// Bytes of shared memory of a CTA, where `queries` query heads share a key head.
inline int warp_output_bytes(int dims, int queries) {
  return (queries < kQueriesAtOnce ? queries : kQueriesAtOnce) * output_stride(dims) * 4;
}
inline int attention_shared(int dims, int queries, int slots) {
  const int fixed = static_cast<int>(dims == 64    ? sizeof(AttentionShared<64>)
                                     : dims == 128 ? sizeof(AttentionShared<128>)
                                                   : sizeof(AttentionShared<256>));
  return fixed + kAttentionWarps * (slots * slot_bytes(dims) + warp_output_bytes(dims, queries));
}
inline int walk_shared(int dims, int queries) {
  const int fixed = static_cast<int>(dims == 64 ? sizeof(WalkShared<64>) : sizeof(WalkShared<128>));
  return fixed + kAttentionWarps * (walk_slots(dims) * slot_bytes(dims) + kWalkTurns * warp_output_bytes(dims, queries));
}

struct AttentionProblem {
  int dims, queries;  // that share a key head
  int heads;          // of all sequences: key heads, as often as there are groups of queries
  int pages, tokens;
  int sms, shared = kSharedOfCta;  // bytes that a CTA may have
};
struct AttentionPlan {
  int slots;   // of each warp, in shared memory; 0: its block is in registers
  bool walks;  // CTAs take one head after the other
  int ctas;    // of all heads, where they do; else those that share a head's splits: as many as an SM holds, as far as there are splits
  int shared;
};

// Whether CTAs walk from head to head, each of which has an SM to itself: where there are about as many heads as SMs, or more.
inline bool attention_walks(const AttentionProblem& of) {
  return of.dims <= 128 && of.heads * 10 > of.sms * 9 && of.tokens > 1 && of.shared >= kSharedOfCta;
}

// Where keys and values go. Through shared memory they are asked for earlier; a CTA with two blocks of each warp has an SM to itself.
// What was fastest in the shapes that were measured: heads of 128 channels, several sequences (`docs/decisions/cuda.md`).
inline int attention_slots(const AttentionProblem& of) {
  if (of.dims != 128 || of.tokens == 1 || of.shared < kSharedOfCta) return 0;
  return kMostSlots;
}

inline AttentionPlan plan_attention(const AttentionProblem& of) {
  if (attention_walks(of)) return {walk_slots(of.dims), true, std::min(of.sms, of.heads), walk_shared(of.dims, of.queries)};
  const int slots = attention_slots(of), most = attention_share(of.dims, slots) * of.sms / of.heads, splits = attention_splits(of.pages);
  return {slots, false, most < 1 ? 1 : most < splits ? most : splits, attention_shared(of.dims, of.queries, slots)};
}

}  // namespace esparse
