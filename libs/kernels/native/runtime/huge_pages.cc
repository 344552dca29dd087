// Asks for huge pages under an array. See src/huge-pages.ts.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "promise_job.h"

namespace esparse {
namespace {

// hugePages(array): void. Where the system has none to give, nothing happens.
void huge_pages(const Napi::CallbackInfo& info) {
#if defined(MADV_HUGEPAGE)
  if (!info[0].IsTypedArray()) return;
  constexpr std::uintptr_t kPage = 4096;
  Napi::ArrayBuffer buffer = info[0].As<Napi::TypedArray>().ArrayBuffer();
  const auto data = reinterpret_cast<std::uintptr_t>(buffer.Data());
  const std::uintptr_t begin = (data + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (data + buffer.ByteLength()) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)info;
#endif
}

}  // namespace

void register_huge_pages(Napi::Env env, Napi::Object exports) {
  exports.Set("hugePages", Napi::Function::New(env, huge_pages));
}

}  // namespace esparse
