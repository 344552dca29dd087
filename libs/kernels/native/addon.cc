// The addon's table of contents: each kernel registers itself in its own file.
#include <napi.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace esparse {

void register_memory(Napi::Object exports);
void register_map_file(Napi::Object exports);
void register_widen(Napi::Object exports);
void register_narrow(Napi::Object exports);
void register_crc32c(Napi::Object exports);
void register_log_sum_exp(Napi::Object exports);
void register_threads(Napi::Object exports);
void register_amplitude(Napi::Object exports);
void register_exact_sums(Napi::Object exports);
void register_entropy(Napi::Object exports);
void register_entropy_update(Napi::Object exports);
void register_entropy_encoding(Napi::Object exports);
void register_score(Napi::Object exports);
void register_kept_score(Napi::Object exports);
void register_sound(Napi::Object exports);
void register_swap_search(Napi::Object exports);
void register_slot_gains(Napi::Object exports);
void register_assignment(Napi::Object exports);
void register_sparse_gpt(Napi::Object exports);
void register_solving(Napi::Object exports);
void register_mask(Napi::Object exports);
void register_group_descent(Napi::Object exports);
void register_pack(Napi::Object exports);
void register_compute(Napi::Object exports);
void register_linear(Napi::Object exports);
void register_norms(Napi::Object exports);
void register_rope(Napi::Object exports);
void register_attention(Napi::Object exports);
void register_elementwise(Napi::Object exports);
void register_gather_rows(Napi::Object exports);
void register_bandwidth(Napi::Object exports);

namespace {

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

constexpr void (*kRegister[])(Napi::Object) = {
    register_memory, register_map_file, register_widen, register_narrow, register_crc32c, register_log_sum_exp,
    register_threads, register_amplitude, register_exact_sums, register_entropy, register_entropy_update,
    register_entropy_encoding, register_score, register_kept_score, register_sound, register_swap_search, register_slot_gains,
    register_assignment, register_sparse_gpt, register_solving, register_mask, register_group_descent, register_pack,
    register_compute, register_linear, register_norms, register_rope, register_attention, register_elementwise,
    register_gather_rows, register_bandwidth,
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  keep_tiles_in_the_heap();
  exports.Set("signatures", Napi::Object::New(env));
  for (const auto add : kRegister) add(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(esparse_kernels, init)

}  // namespace esparse
