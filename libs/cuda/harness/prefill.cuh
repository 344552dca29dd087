// The linear of prefill: launched, checked and timed.
#pragma once
#include "../kernels/prefill_linear.cuh"
#include "bench.cuh"
#include "reference.cuh"

namespace harness {

// Activations [tokens][inputs] for the copy engine, in boxes of kStageInputs x `tile`.
inline CUtensorMap activation_map(const std::uint16_t* x, int inputs, int tokens, int tile) {
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result;
    CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result));
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  CUtensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(inputs), static_cast<cuuint64_t>(tokens)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(inputs) * 2};
  const cuuint32_t box[] = {kStageInputs, static_cast<cuuint32_t>(tile)}, steps[] = {1, 1};
  const CUresult result = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<std::uint16_t*>(x), sizes,
                                 strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    std::printf("tensor map: %d\n", result);
    std::exit(1);
  }
  return map;
}

// `x` in the matrix's shuffled order.
inline void launch_prefill(const Launcher& launch, const Matrix& matrix, const std::uint8_t* weights,
                           const std::uint16_t* x, int tokens, int tile, std::uint16_t* out) {
  const PrefillArguments args{weights, matrix.blocks(), matrix.rows, tokens, out};
  const CUtensorMap map = activation_map(x, matrix.cols, tokens, tile);
  const dim3 grid((matrix.rows + kPrefillRows - 1) / kPrefillRows, (tokens + tile - 1) / tile);
  if (tile == 128)
    launch(prefill_linear<128>, grid, kPrefillThreads, PrefillShared<128>::kBytes, map, args);
  else
    launch(prefill_linear<256>, grid, kPrefillThreads, PrefillShared<256>::kBytes, map, args);
}

// Near f64 (but for rounding to bf16), and the same bits of a token in any tile and with any other tokens.
inline void check_prefill(Report& report, int rows, int cols, int tokens, std::uint64_t seed) {
  Matrix matrix = random_matrix(rows, cols, true, seed);
  repack(matrix);
  std::vector<std::uint16_t> natural(static_cast<std::size_t>(tokens) * cols), shuffled(natural.size());
  std::vector<float> exact(natural.size());
  for (std::size_t i = 0; i < natural.size(); i++) {
    const __nv_bfloat16 x = __float2bfloat16_rn(uniform_of(seed + 9, i, 1));
    memcpy(&natural[i], &x, 2);
    exact[i] = __bfloat162float(x);
  }
  for (std::size_t i = 0; i < natural.size(); i++) {
    shuffled[i] = natural[i / cols * cols + matrix.permutation[i % cols]];
  }
  const Device<std::uint16_t> x(shuffled);
  const Device<double> in(std::vector<double>(exact.begin(), exact.end()));
  Device<double> reference(static_cast<std::size_t>(tokens) * rows);
  reference_linear(matrix, in, reference, tokens);

  const auto outputs = [&](int first, int count, int tile) {
    Device<std::uint16_t> out(static_cast<std::size_t>(count) * rows);
    launch_prefill(Launcher{}, matrix, matrix.packed, x + static_cast<std::size_t>(first) * cols, count, tile, out);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    return out.host();
  };
  const std::vector<std::uint16_t> all = outputs(0, tokens, 256);
  std::vector<float> values(all.size());
  for (std::size_t i = 0; i < all.size(); i++) values[i] = bf16_value(all[i]);
  const double error = relative_error(values, reference.host());
  report.expect(error < 3e-3, "prefill: far from f64", error);
  report.expect(all == outputs(0, tokens, 128), "prefill: bits depend on the tile", tokens);
  for (const int first : {1, tokens / 2, tokens - 1}) {
    const std::vector<std::uint16_t> some = outputs(first, tokens - first, 128);
    report.expect(std::equal(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(first) * rows),
                  "prefill: bits depend on the other tokens", first);
  }
  std::printf("prefill %5d x %5d, %4d tokens: error %.1e\n", rows, cols, tokens, error);
}

inline void bench_prefill(Results& results, int rows, int cols, std::uint64_t seed) {
  Matrix matrix = random_matrix(rows, cols, true, seed);
  repack(matrix);
  constexpr int kCopies = 4;
  const std::size_t bytes = matrix.packed_bytes();
  Device<std::uint8_t> weights(kCopies * bytes);
  for (int i = 0; i < kCopies; i++) {
    CHECK(cudaMemcpy(weights + i * bytes, matrix.packed, bytes, cudaMemcpyDeviceToDevice));
  }
  for (const int tokens : {512, 2048, 8192}) {
    Device<std::uint16_t> x(static_cast<std::size_t>(tokens) * cols), out(static_cast<std::size_t>(tokens) * rows);
    fill_bf16<<<1024, 256>>>(x, x.count(), seed + 1, 1);
    double best = INFINITY;
    for (const int tile : {128, 256}) {
      const Graph graph(true, [&](const Launcher& launch) {
        for (int i = 0; i < kCopies; i++) launch_prefill(launch, matrix, weights + i * bytes, x, tokens, tile, out);
      });
      best = std::min(best, graph.microseconds(11) / kCopies);
    }
    char shape[32];
    std::snprintf(shape, sizeof shape, "%d x %d", rows, cols);
    results.add("prefill", shape, tokens, "2:4", best, static_cast<double>(bytes));
    std::printf("prefill %-14s %4d tokens %8.1f us %5.0f TFLOP/s (dense)\n", shape, tokens, best,
                2.0 * rows * cols * tokens / best * 1e-6);
  }
}

}  // namespace harness
