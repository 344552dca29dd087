#pragma once
#include <napi.h>

namespace esparse {

// The class `CudaArithmetic`: see `arithmetic_class.cc`.
Napi::Function define_arithmetic(Napi::Env env);

}  // namespace esparse
