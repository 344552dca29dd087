// Attention of a chunk where there is no wgmma, as `attention_prefill.cuh` has it: by the products of a warp, which every GPU
// since sm_80 has. A query's bits depend on its own position only.
#pragma once
#include "copies.cuh"
#include "prefill_append.cuh"
#include "prefill_softmax.cuh"

namespace esparse {

// Keys, then values, of a page in shared memory: rows of dims, whose chunks of 16 bytes stand as `chunk_place` says.
template <int kDims>
struct PageRing {
  static constexpr int kRow = kDims * 2, kHalf = kPagePositions * kRow, kStage = 2 * kHalf;
};

// Asks for a thread's part of a page: its keys, and the values of positions up to the last one. Those behind it are anything:
// zeros instead, so that a weight of zero takes nothing of them.
template <int kDims>
__device__ __forceinline__ void request_page(const PrefillAttention& args, const std::int32_t* pages, int page, int kv_head,
                                             int last_position, std::uint32_t to) {
  using Ring = PageRing<kDims>;
  constexpr int kChunks = Ring::kRow / 16, kRowStep = kMmaThreads / kChunks;
  const int chunk = threadIdx.x % kChunks, first = static_cast<int>(threadIdx.x) / kChunks;
  const std::size_t at = cache_row(args, pages, page * kPagePositions, kv_head, kDims) + chunk * 8;
#pragma unroll
  for (int row = 0; row < kPagePositions; row += kRowStep) {
    const std::size_t from = at + static_cast<std::size_t>(first + row) * kDims;
    const std::uint32_t place = to + chunk_place<Ring::kRow>(first + row, chunk);
    copy_ahead(place, args.keys + from);
    copy_or_clear(place + Ring::kHalf, args.values + from, page * kPagePositions + first + row <= last_position);
  }
}

// Grid (tiles x kMmaChunkParts, heads). A warp has 16 queries, whose products it makes page after page.
template <int kDims>
__global__ void __launch_bounds__(kMmaThreads, kMmaCtas) attend_chunk_mma(const __grid_constant__ PrefillAttention args) {
  using Ring = PageRing<kDims>;
  constexpr int kAhead = kMmaPages - 1;
  extern __shared__ __align__(128) std::uint8_t attention_memory[];
  const std::uint32_t stages = shared_address(attention_memory);
  QueryTile tile = args.tiles[blockIdx.x / kMmaChunkParts];
  const int before = blockIdx.x % kMmaChunkParts * kMmaQueries;
  if (before >= tile.rows) return;
  tile = {tile.first_row + before, min(tile.rows - before, kMmaQueries), tile.first_position + before, tile.first_page};
  const int head = blockIdx.y, kv_head = head / (args.heads / args.kv_heads);
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const std::int32_t* const pages = args.pages + tile.first_page;
  const int last_position = tile.first_position + tile.rows - 1, last_page = last_position / kPagePositions;
  // Pages before the window of the tile's first query are left out.
  const int first_page = args.window > 0 ? max(0, tile.first_position + 1 - args.window) / kPagePositions : 0;

  const int first_query = warp * 16, own_first = tile.first_position + first_query;
  Words4 queries[kDims / 16];
  load_queries<kDims>(queries, args, tile, first_query, head);
  OnlineSoftmax softmax{args.scale * 1.4426950408889634f};
  float outputs[kDims / 2] = {}, scores[kPagePositions / 2];
  Words4 weights[kPagePositions / 16];

  const auto stage_of = [&](int page) { return stages + (page - first_page) % kMmaPages * Ring::kStage; };
  const auto request = [&](int page) {
    if (page <= last_page) request_page<kDims>(args, pages, page, kv_head, last_position, stage_of(page));
    copies_commit();
  };
  for (int i = 0; i < kAhead; i++) request(first_page + i);
#pragma unroll 1
  for (int page = first_page; page <= last_page; page++) {
    copies_wait<kAhead - 1>();
    __syncthreads();
    request(page + kAhead);
    // A page behind all of the warp's queries, or before their windows, changes nothing.
    const int first_key = page * kPagePositions;
    if (first_key > own_first + 15 || (args.window > 0 && first_key + kPagePositions <= own_first + 1 - args.window)) continue;
    const std::uint32_t keys = stage_of(page), values = keys + Ring::kHalf;
#pragma unroll
    for (int i = 0; i < kPagePositions / 2; i++) scores[i] = 0;
#pragma unroll
    for (int step = 0; step < kDims / 32; step++) {
#pragma unroll
      for (int eight = 0; eight < kPagePositions / 8; eight++) {
        const Words4 of = load_matrices(keys + chunk_place<Ring::kRow>(eight * 8 + lane % 8, step * 4 + lane / 8));
        auto& four = reinterpret_cast<float(&)[4]>(scores[4 * eight]);
        multiply_dense(four, queries[2 * step], of.word[0], of.word[1]);
        multiply_dense(four, queries[2 * step + 1], of.word[2], of.word[3]);
      }
    }
    mask_scores<kPagePositions>(scores, args, own_first, first_key);
    softmax.settle<kPagePositions>(scores);
    pack_weights<kPagePositions>(weights, scores);
#pragma unroll
    for (int i = 0; i < kDims / 2; i++) outputs[i] *= softmax.kept[i / 2 % 2];
#pragma unroll
    for (int step = 0; step < kPagePositions / 16; step++) {
#pragma unroll
      for (int sixteen = 0; sixteen < kDims / 16; sixteen++) {
        const int row = step * 16 + lane / 8 % 2 * 8 + lane % 8;
        const Words4 of = load_turned_matrices(values + chunk_place<Ring::kRow>(row, sixteen * 2 + lane / 16));
        auto& low = reinterpret_cast<float(&)[4]>(outputs[8 * sixteen]);
        auto& high = reinterpret_cast<float(&)[4]>(outputs[8 * sixteen + 4]);
        multiply_dense(low, weights[step], of.word[0], of.word[1]);
        multiply_dense(high, weights[step], of.word[2], of.word[3]);
      }
    }
  }
  store_outputs<kDims>(args, tile, first_query, head, outputs, softmax);
}

// The kernel for heads of `dims`; null where there is none.
inline PrefillAttentionKernel mma_attention_kernel(int dims) {
  return dims == 64 ? attend_chunk_mma<64> : dims == 128 ? attend_chunk_mma<128> : nullptr;
}

}  // namespace esparse
