#pragma once
#include <napi.h>

namespace esparse {

// The class `CudaDecoder`: see `decoder_class.cc`.
Napi::Function define_decoder(Napi::Env env);

}  // namespace esparse
