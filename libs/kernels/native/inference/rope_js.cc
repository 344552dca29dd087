// Rotary embedding: see src/inference/rope.ts.
#include <algorithm>

#include "compute_argument.h"
#include "runtime/kernel.h"
#include "split.h"

namespace esparse {
namespace {

struct RopeArguments {
  const Compute* compute;
  Span<float> x;  // (tokens, heads, headDim)
  std::size_t heads, head_dim, rotated;
  Span<float> cos, sin;  // (positions, rotated / 2)
  Span<std::int32_t> positions;  // (tokens)
  std::size_t tokens;
  Span<float> y;  // (tokens, heads, headDim)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("heads", heads), each("headDim", head_dim);
    each("rotated", rotated), each("cos", cos), each("sin", sin), each("positions", positions), each("tokens", tokens), each("y", y);
  }
};

Napi::Value rope(Call& call, const RopeArguments& a) {
  const std::size_t half = a.rotated / 2, width = a.heads * a.head_dim;
  call.at_most("rotated", a.rotated, a.head_dim);
  call.at_least("x", a.x, a.tokens * width);
  call.at_least("y", a.y, a.tokens * width);
  call.at_least("positions", a.positions, a.tokens);
  call.at_least("sin", a.sin, a.cos.length);
  for (std::size_t t = 0; !call.failed() && t < a.tokens; t++) {
    const std::int32_t position = a.positions.data[t];
    if (position < 0 || (static_cast<std::size_t>(position) + 1) * half > a.cos.length) {
      call.refuse("positions", "position " + std::to_string(position) + " is beyond the tables");
    }
  }
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->rotate;
  split(a.compute->threads, a.tokens, width, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      const std::size_t row = static_cast<std::size_t>(a.positions.data[t]) * half;
      for (std::size_t h = 0; h < a.heads; h++) {
        const std::size_t at = t * width + h * a.head_dim;
        run(a.x.data + at, a.cos.data + row, a.sin.data + row, half, a.y.data + at);
        std::copy(a.x.data + at + 2 * half, a.x.data + at + a.head_dim, a.y.data + at + 2 * half);
      }
    }
  });
  return call.nothing();
}

}  // namespace

void register_rope(Napi::Object exports) { add_kernel(exports, "rope", rope); }

}  // namespace esparse
