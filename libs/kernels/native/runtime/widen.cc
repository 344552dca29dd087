// 16-bit floating point to f32, exact.
#include <cstdint>

#include "half.h"
#include "promise_job.h"
#include "simd.h"

namespace esparse {
namespace {

constexpr std::size_t kChunk = 1 << 18;

ESPARSE_SIMD_CLONES
void widen_bf16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = Bf16::widen(from[i]);
}

ESPARSE_SIMD_CLONES
void widen_f16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = F16::widen(from[i]);
}

// widen(kind: 0 bf16 | 1 f16, from: Uint16Array, to: Float32Array): Promise<void>
Napi::Value widen(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t kind = call.size(0);
  const auto from = call.array<std::uint16_t>(1);
  const auto to = call.array<float>(2, from.length);
  if (call.failed()) return info.Env().Undefined();
  const std::size_t chunks = (from.length + kChunk - 1) / kChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(from.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          auto* out = reinterpret_cast<std::uint32_t*>(to.data) + begin;
          (kind == 0 ? widen_bf16 : widen_f16)(from.data + begin, out, end - begin);
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_widen(Napi::Env env, Napi::Object exports) {
  exports.Set("widen", Napi::Function::New(env, widen));
}

}  // namespace esparse
