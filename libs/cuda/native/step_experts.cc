// The mixtures of a step: what is between their kernels, and these.
#include "kernel_names.h"
#include "step.h"

namespace esparse {

Step::ExpertBuffers::ExpertBuffers(const DecoderShape& s) {
  const std::size_t groups = expert_groups(kMaxRows, s.top, s.experts), slots = groups * kGroupPairs;
  rows = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.hidden);
  scores = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.experts);
  shares = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.top);
  slot_of = DeviceArray<std::int32_t>(static_cast<std::size_t>(kMaxRows) * s.top);
  expert_of = DeviceArray<std::int32_t>(groups);
  token_of = DeviceArray<std::int32_t>(slots);
  gathered = DeviceArray<std::uint8_t>(2 * groups * activation_bytes(s.hidden, kGroupPairs));
  sums = DeviceArray<float>(slots * 2 * s.inner);
  activated = DeviceArray<std::uint8_t>(groups * activation_bytes(s.inner, kGroupPairs));
  given = DeviceArray<float>(slots * s.hidden);
  combined = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.hidden);
}

std::size_t Step::ExpertBuffers::bytes(const DecoderShape& s) {
  if (s.experts == 0) return 0;
  const std::size_t groups = expert_groups(kMaxRows, s.top, s.experts), slots = groups * kGroupPairs;
  return 4 * (kMaxRows * (2 * static_cast<std::size_t>(s.hidden) + s.experts + 2 * s.top) + 2 * slots +
              slots * (2 * static_cast<std::size_t>(s.inner) + s.hidden)) +
         groups * activation_bytes(2 * s.hidden + s.inner, kGroupPairs);
}

// What the experts of each token make of the stream and what attention gave.
Planes Step::enqueue_experts(const Variant& variant, const Layer& layer, const Given& given) {
  const DecoderShape& s = decoder_.shape;
  const Experts& experts = layer.experts;
  ExpertBuffers& of = experts_;
  const unsigned groups = expert_groups(variant.tokens, s.top, s.experts), tokens = variant.tokens;
  JoinArguments join = join_of(variant, given, norm_input(given, layer.mlp.before), layer.mlp.shift);
  join.rows = of.rows.data();
  device_.launch(stream_, kJoin, by_token(variant, kNormThreads, s.hidden * 4), join);

  RouteArguments route{of.rows.data(), experts.router.data(), data_of(experts.router_bias), inputs_.data() + kMaxRows,
                       variant.tokens, s.hidden, s.experts, s.top, static_cast<int>(groups), s.normalises,
                       of.scores.data(), of.shares.data(), of.slot_of.data(), of.expert_of.data(), of.token_of.data()};
  device_.launch(stream_, kScoreExperts, {{ceil_div(s.experts, kScoreThreads / kLanes), tokens, 1}, kScoreThreads, 0, true}, route);
  device_.launch(stream_, kRoute, {{1, 1, 1}, kRouteThreads, 0, true}, route);

  const unsigned sets = experts.gate.sparse() ? 2 : 1;
  GatherArguments gather{of.rows.data(), of.expert_of.data(), of.token_of.data(), {}, 0, s.hidden, of.gathered.data()};
  for (int i = 0; i < 2; i++) gather.sources[i] = experts.gate.sparse() ? experts.sources[i].data() : decoder_.natural.data();
  gather.source_stride = experts.gate.sparse() ? s.hidden : 0;
  device_.launch(stream_, kGatherRows, {{groups, sets, 1}, kGatherThreads, 0, true}, gather);

  const auto linear = [&](const Linear& from, const std::uint8_t* first, const std::uint8_t* second, unsigned sets,
                          const std::uint8_t* fragments, float* out) {
    ExpertLinearArguments args{{first, second}, experts.stride_of(from), from.panels(), from.rows, from.blocks(),
                               static_cast<int>(sets), fragments, of.expert_of.data(), out, 0};
    const unsigned linears = second == nullptr ? 1 : 2;
    args.out_rows = from.rows * static_cast<int>(linears);
    device_.launch(stream_, expert_linear_name(from.encoding),
                   {{static_cast<unsigned>(args.panels) * linears, groups, 1}, kLinearThreads, 0, true}, args);
  };
  linear(experts.gate, experts.gates.data(), experts.ups.data(), sets, of.gathered.data(), of.sums.data());
  const ActivateExpertsArguments activate{of.sums.data(), data_of(experts.inner_bias), of.expert_of.data(), of.token_of.data(),
                                          s.inner, s.alpha, s.limit, of.activated.data()};
  device_.launch(stream_, activate_experts_name(s.activation),
                 {{ceil_div(s.inner / 2, kSwigluThreads), groups * kGroupPairs, 1}, kSwigluThreads, 0, true}, activate);
  linear(experts.down, experts.downs.data(), nullptr, 1, of.activated.data(), of.given.data());
  const CombineArguments combine{of.given.data(), data_of(experts.bias), of.shares.data(), of.slot_of.data(),
                                 of.expert_of.data(), s.top, s.hidden, of.combined.data()};
  device_.launch(stream_, kCombineExperts, by_token(variant, kGatherThreads, 0), combine);
  return {of.combined.data(), 1, variant.tokens, s.hidden};
}

}  // namespace esparse
