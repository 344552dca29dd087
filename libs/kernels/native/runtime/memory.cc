// What JavaScript cannot say of an array's memory.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernel.h"

namespace esparse {
namespace {

// Gives an array's memory back at once, instead of at the next garbage collection: detaches its ArrayBuffer. One that cannot
// be detached is left to the collector.
Napi::Value free_array(const Napi::CallbackInfo& info) {
  if (info[0].IsTypedArray()) napi_detach_arraybuffer(info.Env(), info[0].As<Napi::TypedArray>().ArrayBuffer());
  return info.Env().Undefined();
}

// Asks for huge pages under an array. Where the system has none to give, nothing happens. See src/runtime/huge-pages.ts.
Napi::Value huge_pages(const Napi::CallbackInfo& info) {
#if defined(MADV_HUGEPAGE)
  if (info[0].IsTypedArray()) {
    constexpr std::uintptr_t kPage = 4096;
    Napi::ArrayBuffer buffer = info[0].As<Napi::TypedArray>().ArrayBuffer();
    const auto data = reinterpret_cast<std::uintptr_t>(buffer.Data());
    const std::uintptr_t begin = (data + kPage - 1) / kPage * kPage;
    const std::uintptr_t end = (data + buffer.ByteLength()) / kPage * kPage;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#endif
  return info.Env().Undefined();
}

}  // namespace

void register_memory(Napi::Object exports) {
  exports.Set("free", Napi::Function::New(exports.Env(), free_array));
  exports.Set("hugePages", Napi::Function::New(exports.Env(), huge_pages));
}

}  // namespace esparse
