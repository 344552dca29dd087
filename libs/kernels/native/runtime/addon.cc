// The addon's table of contents: each kernel registers itself in its own file.
#include <napi.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include "thread_pool.h"

namespace esparse {

void register_free(Napi::Env env, Napi::Object exports);
void register_huge_pages(Napi::Env env, Napi::Object exports);
void register_widen(Napi::Env env, Napi::Object exports);
void register_amplitude(Napi::Env env, Napi::Object exports);
void register_exact_sums(Napi::Env env, Napi::Object exports);
void register_entropy(Napi::Env env, Napi::Object exports);
void register_score(Napi::Env env, Napi::Object exports);
void register_kept_score(Napi::Env env, Napi::Object exports);
void register_swap_search(Napi::Env env, Napi::Object exports);
void register_slot_gains(Napi::Env env, Napi::Object exports);
void register_assignment(Napi::Env env, Napi::Object exports);
void register_sparse_gpt(Napi::Env env, Napi::Object exports);
void register_mask(Napi::Env env, Napi::Object exports);
void register_group_descent(Napi::Env env, Napi::Object exports);
void register_pack(Napi::Env env, Napi::Object exports);
void register_small(Napi::Env env, Napi::Object exports);
void register_linear(Napi::Env env, Napi::Object exports);
void register_map_file(Napi::Env env, Napi::Object exports);
void register_bandwidth(Napi::Env env, Napi::Object exports);

namespace {

Napi::Value set_threads_js(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), set_threads(info[0].ToNumber().Uint32Value()));
}

Napi::Value threads_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(threads()));
}

// Tiles of a few megabytes come and go by the thousand. By default glibc maps and unmaps each of them, and the page
// faults cost as much as the work: keep such memory in the heap. 32 MiB is the largest threshold that glibc takes.
void keep_tiles_in_the_heap() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

// Node unloads an addon with the last worker thread that loaded it, but our own threads sleep in its code.
void stay_loaded() {
#if !defined(_WIN32)
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &self) != 0) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
  }
#endif
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  keep_tiles_in_the_heap();
  exports.Set("setThreads", Napi::Function::New(env, set_threads_js));
  exports.Set("threads", Napi::Function::New(env, threads_js));
  register_free(env, exports);
  register_huge_pages(env, exports);
  register_widen(env, exports);
  register_amplitude(env, exports);
  register_exact_sums(env, exports);
  register_entropy(env, exports);
  register_score(env, exports);
  register_kept_score(env, exports);
  register_swap_search(env, exports);
  register_slot_gains(env, exports);
  register_assignment(env, exports);
  register_sparse_gpt(env, exports);
  register_mask(env, exports);
  register_group_descent(env, exports);
  register_pack(env, exports);
  register_small(env, exports);
  register_linear(env, exports);
  register_map_file(env, exports);
  register_bandwidth(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(esparse_kernels, init)

}  // namespace esparse
