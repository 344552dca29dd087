// 16-bit floating point to f32, exact.
#include <cstdint>

#include "half.h"
#include "kernel.h"
#include "simd.h"

namespace esparse {

ESPARSE_SIMD_CLONES
void widen_bf16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = Bf16::widen(from[i]);
}

ESPARSE_SIMD_CLONES
void widen_f16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = F16::widen(from[i]);
}

namespace {

constexpr std::size_t kChunk = 1 << 18;

struct WidenArguments {
  Dtype dtype;  // bf16 or f16
  Span<std::uint16_t> from;
  Span<float> to;
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("from", from), each("to", to);
  }
};

Napi::Value widen(Call& call, const WidenArguments& a) {
  call.exactly("to", a.to, a.from.length);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.from.length + kChunk - 1) / kChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(a.from.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          auto* out = reinterpret_cast<std::uint32_t*>(a.to.data) + begin;
          (a.dtype == kBf16 ? widen_bf16 : widen_f16)(a.from.data + begin, out, end - begin);
        });
      });
}

}  // namespace

void register_widen(Napi::Object exports) {
  add_kernel(exports, "widen", widen);
}

}  // namespace esparse
