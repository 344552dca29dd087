// Whether what a plug-in gives can be stored: see src/pruning/sound.ts.
#include "runtime/kernel.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

// Bytes of a chunk: some hundred microseconds.
constexpr std::size_t kBytesPerChunk = 1 << 20;

// Whether none has all bits of the exponent set, as infinities and what is no number have.
ESPARSE_SIMD_CLONES
bool are_finite(const std::uint16_t* halves, std::size_t count, std::uint16_t exponent) {
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < count; i++) wrong |= (halves[i] & exponent) == exponent ? 1u : 0u;
  return wrong == 0;
}
bool are_finite_bf16(const std::uint16_t* halves, std::size_t count) { return are_finite(halves, count, 0x7f80); }
bool are_finite_f16(const std::uint16_t* halves, std::size_t count) { return are_finite(halves, count, 0x7c00); }

struct HalvesArguments {
  Dtype dtype;  // bf16 or f16
  Span<std::uint16_t> halves;
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("halves", halves);
  }
};

Napi::Value check_halves(Call& call, const HalvesArguments& a) {
  return holds_of_all(call, a.halves, kBytesPerChunk / 2, a.dtype == kBf16 ? are_finite_bf16 : are_finite_f16);
}

struct BytesArguments {
  Span<std::uint8_t> bytes;
  Span<std::uint8_t> sound;  // (256): 1 for each that may be among them
  template <typename Each>
  void fields(Each& each) {
    each("bytes", bytes), each("sound", sound);
  }
};

Napi::Value check_bytes(Call& call, const BytesArguments& a) {
  call.exactly("sound", a.sound, 256);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.bytes.length + kBytesPerChunk - 1) / kBytesPerChunk;
  const auto all = std::make_shared<std::atomic<bool>>(true);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(a.bytes.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          std::uint8_t right = 1;
          for (std::size_t i = begin; i < end; i++) right &= a.sound.data[a.bytes.data[i]];
          if (right == 0) *all = false;
        });
      },
      [all](Napi::Env env) { return Napi::Boolean::New(env, *all); });
}

}  // namespace

void register_sound(Napi::Object exports) {
  add_kernel(exports, "checkHalves", check_halves);
  add_kernel(exports, "checkBytes", check_bytes);
}

}  // namespace esparse
