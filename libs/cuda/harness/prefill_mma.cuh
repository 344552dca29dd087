// The kernels of prefill by products of a warp: launched and timed.
#pragma once
#include <memory>

#include "../kernels/attention_prefill_mma.cuh"
#include "../kernels/prefill_linear_mma.cuh"
#include "../kernels/prefill_norm.cuh"
#include "cublas.cuh"
#include "prefill_case.cuh"
#include "prefill_checks.cuh"

namespace harness {

// Kernels are launched one after the other: as these are compiled, they do not wait for each other by themselves.
inline Launcher mma_launcher(cudaStream_t stream) { return {stream, false}; }

// `x` in the matrix's own order. What `out` is, depends on the output: rows of bf16, or of f32 (kAdded).
inline void launch_mma(const Launcher& launch, const Matrix& matrix, const std::uint8_t* weights, const std::uint16_t* x,
                       int tokens, int tile, PrefillOutput output, void* out, int together = kMmaTogether) {
  PrefillArguments args{};
  args.segments[0] = {weights, {0, 1}, matrix.rows, 0, 0};
  args.segment_count = 1;
  args.blocks = matrix.blocks();
  args.tokens = tokens;
  args.out_rows = matrix.rows;
  args.out = static_cast<std::uint16_t*>(out);
  args.added = static_cast<float*>(out);
  args.output = output;
  args.rows[0] = x;
  args.together = together;
  const auto kernel = matrix.sparse() ? mma_kernel<Sparse>(tile) : mma_kernel<Dense>(tile);
  const int row_tiles = (matrix.rows + kPrefillRows - 1) / kPrefillRows;
  const int token_tiles = (tokens + kMmaTiles[tile].tokens() - 1) / kMmaTiles[tile].tokens();
  launch(kernel, row_tiles * token_tiles, kMmaThreads, kMmaTiles[tile].shared(matrix.sparse()), args);
}

inline void launch_mma_attention(const Launcher& launch, const PrefillCase& chunk, const PromptPiece& piece) {
  const int dims = chunk.shape.dims;
  launch(mma_attention_kernel(dims), dim3(piece.tile_count * kMmaChunkParts, piece.args.heads), kMmaThreads, mma_attention_shared(dims),
         piece.args);
}

// 2:4 and dense beside cuBLAS's dense product, each in every tile.
inline void bench_mma(const Cublas& cublas, int rows, int cols, const std::vector<int>& of_tokens,
                      std::uint64_t seed) {
  constexpr int kCopies = 4, kTiles = std::size(kMmaTiles);
  const std::size_t entries = static_cast<std::size_t>(rows) * cols;
  const Device<std::uint16_t> plain(cublas ? kCopies * entries : 0);
  if (cublas) fill_bf16<<<1024, 256>>>(plain, plain.count(), seed + 2, std::sqrt(3.0 / cols));
  Matrix matrices[2];
  Device<std::uint8_t> weights[2];
  for (int i = 0; i < 2; i++) {
    matrices[i] = random_matrix(rows, cols, i == 0 ? Encoding::kSparse : Encoding::kDense, seed);
    repack(matrices[i]);
    const std::size_t bytes = matrices[i].packed_bytes();
    weights[i] = Device<std::uint8_t>(kCopies * bytes);
    for (int copy = 0; copy < kCopies; copy++) {
      CHECK(cudaMemcpy(weights[i] + copy * bytes, matrices[i].packed, bytes, cudaMemcpyDeviceToDevice));
    }
    matrices[i].forget_stored();
  }
  for (const int tokens : of_tokens) {
    stage("bench_mma %d x %d, %d tokens", rows, cols, tokens);
    Device<std::uint16_t> x(static_cast<std::size_t>(tokens) * cols), out(static_cast<std::size_t>(tokens) * rows);
    fill_bf16<<<1024, 256>>>(x, x.count(), seed + 1, 1);
    if (cublas) cublas.linear(nullptr, plain, x, out, rows, cols, tokens);  // it loads its kernels outside of a graph
    CHECK(cudaDeviceSynchronize());
    std::vector<std::unique_ptr<Graph>> graphs;
    for (int i = 0; i < 2; i++) {
      for (int tile = 0; tile < kTiles; tile++) {
        graphs.push_back(std::make_unique<Graph>(false, [&](const Launcher& launch) {
          for (int copy = 0; copy < kCopies; copy++) {
            launch_mma(launch, matrices[i], weights[i] + copy * matrices[i].packed_bytes(), x, tokens, tile,
                       PrefillOutput::kRows, out);
          }
        }));
      }
    }
    if (cublas) {
      graphs.push_back(std::make_unique<Graph>(false, [&](const Launcher& launch) {
        for (int copy = 0; copy < kCopies; copy++) {
          cublas.linear(launch.stream, plain + copy * entries, x, out, rows, cols, tokens);
        }
      }));
    }
    std::vector<const Graph*> all;
    for (const auto& graph : graphs) all.push_back(graph.get());
    const std::vector<double> times = Graph::medians(all, 7);
    const double vendor = cublas ? times.back() / kCopies : 0;
    std::printf("%5d x %5d, %4d tokens: cuBLAS %7.1f us\n", rows, cols, tokens, vendor);
    for (int i = 0; i < 2 * kTiles; i++) {
      const double us = times[i] / kCopies;
      std::printf("  %-5s %d tokens: %7.1f us, %4.0f TFLOP/s, %.2f x cuBLAS\n", i < kTiles ? "2:4" : "dense",
                  kMmaTiles[i % kTiles].tokens(), us, 2.0 * entries * tokens / us * 1e-6, vendor / us);
    }
    const MmaTile chosen = mma_tile((rows + kPrefillRows - 1) / kPrefillRows, tokens, sm_count());
    std::printf("  chosen: tiles of %d tokens\n", chosen.tokens());
    const double sparse = *std::min_element(times.begin(), times.begin() + kTiles);
    const double dense = *std::min_element(times.begin() + kTiles, times.begin() + 2 * kTiles);
    std::printf("  2:4 is %.2f x dense\n", dense / sparse);
  }
}

inline void bench_mma_attention(const char* name, const AttentionShape& shape, int tokens) {
  stage("bench_mma_attention");
  const PrefillCase chunk(shape, 0, tokens, 1);
  const PromptPiece whole = chunk.part(0, tokens);
  launch_append(mma_launcher(plain_stream()), whole, shape.dims);
  const Graph graph(false, [&](const Launcher& launch) {
    for (int i = 0; i < 4; i++) launch_mma_attention(launch, chunk, whole);
  });
  const double us = graph.microseconds(9) / 4;
  std::printf("%s, %d tokens: %.1f us, %.0f TFLOP/s\n", name, tokens, us,
              2.0 * shape.heads * shape.dims * tokens * tokens / us * 1e-6);
}

}  // namespace harness
