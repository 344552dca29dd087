// Attention of prefill on Hopper: launched, checked and timed.
#pragma once
#include "../kernels/attention_prefill.cuh"
#include "bench.cuh"
#include "prefill_case.cuh"
#include "tensor_map.cuh"

namespace harness {

inline void launch_attention(const Launcher& launch, const PrefillCase& chunk, const PromptPiece& piece) {
  const int dims = chunk.shape.dims;
  PrefillAttention args = piece.args;
  args.cache = map_of(chunk.cache, dims, chunk.cache.count() / dims, kPagePositions);
  launch(prefill_attention_kernel(dims), dim3(piece.tile_count, args.heads), kChunkThreads, prefill_attention_shared(dims), args);
}

inline void check_prefill_attention(Report& report, const AttentionShape& shape, int first_position, int tokens,
                                    std::uint64_t seed) {
  check_prefill_attention(report, shape, first_position, tokens, seed, Launcher{}, launch_attention);
}

inline void bench_prefill_attention(Results& results, const char* name, const AttentionShape& shape, int tokens) {
  stage("bench_prefill_attention");
  const PrefillCase chunk(shape, 0, tokens, 1);
  const PromptPiece whole = chunk.part(0, tokens);
  launch_append(Launcher{}, whole, shape.dims);
  const int inputs = shape.heads * shape.dims;
  const std::vector<std::int32_t> order = random_permutation(inputs, 2);
  const Device<std::uint16_t> sources(std::vector<std::uint16_t>(order.begin(), order.end()));
  Device<std::uint16_t> shuffled(chunk.out.count());
  const auto time = [&](const std::function<void(const Launcher&)>& what) {
    const Graph graph(true, [&](const Launcher& launch) {
      for (int i = 0; i < 4; i++) what(launch);
    });
    return graph.microseconds(15) / 4;
  };
  const double attention = time([&](const Launcher& launch) { launch_attention(launch, chunk, whole); });
  const double appended = time([&](const Launcher& launch) { launch_append(launch, whole, shape.dims); });
  const double shuffling = time([&](const Launcher& launch) {
    launch(shuffle, tokens, kShuffleThreads, inputs * 2, chunk.out, sources, inputs, inputs, shuffled);
  });
  results.add("prefill", name, tokens, "2:4", attention, 0);
  std::printf("%s, %d tokens: %.1f us %.0f TFLOP/s, append %.1f us, shuffle %.1f us\n", name, tokens, attention,
              2.0 * shape.heads * shape.dims * tokens * tokens / attention * 1e-6, appended, shuffling);
}

}  // namespace harness
