// Gives an array's memory back at once, instead of at the next garbage collection.
#include "promise_job.h"

namespace esparse {
namespace {

// free(array): void. Detaches the ArrayBuffer; one that cannot be detached is left to the collector.
void free_array(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) return;
  Napi::ArrayBuffer buffer = info[0].As<Napi::TypedArray>().ArrayBuffer();
  napi_detach_arraybuffer(info.Env(), buffer);
}

}  // namespace

void register_free(Napi::Env env, Napi::Object exports) {
  exports.Set("free", Napi::Function::New(env, free_array));
}

}  // namespace esparse
