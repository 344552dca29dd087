// f32 to 16-bit floating point, to the nearest, ties to even: see src/runtime/narrow.ts.
#include <cstdint>

#include "half.h"
#include "kernel.h"
#include "simd.h"
#include "thread_pool.h"

namespace esparse {
namespace {

constexpr std::size_t kChunk = 1 << 18;

// Shifts right by less than 32: just under half a unit is added, or just half where the kept part is odd.
inline std::uint32_t rounded_shift(std::uint32_t word, std::uint32_t by) {
  return (word + ((1u << (by - 1)) - 1) + ((word >> by) & 1)) >> by;
}

ESPARSE_SIMD_CLONES
void narrow_bf16(const std::uint32_t* from, std::uint16_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) {
    const std::uint32_t word = from[i];
    // NaN: cutting off its lower bits could leave infinity, so the quiet bit is set.
    const std::uint32_t quiet = (word >> 16) | 0x40u, rounded = rounded_shift(word, 16);
    to[i] = static_cast<std::uint16_t>((word & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
}

inline std::uint32_t f16_of(std::uint32_t word) {
  const std::uint32_t sign = (word >> 16) & 0x8000u, magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;
  if (magnitude >= 0x38800000u) return sign | rounded_shift(magnitude - (112u << 23), 13);
  const std::uint32_t exponent = magnitude >> 23;
  if (exponent < 102) return sign;
  return sign | rounded_shift((magnitude & 0x7fffffu) | 0x800000u, 126 - exponent);
}

void narrow_f16(const std::uint32_t* from, std::uint16_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = static_cast<std::uint16_t>(f16_of(from[i]));
}

struct NarrowArguments {
  Dtype dtype;  // bf16 or f16
  Span<float> from;
  Span<std::uint16_t> to;
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("from", from), each("to", to);
  }
};

// At once, on this thread and others.
Napi::Value narrow(Call& call, const NarrowArguments& a) {
  call.exactly("to", a.to, a.from.length);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.from.length + kChunk - 1) / kChunk;
  parallel_for(job_threads(), chunks, [&](std::size_t chunk) {
    in_range(a.from.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
      const auto* from = reinterpret_cast<const std::uint32_t*>(a.from.data) + begin;
      (a.dtype == kBf16 ? narrow_bf16 : narrow_f16)(from, a.to.data + begin, end - begin);
    });
  });
  return call.nothing();
}

}  // namespace

void register_narrow(Napi::Object exports) {
  add_kernel(exports, "narrow", narrow);
}

}  // namespace esparse
