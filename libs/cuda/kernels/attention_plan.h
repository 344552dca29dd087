// How attention of decoding shares its work out, and what a CTA of it keeps in shared memory. Plain C++, for the host too.
//
// A sequence's positions are cut into splits of 128, two pages, of which each warp of a CTA takes a block of 16. All of it follows
// from a sequence's own length, so its bits do too.
#pragma once
#include <cstdlib>

#include "layout.h"

namespace esparse {

constexpr int kPagePositions = 64, kKeyBlock = 16;
constexpr int kSplitWarps = 8, kSplitThreads = kSplitWarps * kLanes;
// CTAs of an SM, by what a warp has in registers: of heads of 256 channels twice as much.
ESPARSE_BOTH constexpr int attention_share(int dims) { return dims <= 128 ? 2 : 1; }
constexpr int kSplitPositions = kSplitWarps * kKeyBlock, kSplitPages = kSplitPositions / kPagePositions;
// Query heads of a CTA, the columns of an mma: more of them that share a key head are several CTAs'.
constexpr int kQueriesAtOnce = 8;

// Warps, and splits, that are added up at once.
constexpr int kMergedAtOnce = 4, kMostSplitsAtOnce = 4;

template <int kDims>
struct AttentionShared {
  // The query heads as hi and lo parts; rows so long that those of two queries stand in different banks.
  alignas(16) std::uint16_t queries[2][kQueriesAtOnce][kDims + 32];
  alignas(16) std::uint16_t key[kDims], value[kDims];  // of the new position
  alignas(16) std::uint64_t weights[kMostSplitsAtOnce][kQueriesAtOnce][kSplitWarps];  // float2: the greatest score and the sum of a warp's
  alignas(16) std::uint64_t merged[kMergedAtOnce][kQueriesAtOnce];  // the same of splits that are added up
  alignas(16) std::uint64_t barriers[32];
  bool last;  // of the head's CTAs to end
};

// What each warp gives: [warps][queries][dims + 8], behind AttentionShared.
ESPARSE_BOTH constexpr int output_stride(int dims) { return dims + 8; }

ESPARSE_BOTH constexpr int attention_splits(int pages) { return (pages + kSplitPages - 1) / kSplitPages; }
ESPARSE_BOTH constexpr int query_groups(int queries) { return (queries + kQueriesAtOnce - 1) / kQueriesAtOnce; }

// Whether the linear o adds a token's splits up, each CTA for itself: where that is little to read, it is sooner done than by the
// CTA of attention that ends last. `outputs`: of all heads.
inline bool adds_splits_late(int outputs, int pages, int tokens) {
  const char* const knob_ = std::getenv("EB_MERGE"); const int kMostBytes = (knob_ ? std::atoi(knob_) : 32) << 10;
  return tokens == 1 && outputs * attention_splits(pages) * 4 <= kMostBytes;
}

// How many splits a CTA takes at once, by eight warps each, and the blocks of keys and values of a warp that shared memory has
// room for; none: they are in registers.
struct AttentionVariant {
  int splits, slots;
};
struct AttentionPlan {
  AttentionVariant variant;
  int ctas;  // that share a head's splits
  int threads, shared;
};

ESPARSE_BOTH constexpr int block_bytes(int dims) { return 2 * kKeyBlock * dims * 2; }

// Bytes of shared memory of a CTA, where `queries` query heads share a key head.
inline int attention_shared(int dims, int queries, const AttentionVariant& variant) {
  const int fixed = static_cast<int>(dims == 64    ? sizeof(AttentionShared<64>)
                                     : dims == 128 ? sizeof(AttentionShared<128>)
                                                   : sizeof(AttentionShared<256>));
  const int most = queries < kQueriesAtOnce ? queries : kQueriesAtOnce;
  return fixed + variant.splits * kSplitWarps * (variant.slots * block_bytes(dims) + most * output_stride(dims) * 4) +
         (variant.slots > 0 ? kMergedAtOnce * most * dims * 4 + kSplitThreads * (variant.splits == kMostSplitsAtOnce ? 40 : 8) : 0);
}

// `heads`: of key heads, query groups and tokens.
inline AttentionPlan plan_attention(int dims, int queries, int pages, int heads, int sms) {
  AttentionVariant variant{1, 0};
  const char* const knob = std::getenv(dims == 64 ? "EB_ATT64" : "EB_ATT128");
  if (knob && dims <= 128) variant = {knob[0] - '0', knob[1] - '0'};
  const int share = variant.splits > 1 || variant.slots > 1 ? 1 : attention_share(dims);
  const int units = (attention_splits(pages) + variant.splits - 1) / variant.splits, most = share * sms / heads;
  const int ctas = most < 1 ? 1 : most < units ? most : units;
  return {variant, ctas, variant.splits * kSplitThreads, attention_shared(dims, queries, variant)};
}

}  // namespace esparse
