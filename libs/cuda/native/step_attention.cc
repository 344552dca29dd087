// Attention in a step, and the norms of q and k before it.
#include "kernel_names.h"
#include "step.h"

namespace esparse {

MergeInput Step::merge_of(const Layer& layer) const {
  const DecoderShape& s = decoder_.shape;
  int shift = 0;
  while (1 << shift < s.dims) shift++;
  return {split_outputs_.data(), reinterpret_cast<const float2*>(split_weights_.data()), data_of(layer.sinks),
          inputs_.data() + kMaxRows, s.heads, shift, attention_splits(max_pages_), layer.window};
}

void Step::attend(const Variant& variant, const Layer& layer, int index, const Planes& qkv) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens, kv_heads = s.kv_heads;
  const std::size_t half = static_cast<std::size_t>(cache_.pages) * s.kv_heads * kPagePositions * s.dims;
  AttentionArguments args{};
  args.qkv = qkv;
  args.head = heads_of(layer, s);
  args.window = layer.window;
  args.tokens = variant.tokens;
  args.heads = s.heads;
  args.kv_heads = s.kv_heads;
  args.queries = s.heads / s.kv_heads;
  args.groups = query_groups(args.queries);
  args.keys = cache_.memory.data() + 2 * half * index;
  args.values = args.keys + half;
  args.positions = inputs_.data() + kMaxRows;
  args.page_table = inputs_.data() + 3 * kMaxRows;
  args.max_pages = max_pages_;
  args.appended = variant.several;
  args.rotary = reinterpret_cast<const float2*>(decoder_.rotary.data() + layer.rotary);
  args.scale = s.scale;
  args.sinks = data_of(layer.sinks);
  args.inverse = layer.inverse_o.data();
  args.inputs = layer.o.cols;
  args.fragments = late_splits_ ? nullptr : attended_.data();
  args.rows = takes_rows(variant, layer.o.encoding);
  args.outputs = split_outputs_.data();
  args.weights = reinterpret_cast<float2*>(split_weights_.data());
  args.arrived = arrived_.data();
  const unsigned all_heads = kv_heads * query_groups(args.queries);
  const DeviceFacts& facts = device_.facts();
  const AttentionPlan plan = plan_attention({s.dims, args.queries, static_cast<int>(all_heads * tokens), variant.pages, variant.tokens,
                                             facts.multiprocessors, facts.shared_of_cta});
  if (variant.several) {
    device_.launch(stream_, append_positions_name(s.dims), {{kv_heads, tokens, 1}, kAppendPositionThreads, 0, true}, args);
  }
  if (plan.walks) {
    device_.launch(stream_, attend_heads_name(s.dims),
                   {{static_cast<unsigned>(plan.ctas), 1, 1}, kWalkThreads, static_cast<unsigned>(plan.shared), true}, args);
    return;
  }
  device_.launch(stream_, attend_splits_name(s.dims, plan.slots),
                 {{static_cast<unsigned>(plan.ctas), all_heads, tokens}, kAttentionThreads, static_cast<unsigned>(plan.shared), true},
                 args);
}

// The norms of q and k that attention does not make: one plane, biases added.
Planes Step::norm_heads(const Variant& variant, const Layer& layer, const Planes& qkv) {
  const DecoderShape& s = decoder_.shape;
  const bool wide = s.head_norm == HeadNorm::kWidth;
  NormHeadsArguments args{};
  args.qkv = qkv;
  args.bias = layer.bias.count() == 0 ? nullptr : layer.bias.data();
  const int heads[] = {s.heads, s.kv_heads};
  for (int i = 0; i < 2; i++) {
    args.weight[i] = (i == 0 ? layer.query_norm : layer.key_norm).data();
    args.rows[i] = heads[i] * s.dims;
    args.groups[i] = wide ? 1 : heads[i];
    args.counted[i] = wide ? heads[i] * s.head_dims : s.head_dims;
  }
  args.epsilon = s.head_epsilon;
  args.out = normed_heads_.data();
  device_.launch(stream_, kNormHeads,
                 {{static_cast<unsigned>(args.groups[0] + args.groups[1] + 1), static_cast<unsigned>(variant.tokens), 1},
                  kNormHeadsThreads, 0, true},
                 args);
  return {args.out, 1, qkv.tokens, qkv.rows};
}

}  // namespace esparse
