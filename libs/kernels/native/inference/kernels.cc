#include "kernels.h"

#include <initializer_list>

namespace esparse {

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> there;
  for (auto* of : {avx512_kernels, avx512_base_kernels, avx2_kernels, neon_kernels, portable_kernels}) {
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
