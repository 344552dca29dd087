// The addon's table of contents: each kernel registers itself in its own file.
#include <napi.h>

#include "thread_pool.h"

namespace esparse {

void register_widen(Napi::Env env, Napi::Object exports);
void register_amplitude(Napi::Env env, Napi::Object exports);
void register_entropy(Napi::Env env, Napi::Object exports);
void register_score(Napi::Env env, Napi::Object exports);
void register_kept_score(Napi::Env env, Napi::Object exports);
void register_swap_search(Napi::Env env, Napi::Object exports);
void register_mask(Napi::Env env, Napi::Object exports);
void register_pack(Napi::Env env, Napi::Object exports);

namespace {

Napi::Value set_threads_js(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), set_threads(info[0].ToNumber().Uint32Value()));
}

Napi::Value threads_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(threads()));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("setThreads", Napi::Function::New(env, set_threads_js));
  exports.Set("threads", Napi::Function::New(env, threads_js));
  register_widen(env, exports);
  register_amplitude(env, exports);
  register_entropy(env, exports);
  register_score(env, exports);
  register_kept_score(env, exports);
  register_swap_search(env, exports);
  register_mask(env, exports);
  register_pack(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(esparse_kernels, init)

}  // namespace esparse
