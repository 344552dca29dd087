// What is before down in the MLP of a step.
#include "kernel_names.h"
#include "step.h"
#include "step_linear.h"

namespace esparse {

// From the stream and what attention gave to the activations of down.
LinearActivations Step::enqueue_mlp(const Variant& variant, const Layer& layer, const Given& given) {
  const DecoderShape& s = decoder_.shape;
  LinearLaunch first(variant.tokens, layer.gate, gate_up_.data());
  const auto x = norm(variant, first, given, layer.mlp.before, layer.mlp.shift, &layer.sources[3], s.gated ? 2 : 1);
  if (s.gated) {
    first.pair(layer, x[0], x[1], !s.plain(), activated_.data(), device_.facts().shared_of_cta);
  } else {
    first.add(layer.gate, x[0]);
  }
  const Planes sums = launch(first);
  const Device::Launch how{{ceil_div(s.inner / 2, kSwigluThreads), static_cast<unsigned>(variant.tokens), 1}, kSwigluThreads, 0, true};
  if (!s.plain()) {
    device_.launch(stream_, activate_sums_name(s.activation), how, sums,
                   layer.inner_bias.count() == 0 ? nullptr : layer.inner_bias.data(), s.gated, activated_.data(), s.inner, takes_rows(variant, layer.down.encoding));
  } else if (first.output != Output::kSwiglu) {
    DigitOrder digits = digits_of(layer.down.encoding);
    digits.rows = takes_rows(variant, layer.down.encoding);
    const Device::Launch few{{how.grid[0], static_cast<unsigned>(swiglu_rows(s.inner, variant.tokens)), 1}, kSwigluThreads, 0, true};
    device_.launch(stream_, kSwigluKernel, few, sums, activated_.data(), s.inner, digits);
    return {activated_.data(), nullptr, digits.bits != 0};
  }
  return {activated_.data(), nullptr};
}

}  // namespace esparse
