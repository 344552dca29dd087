// Element by element: see src/inference/elementwise.ts.
#include "compute_argument.h"
#include "runtime/kernel.h"
#include "split.h"

namespace esparse {
namespace {

struct GatedArguments {
  const Compute* compute;
  Span<float> gate, up;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("gate", gate), each("up", up), each("count", count), each("y", y);
  }
};

// Elements that have a power of e in them, 16 at a time: a thread is worth its start from fewer on.
template <typename Run>
void split_powers(const Compute& compute, std::size_t count, Run run) {
  split(compute.threads, (count + 15) / 16, 64, [&](std::size_t begin, std::size_t end) {
    run(begin * 16, std::min(count, end * 16) - begin * 16);
  });
}

Napi::Value gated(Call& call, const GatedArguments& a, decltype(VectorKernels::gated_silu) run) {
  call.at_least("gate", a.gate, a.count);
  call.at_least("up", a.up, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  split_powers(*a.compute, a.count, [&](std::size_t from, std::size_t count) {
    run(a.gate.data + from, a.up.data + from, count, a.y.data + from);
  });
  return call.nothing();
}

Napi::Value gated_silu(Call& call, const GatedArguments& a) { return gated(call, a, a.compute->vector->gated_silu); }
Napi::Value gated_gelu(Call& call, const GatedArguments& a) { return gated(call, a, a.compute->vector->gated_gelu); }

struct ClampedArguments {
  const Compute* compute;
  Span<float> gate, up;
  double alpha, limit;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("gate", gate), each("up", up), each("alpha", alpha), each("limit", limit);
    each("count", count), each("y", y);
  }
};

Napi::Value clamped_swiglu(Call& call, const ClampedArguments& a) {
  call.at_least("gate", a.gate, a.count);
  call.at_least("up", a.up, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->clamped_swiglu;
  const auto alpha = static_cast<float>(a.alpha), limit = static_cast<float>(a.limit);
  split_powers(*a.compute, a.count, [&](std::size_t from, std::size_t count) {
    run(a.gate.data + from, a.up.data + from, alpha, limit, count, a.y.data + from);
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

struct ElementwiseArguments {
  const Compute* compute;
  Span<float> x;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("count", count), each("y", y);
  }
};

Napi::Value relu(Call& call, const ElementwiseArguments& a) {
  call.at_least("x", a.x, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->relu;
  split(a.compute->threads, a.count, 1, [&](std::size_t begin, std::size_t end) {
    run(a.x.data + begin, end - begin, a.y.data + begin);
  });
  return call.nothing();
}

Napi::Value gelu(Call& call, const ElementwiseArguments& a) {
  call.at_least("x", a.x, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->gelu;
  split_powers(*a.compute, a.count, [&](std::size_t from, std::size_t count) {
    run(a.x.data + from, count, a.y.data + from);
  });
  return call.nothing();
}

struct ScaleArguments {
  const Compute* compute;
  Span<float> x;
  double factor;
  std::size_t count;
  Span<float> y;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("factor", factor), each("count", count), each("y", y);
  }
};

Napi::Value scale(Call& call, const ScaleArguments& a) {
  call.at_least("x", a.x, a.count);
  call.at_least("y", a.y, a.count);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->scale;
  const auto factor = static_cast<float>(a.factor);
  split(a.compute->threads, a.count, 1, [&](std::size_t begin, std::size_t end) {
    run(a.x.data + begin, factor, end - begin, a.y.data + begin);
  });
  return call.nothing();
}

}  // namespace

void register_elementwise(Napi::Object exports) {
  add_kernel(exports, "gatedSilu", gated_silu);
  add_kernel(exports, "gatedGelu", gated_gelu);
  add_kernel(exports, "clampedSwiglu", clamped_swiglu);
  add_kernel(exports, "add", add);
  add_kernel(exports, "relu", relu);
  add_kernel(exports, "gelu", gelu);
  add_kernel(exports, "scale", scale);
}

}  // namespace esparse
