// Sums of f32 matrices that are exact, and so the same in any order. See src/pruning/exact-sums.ts for the arithmetic.
#include <algorithm>

#include "runtime/kernel.h"
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

struct AddExactlyArguments {
  Span<double> sums;    // (2, length)
  Span<float> addends;  // (count, length)
  std::size_t count;
  template <typename Each>
  void fields(Each& each) {
    each("sums", sums), each("addends", addends), each("count", count);
  }
};

Napi::Value add_exactly(Call& call, const AddExactlyArguments& a) {
  const std::size_t length = a.sums.length / 2;
  call.exactly("addends", a.addends, a.count * length);
  if (call.failed()) return call.nothing();
  return call.promise(
      (length + kElements - 1) / kElements,
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kElements;
        add(a.sums.data + begin, a.sums.data + length + begin, a.addends.data + begin, a.count, length,
            std::min(kElements, length - begin));
      });
}

}  // namespace

void register_exact_sums(Napi::Object exports) {
  add_kernel(exports, "addExactly", add_exactly);
}

}  // namespace esparse
