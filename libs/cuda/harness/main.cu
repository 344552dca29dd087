// harness check [ENCODING] | check-small [ENCODING] | quick | widest | one TOKENS | bench FILE [linears | prefill | steps] [ENCODING]
//
// `check` holds every kernel against f64 and exits with 1 where one is wrong, `check-small` in small shapes, for
// compute-sanitizer; `bench` times them and writes FILE. ENCODING, a part of a name like `2:4 int8`: linears and steps of those alone.
#include <cstring>
#include <ctime>
#include <string>

#include "attention.cuh"
#include "bench.cuh"
#include "checks.cuh"
#include "prefill.cuh"
#include "prefill_attention.cuh"
#include "sampling.cuh"

namespace harness {
namespace {

// Those whose names have `part` in them.
std::vector<Encoding> encodings_of(const std::string& part) {
  std::vector<Encoding> out;
  for (const Encoding encoding : kEncodings) {
    if (std::string(variant_name(encoding)).find(part) != std::string::npos) out.push_back(encoding);
  }
  return out;
}

void check_others(Report& report, std::uint64_t seed, bool small) {
  check_damage(report, seed);
  check_integer_damage(report, seed);
  check_sampling(report, seed + 1, small ? 40 : 4000);
  for (const Encoding encoding : kEncodings) {
    check_prefill(report, 1000, 384, encoding, 300, seed + 6);
    check_prefill(report, 72, 128, encoding, 9, seed + 7);
  }
  check_attention(report, {8, 2, 64, 0, true, true}, seed + 20);
  check_attention(report, {4, 4, 128, 100, true, false}, seed + 21);
  if (!small) {
    check_attention(report, {8, 1, 128, 700, false, true}, seed + 22);
    check_attention(report, {32, 8, 128, 0, false, false}, seed + 23);
    check_attention(report, {8, 4, 64, 1, true, false}, seed + 24);
  }
  check_shuffle(report, 1024, 5, seed + 14);
  check_prefill_attention(report, {8, 2, 64}, 64, 70, seed + 10);
  check_prefill_attention(report, {4, 4, 128}, 0, 9, seed + 11);
  check_prefill_attention(report, {4, 2, 64, 50, true}, 128, 300, seed + 16);
  if (!small) {
    check_prefill_attention(report, {32, 8, 128}, 640, 300, seed + 12);
    check_prefill_attention(report, {32, 4, 64}, 0, 517, seed + 13);
    check_prefill_attention(report, {8, 2, 128, 1, true}, 0, 300, seed + 17);
    check_prefill_attention(report, {8, 2, 128, 700, false}, 640, 600, seed + 18);
    check_prefill(report, 4096, 4096, Encoding::kSparse, 700, seed + 8);
    check_prefill(report, 2048, 5632, Encoding::kSparse, 520, seed + 9);
    check_prefill(report, 2048, 4096, Encoding::kSparseInt4, 520, seed + 27);
    check_prefill(report, 2048, 4096, Encoding::kDenseInt8, 520, seed + 28);
    check_prefill(report, 4096, 1024, Encoding::kDense, 700, seed + 15);
  }
}

// `small`: little of everything, for a run under compute-sanitizer. `part`: of the names of encodings; empty: everything.
int run_checks(std::uint64_t seed, bool small, const std::string& part) {
  Report report;
  if (part.empty()) check_others(report, seed, small);
  for (const Encoding encoding : encodings_of(part)) {
    check_linear(report, 32, 128, encoding, seed + 2);
    check_linear(report, 1000, 384, encoding, seed + 3);
    // Slices of eight and nine blocks, and of one and two: those that are loaded in another way are beside others.
    check_linear(report, 40, 8960, encoding, seed + 25);
    check_linear(report, 40, 1408, encoding, seed + 26);
    check_step(report, {"a small one", 256, 512, 2, 4, 2, 64, 1500}, encoding, seed + 4);
    if (small) continue;
    const int shapes[][2] = {{2048, 2048}, {4096, 4096}, {2048, 5632}, {1040, 14336}};
    for (const auto& shape : shapes) check_linear(report, shape[0], shape[1], encoding, seed + shape[0]);
    for (Shape shape : {k1B, k8B}) {
      shape.layers = 2;
      shape.vocabulary = 8192;
      check_step(report, shape, encoding, seed + 5);
    }
  }
  if (report.failures == 0)
    std::printf("all checks passed\n");
  else
    std::printf("%d checks failed\n", report.failures);
  return report.failures;
}

// `only`: one part of it, or all where it is empty; `part`: of the names of encodings.
void run_bench(const char* path, const std::string& only, const std::string& part, std::uint64_t seed) {
  const auto wanted = [&](const char* part) { return only.empty() || only == part; };
  Results results(path);
  bench_read(results);
  if (wanted("linears")) {
    const int shapes[][2] = {{2048, 2048},  {5632, 2048},  {2048, 5632},  {4096, 4096}, {6144, 4096}, {11008, 4096},
                             {14336, 4096}, {4096, 14336}, {28672, 4096}, {8192, 8192}, {28672, 8192}};
    for (const auto& shape : shapes) {
      for (const Encoding encoding : encodings_of(part)) bench_linear(results, shape[0], shape[1], encoding, seed);
    }
  }
  if (wanted("prefill")) {
    const Cublas cublas;
    for (const auto& shape : {std::pair(4096, 4096), {6144, 4096}, {11008, 4096}, {4096, 14336}, {28672, 4096}}) {
      bench_prefill(results, cublas, shape.first, shape.second, seed);
    }
    for (const int tokens : {512, 2048, 8192}) {
      bench_prefill_attention(results, "attention of 8B", {32, 8, 128}, tokens);
      bench_prefill_attention(results, "attention of 1.1B", {32, 4, 64}, tokens);
    }
  }
  if (!wanted("steps")) return;
  for (const Shape& shape : {k1B, k8B}) {
    for (const Encoding encoding : encodings_of(part)) {
      const Decoder decoder = random_decoder(shape, encoding, kMostTokens * 512 / kPagePositions, 512, false, seed);
      for (const int tokens : {1, 8, 16, 64}) bench_stack(results, decoder, tokens);
      for (const int tokens : kTokenBuckets) bench_step(results, decoder, tokens);
    }
  }
}

// A step of 8B in 2:4, for a profiler.
void run_one(int tokens, std::uint64_t seed) {
  stage("a decoder");
  bench_chosen(random_decoder(k8B, Encoding::kSparse, kMostTokens * 512 / kPagePositions, 512, false, seed), tokens, 512);
}

// Steps of 32 and 64 sequences, and the ways of sharing the linears of 64 out.
void run_widest(std::uint64_t seed) {
  for (const Shape& shape : {k8B, k1B}) {
    for (const Encoding encoding : {Encoding::kSparse, Encoding::kDense}) {
      const Decoder decoder = random_decoder(shape, encoding, kMostTokens * 576 / kPagePositions, 576, false, seed);
      for (const int tokens : {32, kMostTokens}) {
        for (const int positions : {512, 540}) bench_chosen(decoder, tokens, positions);
      }
      for (const int tokens : {kMostTokens, 32}) search_widest(decoder, tokens, 512);
    }
  }
}

// Steps as the engine launches them, in a minute.
void run_quick(std::uint64_t seed) {
  for (const Shape& shape : {k1B, k8B}) {
    for (const Encoding encoding : kEncodings) {
      stage("a decoder of %s, %s", shape.name, variant_name(encoding));
      const Decoder decoder = random_decoder(shape, encoding, kMostTokens * 512 / kPagePositions, 2048, false, seed);
      for (const int tokens : kTokenBuckets) bench_chosen(decoder, tokens, 512);
      for (const int tokens : {1, 16}) bench_chosen(decoder, tokens, 2048);
    }
  }
}

}  // namespace
}  // namespace harness

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0));
  const auto seed = static_cast<std::uint64_t>(std::time(nullptr)) % 1000000;
  std::printf("%s, %d SMs, L2 %d MB, seed %llu\n", properties.name, properties.multiProcessorCount,
              properties.l2CacheSize >> 20, static_cast<unsigned long long>(seed));
  const bool small = argc >= 2 && std::strcmp(argv[1], "check-small") == 0;
  if ((argc == 2 || argc == 3) && (small || std::strcmp(argv[1], "check") == 0)) {
    return harness::run_checks(seed, small, argc == 3 ? argv[2] : "") == 0 ? 0 : 1;
  }
  if (argc == 2 && std::strcmp(argv[1], "quick") == 0) {
    harness::run_quick(seed);
    return 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "widest") == 0) {
    harness::run_widest(seed);
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "one") == 0) {
    harness::run_one(std::atoi(argv[2]), seed);
    return 0;
  }
  if (argc >= 3 && std::strcmp(argv[1], "bench") == 0) {
    harness::run_bench(argv[2], argc > 3 ? argv[3] : "", argc > 4 ? argv[4] : "", seed);
    return 0;
  }
  std::printf("usage: harness check [ENCODING] | check-small [ENCODING] | quick | widest | one TOKENS | bench FILE [linears | prefill | steps] [ENCODING]\n");
  return 2;
}
