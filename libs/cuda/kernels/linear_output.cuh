// What a decode linear does with the sums of a panel: adds those of its warps up, and stores them, as planes or
// activated.
#pragma once
#include "activation.cuh"
#include "linear_input.cuh"

namespace esparse {

// Stores an output: row `within` of a panel is a row of the segment, or, of pairs, of gate (the first tile) or up.
template <int kTokens, Output kOutput>
__device__ __forceinline__ void store_sum(const LinearArguments& args, const LinearSegment& segment, int token,
                                          int panel, int within, float sum) {
  constexpr bool kPaired = kOutput != Output::kPlanes;
  const int tile = within / kTileRows;
  const int row = kPaired ? panel * kTileRows + within % kTileRows : panel * kPanelRows + within;
  if (panel >= segment.panels || row >= segment.rows) return;
  const int first_row = kPaired ? tile * segment.rows : segment.first_row;
  const std::size_t at = kTokens == 1 ? 0 : (blockIdx.y * gridDim.z + blockIdx.z) * kTokens + token;
  args.out[at * args.out_rows + first_row + row] = sum;
}

// What is added to the output of a panel that the thread will write.
__device__ __forceinline__ float stream_at(const LinearArguments& args, const LinearSegment& segment, int panel) {
  const int row = panel * kPanelRows + threadIdx.x;
  return args.stream != nullptr && threadIdx.x < kPanelRows && row < segment.rows ? __ldcg(args.stream + row) : 0;
}

// The sums of a round: `panel` is this warp's, `first_panel` that of the CTA's first group. `parts` (shared, of this
// round) has room for all warps' sums; `base`: what is added (`stream_at`).
template <int kTokens, int kWarps, Output kOutput>
__device__ __forceinline__ void finish_round(const LinearArguments& args, const LinearSegment& segment, int panel,
                                             int first_panel, const float (&sums)[kPanelTiles][(kTokens + 3) / 4][4],
                                             float* parts, float base = 0) {
  constexpr int kGroups = kLinearWarps / kWarps, kPanelOutputs = kTokens * kPanelRows;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  // Column 2 token is hi, 2 token + 1 lo: a lane's first and second sum, and its third and fourth eight rows below.
#pragma unroll
  for (int tile = 0; tile < kPanelTiles; tile++) {
#pragma unroll
    for (int eight = 0; eight < (kTokens + 3) / 4; eight++) {
      const int token = eight * 4 + lane % 4;
      if (token >= kTokens) continue;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float sum = sums[tile][eight][2 * half] + sums[tile][eight][2 * half + 1];
        const int within = tile * kTileRows + half * 8 + lane / 4;
        if constexpr (kWarps > 1) {
          parts[(warp * kTokens + token) * kPanelRows + within] = sum;
        } else {
          store_sum<kTokens, kOutput>(args, segment, token, panel, within, sum);
        }
      }
    }
  }
  if constexpr (kWarps > 1) {
    __syncthreads();
    if constexpr (kOutput == Output::kSwiglu) {
      for (int i = threadIdx.x; i < kTokens * kTileRows; i += kLinearThreads) {
        const int token = i / kTileRows, input = panel * kTileRows + i % kTileRows;
        const float* part = parts + token * kPanelRows + i % kTileRows;
        const float gate = tree_sum<kWarps>(part, kPanelOutputs);
        const float up = tree_sum<kWarps>(part + kTileRows, kPanelOutputs);
        if (input < segment.rows) write_activation({args.fragments, token, kTokens}, input, swiglu_of(gate, up));
      }
    } else {
      for (int i = threadIdx.x; i < kGroups * kPanelOutputs; i += kLinearThreads) {
        const int group = i / kPanelOutputs, output = i % kPanelOutputs;
        const float sum = tree_sum<kWarps>(parts + group * kWarps * kPanelOutputs + output, kPanelOutputs);
        store_sum<kTokens, kOutput>(args, segment, output / kPanelRows, first_panel + group, output % kPanelRows,
                                    kTokens == 1 && kOutput == Output::kPlanes ? base + sum : sum);
      }
    }
  }
}

}  // namespace esparse
