// The linear of prefill: launched, checked and timed.
#pragma once
#include "../kernels/prefill_linear.cuh"
#include "bench.cuh"
#include "cublas.cuh"
#include "prefill_checks.cuh"
#include "tensor_map.cuh"

namespace harness {

using PrefillKernel = void (*)(PrefillArguments);
template <class Weights, int kTile>
PrefillKernel prefill_kernel_of(PrefillOutput output) {
  switch (output) {
    case PrefillOutput::kRows:
      return prefill_linear<Weights, kTile, PrefillOutput::kRows>;
    case PrefillOutput::kAdded:
      return prefill_linear<Weights, kTile, PrefillOutput::kAdded>;
    default:
      return prefill_linear<Weights, kTile, PrefillOutput::kGated>;
  }
}
inline PrefillKernel prefill_kernel(Encoding encoding, int tile, PrefillOutput output) {
  return with_weights(encoding, [&](auto weights) {
    using Weights = decltype(weights);
    return tile == 128 ? prefill_kernel_of<Weights, 128>(output) : prefill_kernel_of<Weights, 256>(output);
  });
}

// `x` in the matrix's own order. What `out` is, depends on the output: rows of bf16, or of f32 (kAdded).
inline void launch_prefill(const Launcher& launch, const Matrix& matrix, const std::uint8_t* weights,
                           const std::uint16_t* x, int tokens, int tile, PrefillOutput output, void* out) {
  PrefillArguments args{};
  args.activations[0] = map_of(x, matrix.cols, tokens, tile);
  args.segments[0] = {weights, {0, 1}, matrix.rows, 0, 0};
  args.segment_count = 1;
  args.blocks = matrix.blocks();
  args.tokens = tokens;
  args.out_rows = matrix.rows;
  args.out = static_cast<std::uint16_t*>(out);
  args.added = static_cast<float*>(out);
  const dim3 grid((matrix.rows + kPrefillRows - 1) / kPrefillRows, (tokens + tile - 1) / tile);
  launch(prefill_kernel(matrix.encoding, tile, output), grid, kPrefillThreads, kPrefillShared, args);
}

inline void check_prefill(Report& report, int rows, int cols, Encoding encoding, int tokens, std::uint64_t seed) {
  const auto launch = [](const Matrix& matrix, const std::uint16_t* x, int count, int tile, PrefillOutput output, void* out) {
    launch_prefill(Launcher{}, matrix, matrix.packed, x, count, tile, output, out);
  };
  check_prefill(report, rows, cols, encoding, tokens, seed, std::vector<int>{128, 256}, launch);
}

// By tiles of 128 and of 256 tokens, and 2:4 beside cuBLAS's dense product.
inline void bench_prefill(Results& results, const Cublas& cublas, int rows, int cols, std::uint64_t seed) {
  stage("bench_prefill");
  constexpr int kCopies = 4;
  for (const Encoding encoding : kEncodings) {
    Matrix matrix = random_matrix(rows, cols, encoding, seed);
    repack(matrix);
    const std::size_t bytes = matrix.packed_bytes(), entries = static_cast<std::size_t>(rows) * cols;
    Device<std::uint8_t> weights(kCopies * bytes);
    for (int i = 0; i < kCopies; i++) {
      CHECK(cudaMemcpy(weights + i * bytes, matrix.packed, bytes, cudaMemcpyDeviceToDevice));
    }
    const bool beside = encoding == Encoding::kSparse && cublas;
    const Device<std::uint16_t> dense(beside ? kCopies * entries : 0);
    if (beside) fill_bf16<<<1024, 256>>>(dense, dense.count(), seed + 2, std::sqrt(3.0 / cols));
    for (const int tokens : {512, 2048, 8192}) {
      Device<std::uint16_t> x(static_cast<std::size_t>(tokens) * cols), out(static_cast<std::size_t>(tokens) * rows);
      fill_bf16<<<1024, 256>>>(x, x.count(), seed + 1, 1);
      const auto of_tile = [&](int tile) {
        return [&, tile](const Launcher& launch) {
          for (int i = 0; i < kCopies; i++) {
            launch_prefill(launch, matrix, weights + i * bytes, x, tokens, tile, PrefillOutput::kRows, out);
          }
        };
      };
      if (beside) cublas.linear(nullptr, dense, x, out, rows, cols, tokens);  // it loads its kernels outside of a graph
      CHECK(cudaDeviceSynchronize());
      const Graph narrow(true, of_tile(128)), wide(true, of_tile(256)), vendor(false, [&](const Launcher& launch) {
        for (int i = 0; beside && i < kCopies; i++) {
          cublas.linear(launch.stream, dense + i * entries, x, out, rows, cols, tokens);
        }
      });
      const std::vector<double> times = Graph::medians({&narrow, &wide, &vendor}, 11);
      char shape[32];
      std::snprintf(shape, sizeof shape, "%d x %d", rows, cols);
      const double best = std::min(times[0], times[1]) / kCopies;
      results.add("prefill", shape, tokens, variant_name(encoding), best, static_cast<double>(bytes));
      std::printf("prefill %-14s %s %4d tokens: tiles of 128 %8.1f us, of 256 %8.1f us, chosen %d; %5.0f TFLOP/s", shape,
                  variant_name(encoding), tokens, times[0] / kCopies, times[1] / kCopies,
                  prefill_tile((rows + kPrefillRows - 1) / kPrefillRows, tokens, sm_count()),
                  2.0 * rows * cols * tokens / best * 1e-6);
      if (beside) {
        const double us = times[2] / kCopies;
        results.add("prefill", shape, tokens, "cublas", us, 2.0 * entries);
        std::printf("; cuBLAS %8.1f us, %.2f x", us, us / best);
      }
      std::printf("\n");
    }
  }
}

}  // namespace harness
