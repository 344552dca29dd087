// The graphs of steps: what one runs, block by block, and its head.
#include "embed.h"
#include "kernel_names.h"
#include "step.h"
#include "step_linear.h"

namespace esparse {

CuGraphExec Step::graph_of(const Variant& variant) {
  const auto known = graphs_.find(variant);
  if (known != graphs_.end()) return known->second.get();
  check(driver().begin_capture(stream_, kCuCaptureRelaxed), "record a step");
  CuGraph recorded{};
  try {
    enqueue(variant);
  } catch (...) {
    if (driver().end_capture(stream_, &recorded) == kCuSuccess) driver().destroy_graph(recorded);
    throw;
  }
  check(driver().end_capture(stream_, &recorded), "record a step");
  const Graph graph(recorded);
  CuGraphExec exec{};
  check(driver().instantiate(&exec, graph.get(), 0), "prepare a step");
  return (graphs_[variant] = GraphExec(exec)).get();
}

Step::Given Step::enqueue_blocks(const Variant& variant) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens;
  embed(device_, decoder_, stream_, tokens, inputs_.data(), inputs_.data() + kMaxRows, residual_[0].data());
  Given given;
  for (int index = 0; index < s.layers; index++) {
    const Layer& layer = decoder_.layers[index];
    LinearLaunch qkv(variant.tokens, layer.q, qkv_.data());
    const auto x = norm(variant, qkv, given, layer.attention.before, layer.attention.shift, &layer.sources[0], 3);
    qkv.add(layer.q, x[0]);
    qkv.add(layer.k, x[1]);
    qkv.add(layer.v, x[2]);
    const Planes heads = launch(qkv);
    attend(variant, layer, index, s.norms_heads_apart() ? norm_heads(variant, layer, heads) : heads);
    LinearLaunch o(variant.tokens, layer.o, o_.data());
    if (late_splits_) {
      o.input = Input::kMerged;
      o.args.merge = merge_of(layer);
    }
    o.add(layer.o, {attended_.data(), layer.sources_o.data()});
    const Given attended = give(variant, o, layer.attention);
    if (s.experts > 0) {
      given = {enqueue_experts(variant, layer, attended), &layer.mlp};
      continue;
    }
    const LinearActivations activated = enqueue_mlp(variant, layer, attended);
    LinearLaunch down(variant.tokens, layer.down, down_.data());
    down.add(layer.down, activated);
    given = give(variant, down, layer.mlp);
  }
  return given;
}

void Step::enqueue(const Variant& variant) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens;
  current_ = 0;
  late_splits_ = adds_splits_late(s.heads * s.dims, variant.pages, variant.tokens);
  const Given given = variant.blocks ? enqueue_blocks(variant) : Given{};
  if (!variant.head) return;
  LinearLaunch head(variant.tokens, decoder_.head, logit_planes_.data());
  const auto x = norm(variant, head, given, decoder_.norm, decoder_.shift, nullptr, 1);
  head.add(decoder_.head, x[0]);
  head.args.out_rows = logit_rows();
  const Planes planes = launch(head);
  const Sequences sequences{variant.blocks ? inputs_.data() : nullptr, inputs_.data() + kMaxRows};
  if (variant.draw != Draw::kLikeliest) {
    sampling_.enqueue(variant.blocks ? 0 : 1, variant.tokens, planes, variant.draw, variant.reports, logits_.data(),
                      sequences, chosen_.data());
    return;
  }
  device_.launch(stream_, kArgmaxParts, {{static_cast<unsigned>(logit_parts()), tokens, 1}, kSampleThreads, 0, true},
                 planes, s.vocabulary, variant.logits ? logits_.data() : nullptr, keys_.data());
  device_.launch(stream_, kArgmax, {{tokens, 1, 1}, kSampleThreads, 0, true}, keys_.data(), logit_parts(), sequences,
                 chosen_.data());
}

}  // namespace esparse
