// Sums of f32 matrices that are exact, and so the same in any order. See src/exact-sums.ts for the arithmetic.
#include <algorithm>

#include "runtime/promise_job.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
constexpr double kPart = 1099511627776.0;      // 2^40
// Elements per chunk: their sums and a few of their addends sit in the second-level cache.
constexpr std::size_t kElements = 16384;

ESPARSE_SIMD_CLONES
void add(double* __restrict whole, double* __restrict part, const float* addends, std::size_t count,
         std::size_t stride, std::size_t length) {
  for (std::size_t a = 0; a < count; a++) {
    const float* x = addends + a * stride;
    for (std::size_t i = 0; i < length; i++) {
      const double value = static_cast<double>(x[i]);
      const double rounded = (value + kRound) - kRound;
      whole[i] += rounded;
      part[i] += ((value - rounded) * kPart + kRound) - kRound;
    }
  }
}

// addExactly(sums: Float64Array(2 * length), addends: Float32Array(count * length), count): Promise<void>
Napi::Value add_exactly(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t count = call.size(2);
  const auto sums = call.array<double>(0);
  const std::size_t length = sums.length / 2;
  const auto addends = call.array<float>(1, count * length);
  if (call.failed()) return info.Env().Undefined();
  return call.promise(
      (length + kElements - 1) / kElements,
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kElements;
        add(sums.data + begin, sums.data + length + begin, addends.data + begin, count, length,
            std::min(kElements, length - begin));
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_exact_sums(Napi::Env env, Napi::Object exports) {
  exports.Set("addExactly", Napi::Function::New(env, add_exactly));
}

}  // namespace esparse
