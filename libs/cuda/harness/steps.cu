// steps [check | search | pages]: checks and times decode steps as the engine launches them, searches for better tunings, or tells what
// the order of the pages in the cache is worth. Few kernels,
// built in a minute, to compare versions of them; with -DESPARSE_TIMELINE, shows where the time goes instead.
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_90a,code=sm_90a -DESPARSE_HARNESS_BITS=0 [-DESPARSE_TIMELINE] -o steps steps.cu
//
// Bits: 0 (bf16), 8 or 4.
#include "attention.cuh"
#include "bench.cuh"
#include "checks.cuh"
#include "timeline.cuh"

namespace harness {
namespace {

#if ESPARSE_HARNESS_BITS == 0
constexpr Encoding kOwn[] = {Encoding::kSparse, Encoding::kDense};
#elif ESPARSE_HARNESS_BITS == 8
constexpr Encoding kOwn[] = {Encoding::kSparseInt8};
#else
constexpr Encoding kOwn[] = {Encoding::kSparseInt4};
#endif

int check() {
  Report report;
  check_attention(report, {8, 2, 64, 0, true, true}, 20);
  check_attention(report, {4, 4, 128, 100, true, false}, 21);
  check_attention(report, {8, 1, 128, 700, false, true}, 22);
  check_attention(report, {32, 8, 128, 0, false, false}, 23);
  check_attention(report, {8, 4, 64, 1, true, false}, 24);
  for (const Encoding encoding : kOwn) {
    for (const auto& shape : {std::pair(40, 8960), {40, 1408}, {1000, 384}, {2048, 5632}}) {
      check_linear(report, shape.first, shape.second, encoding, 3);
    }
    check_linear(report, 1000, 384, head_of(encoding), 4);
  }
  for (Shape shape : {k1B, k8B}) {
    shape.layers = 2;
    shape.vocabulary = 8192;
    for (const Encoding encoding : kOwn) check_step(report, shape, encoding, 5);
  }
  std::printf(report.failures == 0 ? "all checks passed\n" : "%d checks failed\n", report.failures);
  return report.failures == 0 ? 0 : 1;
}

void time_steps(const Shape& shape, Encoding encoding, bool search) {
  stage("a decoder of %s, %s", shape.name, variant_name(encoding));
  const Decoder decoder = random_decoder(shape, encoding, kMostTokens * 512 / kPagePositions, 2048, false, 7);
#ifndef ESPARSE_TIMELINE
  if (search) {
    for (const int tokens : {1, 4, 16}) search_step(decoder, tokens, 512);
    return;
  }
  for (const int tokens : kTokenBuckets) bench_chosen(decoder, tokens, 512);
  for (const int positions : {64, 2048}) {
    for (const int tokens : {1, 16}) bench_chosen(decoder, tokens, positions);
  }
#else
  for (const int tokens : {1, 4, 16, 64}) print_timeline(decoder, tokens, 512);
#endif
}

// 512 positions: pages at random, as all other times have them, and those of a sequence beside each other, as a pool that nobody has
// used yet hands them out, with pages between sequences.
void time_pages(const Shape& shape) {
  const Decoder decoder = random_decoder(shape, kOwn[0], kMostTokens * 16, 512, false, 7);
  constexpr int kPages = 512 / kPagePositions;
  for (const int tokens : {1, 2, 4, 8, 16, 64}) {
    std::printf("pages %-4s %2d tokens:", shape.name, tokens);
    const auto print = [](const char* name, TimedStep&& step) {
      std::printf(" %s %.0f", name, step.microseconds(StepTuning(kChosen), 25));
    };
    print("random", {decoder, tokens, 512});
    for (const int of_sequence : {8, 9, 16}) {
      std::vector<std::int32_t> pages;
      for (int i = 0; i < tokens * kPages; i++) pages.push_back(i / kPages * of_sequence + i % kPages);
      char name[16];
      std::snprintf(name, sizeof name, "%d apart", of_sequence);
      print(name, {decoder, tokens, 512, pages});
    }
    std::printf(" us\n");
  }
}

}  // namespace
}  // namespace harness

int main(int argc, char** argv) {
  using namespace harness;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc == 2 && std::strcmp(argv[1], "check") == 0) return check();
  if (argc == 2 && std::strcmp(argv[1], "pages") == 0) {
    for (const Shape& shape : {k8B, k1B}) time_pages(shape);
    return 0;
  }
  const bool search = argc == 2 && std::strcmp(argv[1], "search") == 0;
  for (const Shape& shape : {k1B, k8B}) {
    for (const Encoding encoding : kOwn) time_steps(shape, encoding, search);
  }
}
