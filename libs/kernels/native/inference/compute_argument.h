// What a kernel computes with, as its argument: what createCompute gave.
#pragma once
#include "compute.h"
#include "runtime/arguments.h"

namespace esparse {

template <>
struct Argument<const Compute*> {
  static constexpr const char* kType = "compute";
  static bool read(napi_env env, napi_value value, const Compute*& to) {
    void* handle = nullptr;
    if (napi_get_value_external(env, value, &handle) != napi_ok) return false;
    to = static_cast<const Compute*>(handle);
    return true;
  }
};

}  // namespace esparse
