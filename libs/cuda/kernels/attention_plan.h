// How attention of decoding shares its work out, and what a CTA of it keeps in shared memory. Plain C++, for the host too.
//
// A sequence's positions are cut into splits of 128, two pages, of which each warp of a CTA takes a block of 16. All of it follows
// from a sequence's own length, so its bits do too.
#pragma once
#include "layout.h"

namespace esparse {

constexpr int kPagePositions = 64, kKeyBlock = 16;
constexpr int kAttentionWarps = 8, kAttentionThreads = kAttentionWarps * kLanes;
// CTAs of an SM, by what a warp has in registers: of heads of 256 channels twice as much.
ESPARSE_BOTH constexpr int attention_share(int dims) { return dims <= 128 ? 2 : 1; }
constexpr int kSplitPositions = kAttentionWarps * kKeyBlock, kSplitPages = kSplitPositions / kPagePositions;
// Query heads of a CTA, the columns of an mma: more of them that share a key head are several CTAs'.
constexpr int kQueriesAtOnce = 8;

// Warps, and splits, that are added up at once.
constexpr int kMergedAtOnce = 4;

template <int kDims>
struct AttentionShared {
  // The query heads as hi and lo parts; rows so long that those of two queries stand in different banks.
  alignas(16) std::uint16_t queries[2][kQueriesAtOnce][kDims + 32];
  alignas(16) std::uint16_t key[kDims], value[kDims];  // of the new position
  alignas(16) std::uint64_t weights[kQueriesAtOnce][kAttentionWarps];  // float2: the greatest score and the sum of a warp's
  bool last;  // of the head's CTAs to end
};

// What each warp gives: [warps][queries][dims + 8], behind AttentionShared.
ESPARSE_BOTH constexpr int output_stride(int dims) { return dims + 8; }

ESPARSE_BOTH constexpr int attention_splits(int pages) { return (pages + kSplitPages - 1) / kSplitPages; }
// CTAs that share a head's splits: as many as an SM holds, as far as there are splits. `heads`: of key heads, query groups and tokens.
inline int attention_ctas(int dims, int pages, int heads, int sms) {
  const int splits = attention_splits(pages), most = attention_share(dims) * sms / heads;
  return most < 1 ? 1 : most < splits ? most : splits;
}
ESPARSE_BOTH constexpr int query_groups(int queries) { return (queries + kQueriesAtOnce - 1) / kQueriesAtOnce; }

// Whether the linear o adds a token's splits up, each CTA for itself: where that is little to read, it is sooner done than by the
// CTA of attention that ends last. `outputs`: of all heads.
inline bool adds_splits_late(int outputs, int pages, int tokens) {
  constexpr int kMostBytes = 32 << 10;
  return tokens == 1 && outputs * attention_splits(pages) * 4 <= kMostBytes;
}

// Bytes of shared memory of a CTA, where `queries` query heads share a key head.
inline int attention_shared(int dims, int queries) {
  const int fixed = static_cast<int>(dims == 64    ? sizeof(AttentionShared<64>)
                                     : dims == 128 ? sizeof(AttentionShared<128>)
                                                   : sizeof(AttentionShared<256>));
  return fixed + kAttentionWarps * (queries < kQueriesAtOnce ? queries : kQueriesAtOnce) * output_stride(dims) * 4;
}

}  // namespace esparse
