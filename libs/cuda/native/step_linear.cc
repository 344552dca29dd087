// The linears of a step, and the norms that give them their activations.
#include "step_linear.h"

#include "../kernels/linear_wide_plan.h"
#include "kernel_names.h"

namespace esparse {

// The stream with what is added to it, which becomes the stream; a norm of that.
NormInput Step::norm_input(const Given& given, const DeviceArray<float>& weight) {
  const DecoderShape& s = decoder_.shape;
  const NormInput input{residual_[current_].data(), residual_[1 - current_].data(), given.planes, data_of(weight),
                        s.epsilon, s.hidden, s.channels, 1.0f / s.channels};
  if (given.planes.data != nullptr) current_ = 1 - current_;
  return input;
}

JoinArguments Step::join_of(const Variant& variant, const Given& given, const NormInput& input,
                            const DeviceArray<float>& shift) const {
  JoinArguments args{};
  args.join = {input, data_of(shift), nullptr, nullptr, decoder_.shape.after_epsilon};
  args.tokens = variant.tokens;
  if (given.part != nullptr) {
    args.join.added_bias = data_of(given.part->bias);
    args.join.after = data_of(given.part->after);
  }
  return args;
}

// Whether linears in that encoding read activations as rows.
bool Step::takes_rows(const Variant& variant, Encoding encoding) const {
  return esparse::takes_rows(format_of(encoding), variant.tokens, device_.has_wgmma());
}

// Whether linears norm the stream by themselves. Then o and down add to it, so that a norm has nothing to add.
bool Step::norms_itself(const Variant& variant) const { return decoder_.shape.plain() && variant.tokens <= kNormedTokens; }

// The last linear of a part, whose outputs are given to the stream.
Step::Given Step::give(const Variant& variant, LinearLaunch& linear, const Part& part) {
  if (!norms_itself(variant)) return {launch(linear), &part};
  linear.args.stream = linear.args.out = residual_[0].data();
  launch(linear);
  return {};
}

// Adds what is given to the stream and gives each reader its activations: written by a kernel, or, for few tokens, how the
// linear makes them. Dense linears read one and the same.
std::vector<LinearActivations> Step::norm(const Variant& variant, LinearLaunch& linear, const Given& given,
                                          const DeviceArray<float>& weight, const DeviceArray<float>& shift,
                                          const DeviceArray<std::uint16_t>* sources, int readers) {
  const DecoderShape& s = decoder_.shape;
  const NormInput input = norm_input(given, weight);
  std::vector<LinearActivations> out;
  const auto source = [&](int i) { return linear.sparse() ? sources[i].data() : decoder_.natural.data(); };
  if (norms_itself(variant)) {
    linear.input = Input::kNormed;
    linear.args.norm = input;
    for (int i = 0; i < readers; i++) out.push_back({nullptr, source(i)});
    return out;
  }
  DigitOrder digits = s.plain() ? digits_of(linear.encoding) : DigitOrder{};
  digits.rows = takes_rows(variant, linear.encoding);
  NormArguments args{input, variant.tokens, {}, linear.sparse() ? readers : 1, digits};
  for (int i = 0; i < readers; i++) {
    const int own = linear.sparse() ? i : 0;
    args.readers[own] = {source(own), normed_[own].data()};
    out.push_back({normed_[own].data(), nullptr, digits.bits != 0});
  }
  if (s.plain()) {
    Device::Launch launch = by_token(variant, kNormThreads, s.hidden * 4);
    launch.grid[1] = norm_ctas(variant.tokens, args.reader_count, digits);
    device_.launch(stream_, kNorm, launch, args);
    return out;
  }
  JoinArguments join = join_of(variant, given, input, shift);
  join.as_rows = digits.rows;
  join.reader_count = args.reader_count;
  std::copy(args.readers, args.readers + args.reader_count, join.readers);
  device_.launch(stream_, kJoin, by_token(variant, kNormThreads, s.hidden * 4), join);
  return out;
}

// Makes digits of activations that are none yet, where linears of so many tokens want them.
void Step::digitise(LinearLaunch& linear) {
  const DigitOrder order = digits_of(linear.encoding);
  if (order.bits == 0) return;
  const std::uint8_t* last = nullptr;
  int made = -1;
  for (int i = 0; i < linear.args.segment_count; i++) {
    LinearActivations& x = linear.args.activations[i];
    if (x.digits) continue;
    if (x.fragments != last) {
      last = x.fragments;
      const int pieces = linear.cols / kDigitInputs * linear.tokens;
      const unsigned threads = pieces * kDigitLanes;
      device_.launch(stream_, kDigitise, {{ceil_div(threads, kDigitiseThreads), 1, 1}, kDigitiseThreads, 0, true}, x.fragments,
                     digits_.at(++made).data(), pieces, kernel_tokens(linear.tokens), order);
    }
    x = {digits_[made].data(), nullptr, true};
  }
}

// Pairs are activated by the linear itself where it sums whole rows; else their planes are given.
Planes Step::launch(LinearLaunch& linear) {
  LinearArguments& args = linear.args;
  const Format format = format_of(linear.encoding);
  LinearProblem problem{format, {}, args.segment_count, linear.cols, linear.tokens};
  for (int s = 0; s < args.segment_count; s++) problem.panels[s] = args.segments[s].panels;
  problem.sets = linear.sparse() && linear.output != Output::kPlanes ? 2 : 1;
  problem.normed = linear.input == Input::kNormed;
  if (linear.input == Input::kMerged) problem.merged = args.merge.heads << args.merge.dims_shift;
  problem.late_splits = late_splits_;
  problem.digits = args.activations[0].digits;
  problem.shared = device_.facts().shared_of_cta;
  problem.hopper = device_.has_wgmma();
  const bool widest = linear_is_widest(problem), wide = !widest && linear_is_wide(problem);
  const LinearTuning tuning = chosen_tuning(problem);
  if (linear.output == Output::kPairedPlanes && tuning.warps == kSlices) linear.output = Output::kSwiglu;
  const int sms = device_.facts().multiprocessors;
  args.plan = widest ? plan_widest(problem, sms) : wide ? plan_wide(problem, sms) : plan_linear(problem, tuning, sms);
  args.blocks = linear.cols / format.inputs;
  place_segments(args, format);
  if (widest) {
    args.pending = pending_.data();
    device_.launch(stream_, linear_widest_name(linear.encoding, linear.tokens, args.plan.panels),
                   {{static_cast<unsigned>(args.plan.ctas), static_cast<unsigned>(args.plan.planes), 1},
                    kWidestThreads,
                    static_cast<unsigned>(args.plan.shared),
                    true},
                   args);
    return {args.out, args.plan.planes, linear.tokens, args.out_rows};
  }
  if (wide) {
    digitise(linear);
    device_.launch(stream_, linear_wide_name(linear.encoding, wide_tokens(problem)),
                   {{static_cast<unsigned>(args.plan.ctas), static_cast<unsigned>(args.plan.planes),
                     static_cast<unsigned>(wide_groups(problem))},
                    kLinearThreads,
                    static_cast<unsigned>(args.plan.shared),
                    true},
                   args);
    return {args.out, args.plan.planes, linear.tokens, args.out_rows};
  }
  device_.launch(stream_, linear_name(linear.encoding, kernel_tokens(linear.tokens), tuning.warps, linear.input, linear.output),
                 {{static_cast<unsigned>(args.plan.ctas), static_cast<unsigned>(args.plan.planes),
                   static_cast<unsigned>(token_groups(linear.tokens))},
                  kLinearThreads,
                  static_cast<unsigned>(args.plan.shared),
                  true},
                 args);
  return {args.out, args.plan.planes, linear.tokens, args.out_rows};
}

}  // namespace esparse
