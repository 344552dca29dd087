// The linears of prefill held against f64, whichever kernel makes them.
#pragma once
#include "../kernels/prefill_arguments.h"
#include "reference.cuh"

namespace harness {

// Near f64 (but for rounding to bf16), and the same bits of a token in any of `tiles` and with any other tokens. `launch(matrix,
// x, tokens, tile, output, out)`: see `launch_prefill`.
template <class Tile, class Launch>
void check_prefill(Report& report, int rows, int cols, Encoding encoding, int tokens, std::uint64_t seed,
                   const std::vector<Tile>& tiles, const Launch& launch) {
  stage("check_prefill");
  Matrix matrix = random_matrix(rows, cols, encoding, seed);
  repack(matrix);
  std::vector<std::uint16_t> natural(static_cast<std::size_t>(tokens) * cols), shuffled(natural.size());
  std::vector<float> exact(natural.size());
  for (std::size_t i = 0; i < natural.size(); i++) {
    const __nv_bfloat16 x = __float2bfloat16_rn(uniform_of(seed + 9, i, 1));
    memcpy(&natural[i], &x, 2);
    exact[i] = __bfloat162float(x);
  }
  for (std::size_t i = 0; i < natural.size(); i++) {
    shuffled[i] = matrix.sparse() ? natural[i / cols * cols + matrix.permutation[i % cols]] : natural[i];
  }
  const Device<std::uint16_t> x(shuffled);
  const Device<double> in(std::vector<double>(exact.begin(), exact.end()));
  Device<double> reference_device(static_cast<std::size_t>(tokens) * rows);
  reference_linear(matrix, in, reference_device, tokens);
  const std::vector<double> reference = reference_device.host();

  const auto outputs = [&](int first, int count, const Tile& tile) {
    Device<std::uint16_t> out(static_cast<std::size_t>(count) * rows);
    launch(matrix, x + static_cast<std::size_t>(first) * cols, count, tile, PrefillOutput::kRows, static_cast<std::uint16_t*>(out));
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    return out.host();
  };
  const std::vector<std::uint16_t> all = outputs(0, tokens, tiles.back());
  std::vector<float> values(all.size());
  for (std::size_t i = 0; i < all.size(); i++) values[i] = bf16_value(all[i]);
  const double error = relative_error(values, reference);
  report.expect(error < 3e-3, "prefill: far from f64", error);
  for (const Tile& tile : tiles) {
    report.expect(all == outputs(0, tokens, tile), "prefill: bits depend on the tile", tokens);
  }
  for (const int first : {1, tokens / 2, tokens - 1}) {
    const std::vector<std::uint16_t> some = outputs(first, tokens - first, tiles.front());
    report.expect(std::equal(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(first) * rows),
                  "prefill: bits depend on the other tokens", first);
  }

  // Added to what is there, and as up of a gate that is there.
  for (const Tile& tile : tiles) {
    std::vector<float> before(all.size());
    std::vector<std::uint16_t> gate(all.size());
    std::vector<double> sums(all.size()), products(all.size());
    for (std::size_t i = 0; i < all.size(); i++) {
      before[i] = uniform_of(seed + 10, i, 2);
      const __nv_bfloat16 of_gate = __float2bfloat16_rn(before[i]);
      memcpy(&gate[i], &of_gate, 2);
      const double g = __bfloat162float(of_gate);
      sums[i] = before[i] + reference[i];
      products[i] = g / (1 + std::exp(-g)) * reference[i];
    }
    Device<float> added(before);
    launch(matrix, x, tokens, tile, PrefillOutput::kAdded, static_cast<float*>(added));
    Device<std::uint16_t> gated(gate);
    launch(matrix, x, tokens, tile, PrefillOutput::kGated, static_cast<std::uint16_t*>(gated));
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    const double of_sums = relative_error(added.host(), sums);
    // Integers times scales are rounded to bf16.
    report.expect(of_sums < (bits_of(encoding) == 0 ? 1e-5 : 2e-3), "prefill, added: far from f64", of_sums);
    const std::vector<std::uint16_t> bits = gated.host();
    for (std::size_t i = 0; i < bits.size(); i++) values[i] = bf16_value(bits[i]);
    const double of_products = relative_error(values, products);
    report.expect(of_products < 5e-3, "prefill, gated: far from f64", of_products);
  }
  std::printf("prefill %5d x %5d %s, %4d tokens: error %.1e\n", rows, cols, variant_name(encoding), tokens, error);
}

}  // namespace harness
