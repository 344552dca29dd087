// The addon's exports.
#include <napi.h>

#include "arithmetic_class.h"
#include "decoder_class.h"
#include "js.h"

namespace esparse {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("CudaDecoder", define_decoder(env));
  exports.Set("CudaArithmetic", define_arithmetic(env));
  exports.Set("gpuCount", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guarded(info.Env(), [&]() -> Napi::Value {
                  int count = 0;
                  check(driver().device_count(&count), "be counted");
                  return Napi::Number::New(info.Env(), count);
                });
              }));
  return exports;
}

}  // namespace

NODE_API_MODULE(esparse_cuda, init)

}  // namespace esparse
