#include "kernels.h"

#include <initializer_list>

namespace esparse {

#if defined(__x86_64__)
const Kernels* avx512_skylake_kernels();
const Kernels* avx512_vbmi2_kernels();

const Kernels* avx512_kernels() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return nullptr;
  }
  return __builtin_cpu_supports("avx512vbmi2") ? avx512_vbmi2_kernels() : avx512_skylake_kernels();
}
#else
const Kernels* avx512_kernels() { return nullptr; }
#endif

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> there;
  for (auto* of : {avx512_kernels, avx2_kernels, neon_kernels, portable_kernels}) {
    if (const Kernels* found = of()) there.push_back(found);
  }
  return there;
}

const Kernels* kernels_named(const std::string& name) {
  for (const Kernels* each : all_kernels()) {
    if (name == each->name) return each;
  }
  return nullptr;
}

}  // namespace esparse
