#include "kernels.h"

#include <cstring>
#include <initializer_list>

namespace esparse {
namespace {

std::vector<const Kernels*> found_kernels() {
  std::vector<const Kernels*> there;
  for (auto* of : {avx512_kernels, avx512_base_kernels, avx2_kernels, neon_kernels, portable_kernels}) {
    if (const Kernels* found = of()) there.push_back(found);
  }
  return there;
}

}  // namespace

const std::vector<const Kernels*>& all_kernels() {
  static const std::vector<const Kernels*> there = found_kernels();
  return there;
}

const Kernels* kernels_named(const char* name) {
  for (const Kernels* each : all_kernels()) {
    if (std::strcmp(name, each->name) == 0) return each;
  }
  return nullptr;
}

}  // namespace esparse
