// rmsNorm and layerNorm: see src/inference/rms-norm.ts and layer-norm.ts.
#include "compute_argument.h"
#include "runtime/kernel.h"
#include "split.h"

namespace esparse {
namespace {

struct RmsNormArguments {
  const Compute* compute;
  Span<float> x;       // (tokens, channels)
  Span<float> weight;  // (channels)
  double epsilon;
  std::size_t tokens;
  Span<float> y;  // (tokens, channels)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("weight", weight), each("epsilon", epsilon);
    each("tokens", tokens), each("y", y);
  }
};

Napi::Value rms_norm(Call& call, const RmsNormArguments& a) {
  const std::size_t channels = a.weight.length;
  call.at_least("x", a.x, a.tokens * channels);
  call.at_least("y", a.y, a.tokens * channels);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->rms_norm;
  split(a.compute->threads, a.tokens, channels, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      run(a.x.data + t * channels, a.weight.data, static_cast<float>(a.epsilon), channels, a.y.data + t * channels);
    }
  });
  return call.nothing();
}

struct LayerNormArguments {
  const Compute* compute;
  Span<float> x;             // (tokens, channels)
  Span<float> weight, bias;  // (channels)
  double epsilon;
  std::size_t tokens;
  Span<float> y;  // (tokens, channels)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("x", x), each("weight", weight), each("bias", bias);
    each("epsilon", epsilon), each("tokens", tokens), each("y", y);
  }
};

Napi::Value layer_norm(Call& call, const LayerNormArguments& a) {
  const std::size_t channels = a.weight.length;
  call.at_least("bias", a.bias, channels);
  call.at_least("x", a.x, a.tokens * channels);
  call.at_least("y", a.y, a.tokens * channels);
  if (call.failed()) return call.nothing();
  const auto run = a.compute->vector->layer_norm;
  split(a.compute->threads, a.tokens, channels, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      run(a.x.data + t * channels, a.weight.data, a.bias.data, static_cast<float>(a.epsilon), channels,
          a.y.data + t * channels);
    }
  });
  return call.nothing();
}

}  // namespace

void register_norms(Napi::Object exports) {
  add_kernel(exports, "rmsNorm", rms_norm);
  add_kernel(exports, "layerNorm", layer_norm);
}

}  // namespace esparse
