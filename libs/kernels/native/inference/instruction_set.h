// An instruction set as an argument of a kernel: its name.
#pragma once
#include "kernels.h"
#include "runtime/arguments.h"

namespace esparse {

struct InstructionSet {
  const Kernels* kernels = nullptr;
};

template <>
struct Argument<InstructionSet> {
  static constexpr const char* kType = "instructionSet";
  static bool read(napi_env env, napi_value value, InstructionSet& to) {
    char name[16];
    std::size_t length = 0;
    if (napi_get_value_string_utf8(env, value, name, sizeof name, &length) != napi_ok) return false;
    to.kernels = kernels_named(name);
    return to.kernels != nullptr;
  }
};

}  // namespace esparse
