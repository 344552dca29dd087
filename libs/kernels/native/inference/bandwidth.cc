// How fast this machine's memory can be read: what a product that reads its weights once is measured against.
#include <napi.h>

#include <algorithm>
#include <chrono>

#include "runtime/promise_job.h"
#include "kernels.h"
#include "runtime/parallel.h"

namespace esparse {
namespace {

constexpr std::size_t kPartFloats = (256 << 10) / sizeof(float);

// readMemory(instructionSet, array: Float32Array): number, the seconds that all compute threads took to read it once.
Napi::Value read_memory(const Napi::CallbackInfo& info) {
  Call call(info);
  const auto array = call.array<float>(1);
  const Kernels* with = kernels_named(info[0].ToString());
  if (call.failed() || with == nullptr) return info.Env().Undefined();
  const std::size_t parts = (array.length + kPartFloats - 1) / kPartFloats;
  volatile float seen = 0;
  const auto began = std::chrono::steady_clock::now();
  parallel_for(parts, [&](std::size_t part) {
    const std::size_t first = part * kPartFloats;
    seen = with->read(array.data + first, std::min(kPartFloats, array.length - first));
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return Napi::Number::New(info.Env(), took.count());
}

}  // namespace

void register_bandwidth(Napi::Env env, Napi::Object exports) {
  exports.Set("readMemory", Napi::Function::New(env, read_memory));
}

}  // namespace esparse
