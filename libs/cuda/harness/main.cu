// harness check | check-small | bench FILE
//
// `check` holds every kernel against f64 and exits with 1 where one is wrong, `check-small` in small shapes, for
// compute-sanitizer; `bench` times them and writes FILE.
#include <cstring>
#include <ctime>

#include "bench.cuh"
#include "checks.cuh"

int main(int argc, char** argv) {
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0));
  const auto seed = static_cast<std::uint64_t>(std::time(nullptr)) % 1000000;
  std::printf("%s, %d SMs, L2 %d MB, seed %llu\n", properties.name, properties.multiProcessorCount,
              properties.l2CacheSize >> 20, static_cast<unsigned long long>(seed));
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const bool small = argc == 2 && std::strcmp(argv[1], "check-small") == 0;
  if (small || (argc == 2 && std::strcmp(argv[1], "check") == 0)) return harness::run_checks(seed, small) == 0 ? 0 : 1;
  if (argc == 3 && std::strcmp(argv[1], "bench") == 0) {
    harness::run_bench(argv[2], seed);
    return 0;
  }
  std::printf("usage: harness check | check-small | bench FILE\n");
  return 2;
}
