// mma check | bench: the kernels of prefill for GPUs without wgmma, held against f64 and timed beside cuBLAS. As PTX, which the
// driver compiles for its GPU, as it does with the engine's: a Hopper runs them too.
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_80,code=compute_80 -DESPARSE_HARNESS_BF16 -o mma mma.cu -ldl
#include <cstring>
#include <ctime>

#include "prefill_mma.cuh"

namespace harness {
namespace {

int check(std::uint64_t seed) {
  Report report;
  const Launcher launcher = mma_launcher(plain_stream());
  const auto launch = [&](const Matrix& matrix, const std::uint16_t* x, int count, int tile, PrefillOutput output, void* out) { launch_mma(launcher, matrix, matrix.packed, x, count, tile, output, out); };
  const auto linear = [&](int rows, int cols, int tokens) {
    for (const Encoding encoding : {Encoding::kSparse, Encoding::kDense}) {
      check_prefill(report, rows, cols, encoding, tokens, seed++, std::vector<int>{0, 1, 2}, launch);
    }
  };
  const auto attention = [&](const AttentionShape& shape, int first_position, int tokens) {
    check_prefill_attention(report, shape, first_position, tokens, seed++, launcher, launch_mma_attention);
  };
  linear(72, 128, 9);
  linear(1000, 384, 300);
  linear(4096, 1024, 700);
  linear(2048, 5632, 520);
  attention({8, 2, 64}, 64, 70);
  attention({4, 4, 128}, 0, 9);
  attention({4, 2, 64, 50, true}, 128, 300);
  attention({32, 8, 128}, 640, 300);
  attention({32, 4, 64}, 0, 517);
  attention({8, 2, 128, 1, true}, 0, 300);
  attention({8, 2, 128, 700, false}, 640, 600);
  std::printf(report.failures == 0 ? "all checks passed\n" : "%d checks failed\n", report.failures);
  return report.failures == 0 ? 0 : 1;
}

void bench(std::uint64_t seed) {
  const Cublas cublas;
  bench_mma(cublas, 4096, 4096, {16, 64, 128, 256, 512, 1024, 2048}, seed);
  bench_mma(cublas, 6144, 4096, {16, 128, 512, 2048}, seed);
  bench_mma(cublas, 14336, 4096, {16, 128, 512, 2048}, seed);
  bench_mma(cublas, 11008, 4096, {512, 2048}, seed);
  bench_mma(cublas, 28672, 4096, {512, 2048}, seed);
  bench_mma(cublas, 4096, 14336, {16, 128, 512, 2048}, seed);
  for (const int tokens : {512, 2048, 8192}) {
    bench_mma_attention("attention of 8B", {32, 8, 128}, tokens);
    bench_mma_attention("attention of 1.1B", {32, 4, 64}, tokens);
  }
}

}  // namespace
}  // namespace harness

int main(int argc, char** argv) {
  using namespace harness;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const auto seed = static_cast<std::uint64_t>(std::time(nullptr)) % 1000000;
  if (argc == 2 && std::strcmp(argv[1], "check") == 0) return check(seed);
  if (argc == 2 && std::strcmp(argv[1], "bench") == 0) {
    bench(seed);
    return 0;
  }
  std::printf("usage: mma check | bench\n");
  return 2;
}
