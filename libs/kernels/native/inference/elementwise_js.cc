// Element by element: see src/inference/elementwise.ts.
#include "compute_argument.h"
#include "runtime/kernel.h"
#include "split.h"

namespace esparse {
namespace {

struct GatedSiluArguments {
  const Compute* compute;
  Span<float> gate, up;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("gate", gate), each("up", up), each("count", count), each("y", y);
  }
};

Napi::Value gated_silu(Call& call, const GatedSiluArguments& a) {
  call.at_least("gate", a.gate, a.count);
  call.at_least("up", a.up, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->gated_silu;
  split(a.compute->threads, (a.count + 15) / 16, 64, [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * 16;
    run(a.gate.data + from, a.up.data + from, std::min(a.count, end * 16) - from, a.y.data + from);
  });
  return call.nothing();
}

struct AddArguments {
  const Compute* compute;
  Span<float> a, b;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("a", a), each("b", b), each("count", count), each("y", y);
  }
};

Napi::Value add(Call& call, const AddArguments& args) {
  call.at_least("a", args.a, args.count);
  call.at_least("b", args.b, args.count);
  call.at_least("y", args.y, args.count);
  if (call.failed()) return call.nothing();
  const auto run = args.compute->vector->add;
  split(args.compute->threads, args.count, 1, [&](std::size_t begin, std::size_t end) {
    run(args.a.data + begin, args.b.data + begin, end - begin, args.y.data + begin);
  });
  return call.nothing();
}

struct ReluArguments {
  const Compute* compute;
  Span<float> x;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("count", count), each("y", y);
  }
};

Napi::Value relu(Call& call, const ReluArguments& a) {
  call.at_least("x", a.x, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->relu;
  split(a.compute->threads, a.count, 1, [&](std::size_t begin, std::size_t end) {
    run(a.x.data + begin, end - begin, a.y.data + begin);
  });
  return call.nothing();
}

}  // namespace

void register_elementwise(Napi::Object exports) {
  add_kernel(exports, "gatedSilu", gated_silu);
  add_kernel(exports, "add", add);
  add_kernel(exports, "relu", relu);
}

}  // namespace esparse
