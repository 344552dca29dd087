#include "step.h"

#include <numeric>

#include "failure.h"
#include "kernel_names.h"

namespace esparse {
namespace {

int bucket_of(int rows, const Device& device) {
  const int bucket = token_bucket(rows, device.facts().shared_of_cta);
  if (bucket == 0) throw Failure("internal", "a step of " + std::to_string(rows) + " rows");
  return bucket;
}

// Graphs are made for powers of two pages: CTAs beyond a sequence's own end at once, but their start takes time.
constexpr int kLeastPages = 4;

unsigned ceil_div(int count, int by) { return static_cast<unsigned>((count + by - 1) / by); }

// What the planes of a linear take at most, in any step; `shared`: bytes of a CTA, `sets` of activations.
std::size_t plane_floats(int shared, int rows, int cols, int sets = 1) {
  std::size_t most = 0;
  for (const int tokens : kTokenBuckets) {
    const LinearProblem problem{kSparseFormat, {(rows + kPanelRows - 1) / kPanelRows}, 1, cols, tokens, sets, false, shared};
    const int planes = linear_is_wide(problem) ? kSlices : linear_planes(chosen_tuning(problem).warps);
    most = std::max(most, static_cast<std::size_t>(planes) * tokens * rows);
  }
  return most;
}

const float* data_of(const DeviceArray<float>& array) { return array.count() == 0 ? nullptr : array.data(); }

int qkv_rows(const DecoderShape& s) { return (s.heads + 2 * s.kv_heads) * s.dims; }

}  // namespace

void embed(const Device& device, const Decoder& decoder, CuStream stream, unsigned tokens, const std::int32_t* ids,
           const std::int32_t* positions, float* residual) {
  const DecoderShape& s = decoder.shape;
  const Device::Launch how{{tokens, 1, 1}, kEmbedThreads, 0, true};
  const std::uint16_t* const learned = decoder.positions.count() == 0 ? nullptr : decoder.positions.data();
  if (decoder.embedding_integers.codes != nullptr) {
    device.launch(stream, kEmbedIntegers, how, ids, decoder.embedding_integers, residual, s.hidden, s.channels,
                  s.embedding_factor, positions, learned);
    return;
  }
  const std::uint16_t* const table = decoder.embedding.data();
  device.launch(stream, kEmbed, how, ids, table, residual, s.hidden, s.channels, s.embedding_factor, positions, learned);
}

std::size_t page_bytes_of(const DecoderShape& shape) {
  return static_cast<std::size_t>(shape.layers) * 2 * shape.kv_heads * kPagePositions * shape.dims * 2;
}

// A CTA for each token.
Device::Launch Step::by_token(const Variant& variant, unsigned threads, unsigned shared) const {
  return {{static_cast<unsigned>(variant.tokens), 1, 1}, threads, shared, true};
}

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

// A linear of up to three segments, or a pair, as it is put together.
struct Step::LinearLaunch {
  int tokens;
  Encoding encoding;
  int cols;
  LinearArguments args{};
  Input input = Input::kFragments;
  Output output = Output::kPlanes;

  LinearLaunch(int tokens, const Linear& first, float* out) : tokens(tokens), encoding(first.encoding), cols(first.cols) {
    args.out = out;
  }
  bool sparse() const { return is_sparse(encoding); }
  // A segment of plain outputs, after those before.
  void add(const Linear& linear, LinearActivations activations) {
    args.activations[args.segment_count] = activations;
    args.segments[args.segment_count++] = {linear.packed.data(), linear.panels(), 0, linear.rows, args.out_rows, false};
    args.out_rows += linear.rows;
  }
  // Gate and up; `apart`: in any case as two linears.
  void pair(const Layer& layer, LinearActivations of_gate, LinearActivations of_up, bool apart, std::uint8_t* activated,
            int shared) {
    args.activations[0] = of_gate;
    args.activations[1] = of_up;
    const int rows = layer.gate.rows, panels = layer.gate.tiles() / kPanelTiles;  // rows are whole blocks
    if (apart || pair_is_apart(layer.gate.format(), layer.gate.tiles(), cols, tokens, shared)) {
      args.segments[0] = {layer.gate_up.data(), panels, 0, rows, 0, true};
      args.segments[1] = {layer.gate_up.data() + layer.gate.format().tile_bytes, panels, 0, rows, rows, true};
      args.segment_count = 2;
      args.out_rows = 2 * rows;
      return;
    }
    args.segments[0] = {layer.gate_up.data(), layer.gate.tiles(), 0, layer.gate.rows, 0, false};
    args.segment_count = 1;
    args.out_rows = 2 * layer.gate.rows;
    args.fragments = activated;
    output = Output::kPairedPlanes;
  }
};

Step::Step(const Device& device, const Decoder& decoder, int max_pages, CuStream stream)
    : device_(device),
      decoder_(decoder),
      max_pages_(max_pages),
      stream_(stream),
      sampling_(device, decoder.shape, kMaxRows, max_pages * kPagePositions, stream),
      flights_{Flight(kMaxRows), Flight(kMaxRows)},
      of_head_(kMaxRows) {
  const DecoderShape& s = decoder.shape;
  const int shared = device.facts().shared_of_cta;
  const std::size_t inputs = kMaxRows * (3 + static_cast<std::size_t>(max_pages));
  host_inputs_ = PinnedArray<std::int32_t>(inputs);
  inputs_ = DeviceArray<std::int32_t>(inputs);
  for (auto& residual : residual_) residual = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.hidden);
  qkv_ = DeviceArray<float>(plane_floats(shared, qkv_rows(s), s.hidden));
  if (s.experts > 0) experts_ = ExpertBuffers(s);
  if (s.norms_heads_apart()) normed_heads_ = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * qkv_rows(s));
  o_ = DeviceArray<float>(plane_floats(shared, s.hidden, s.attended()));
  gate_up_ = DeviceArray<float>(plane_floats(shared, 2 * s.inner, s.hidden, 2));
  down_ = DeviceArray<float>(plane_floats(shared, s.hidden, s.inner));
  logit_planes_ = DeviceArray<float>(plane_floats(shared, logit_rows(), s.hidden));
  logits_ = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * logit_rows());
  for (auto& reader : normed_) reader = DeviceArray<std::uint8_t>(activation_bytes(s.hidden, kMaxRows));
  attended_ = DeviceArray<std::uint8_t>(activation_bytes(s.attended(), kMaxRows));
  // What fills up is written by nobody; its weights are zeros, so any number will do.
  check(driver().fill(attended_.address(), 0, attended_.bytes(), stream_), "clear memory");
  activated_ = DeviceArray<std::uint8_t>(activation_bytes(s.inner, kMaxRows));
  const std::size_t splits = static_cast<std::size_t>(kMaxRows) * s.heads * attention_splits(max_pages);
  split_outputs_ = DeviceArray<float>(splits * s.dims);
  split_weights_ = DeviceArray<float>(splits * 2);
  arrived_ = DeviceArray<std::uint32_t>(static_cast<std::size_t>(kMaxRows) * s.heads);
  check(driver().fill(arrived_.address(), 0, arrived_.bytes(), stream_), "clear memory");
  const std::size_t keys = static_cast<std::size_t>(kMaxRows) * logit_parts();
  keys_ = DeviceArray<std::uint64_t>(keys);
  chosen_ = DeviceArray<std::int32_t>(kMaxRows);
  host_logits_ = PinnedArray<float>(logit_rows());
}

std::size_t Step::bytes(const DecoderShape& s, int max_pages, int shared) {
  const std::size_t planes = plane_floats(shared, qkv_rows(s), s.hidden) + plane_floats(shared, s.hidden, s.attended()) +
                             plane_floats(shared, 2 * s.inner, s.hidden, 2) + plane_floats(shared, s.hidden, s.inner) +
                             plane_floats(shared, s.vocabulary, s.hidden);
  const std::size_t activations = activation_bytes(3 * s.hidden + s.attended() + s.inner, kMaxRows);
  const std::size_t splits = static_cast<std::size_t>(kMaxRows) * s.heads * attention_splits(max_pages) * (s.dims + 2);
  const std::size_t heads = s.norms_heads_apart() ? qkv_rows(s) : 0;
  return 4 * (planes + kMaxRows * (static_cast<std::size_t>(s.vocabulary) + 2 * s.hidden + heads) + splits) +
         ExpertBuffers::bytes(s) + activations + Sampling::bytes(s, kMaxRows, max_pages * kPagePositions);
}

void Step::run(const std::int32_t* inputs, int rows, const StepWants& wants, const std::vector<RowChoice>& choices) {
  std::vector<RowOf> asked;
  for (int row = 0; row < rows; row++) {
    asked.push_back({inputs[2 * kMaxRows + row], inputs[kMaxRows + row], inputs[row]});
  }
  // The rows may be those, or some of those, that follow the rows before them: what was begun is for such rows.
  std::vector<RowOf> next = flights_[flight_].continued();
  std::vector<int> places = places_of(asked, next);
  const bool taken = begun_ && wants.likeliest && !places.empty(), all = asked.size() == next.size();
  begun_ = false;
  if (taken) {
    flight_ = 1 - flight_;
    flights_[flight_].rows = std::move(next);
    places_ = std::move(places);
  } else {
    upload(inputs, rows);
    begun_tokens_ = bucket_of(rows, device_);
    flights_[flight_].rows = asked;
    places_.resize(rows);
    std::iota(places_.begin(), places_.end(), 0);
    begun_draw_ = wants.draw;
    begun_reports_ = wants.reports;
    if (wants.draw != Draw::kLikeliest) sampling_.take(0, choices);
    launch({begun_tokens_, pages_of(asked, 0), wants.several, wants.head, !wants.likeliest, true, wants.draw, wants.reports},
           flights_[flight_]);
  }
  last_ = &flights_[flight_];
  // Rows that went on for one step will go on: others, such as those of steps in turn, are not begun in vain.
  if (wants.continues && all && (taken || !places.empty())) {
    launch({begun_tokens_, pages_of(last_->rows, 1), false, true, false, true, begun_draw_, begun_reports_},
           flights_[1 - flight_]);
    begun_ = true;
  }
}

void Step::wait() const {
  if (last_ != nullptr) check(driver().wait_for_event(last_->done.get()), "run a step");
}

// Pages of the longest sequence, of so many positions more, as there is a graph for them.
int Step::pages_of(const std::vector<RowOf>& rows, int further) const {
  int last = 0;
  for (const RowOf& row : rows) last = std::max(last, row.position + further);
  int pages = kLeastPages;
  while (pages < last / kPagePositions + 1) pages *= 2;
  return std::min(pages, max_pages_);
}

void Step::upload(const std::int32_t* inputs, int rows) {
  std::int32_t* const to = host_inputs_.data();
  const std::size_t used = 3 * kMaxRows + static_cast<std::size_t>(rows) * max_pages_;
  const std::size_t all = 3 * kMaxRows + static_cast<std::size_t>(bucket_of(rows, device_)) * max_pages_;
  std::memcpy(to, inputs, used * 4);
  for (int row = rows; row < kMaxRows; row++) {
    to[row] = 0;
    to[kMaxRows + row] = -1;
  }
  std::fill(to + used, to + all, 0);
  check(driver().copy_to_device(inputs_.address(), to, all * 4, stream_), "take the tokens of a step");
}

void Step::launch(const Variant& variant, Flight& flight) {
  check(driver().launch_graph(graph_of(variant), stream_), "run a step");
  launches_[variant.tokens]++;
  if (variant.head) {
    check(driver().copy_to_host(flight.chosen.data(), chosen_.address(), variant.tokens * 4, stream_), "give its tokens");
    if (variant.reports) {
      check(driver().copy_to_host(flight.reports.data(), sampling_.reports().address(),
                                  variant.tokens * sizeof(ChoiceReport), stream_),
            "give its probabilities");
    }
  }
  check(driver().record_event(flight.done.get(), stream_), "run a step");
}

void Step::head(const DeviceArray<float>& residual, const std::int32_t* rows, int count, const StepWants& wants,
                const std::vector<RowChoice>& choices) {
  const std::size_t bytes = static_cast<std::size_t>(decoder_.shape.hidden) * 4;
  for (int i = 0; i < count; i++) {
    check(driver().copy_on_device(residual_[0].address() + i * bytes, residual.address() + rows[i] * bytes, bytes,
                                  stream_),
          "take the rows of a prompt");
  }
  if (wants.draw != Draw::kLikeliest) sampling_.take(1, choices);
  launch({bucket_of(count, device_), 0, false, true, !wants.likeliest, false, wants.draw, wants.reports}, of_head_);
  last_ = &of_head_;
  places_.resize(count);
  std::iota(places_.begin(), places_.end(), 0);
}

void Step::logits(int row, float* out) const {
  const CuPointer from = logits_.address() + static_cast<std::size_t>(places_.at(row)) * logit_rows() * 4;
  const std::size_t bytes = static_cast<std::size_t>(decoder_.shape.vocabulary) * 4;
  check(driver().copy_to_host(host_logits_.data(), from, bytes, stream_), "give the logits");
  check(driver().wait_for_stream(stream_), "give the logits");
  std::memcpy(out, host_logits_.data(), bytes);
}

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

// The stream with what is added to it, which becomes the stream; a norm of that.
NormInput Step::norm_input(const Given& given, const DeviceArray<float>& weight) {
  const DecoderShape& s = decoder_.shape;
  const NormInput input{residual_[current_].data(), residual_[1 - current_].data(), given.planes, data_of(weight),
                        s.epsilon, s.hidden, s.channels};
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

// Adds what is given to the stream and gives each reader its activations: written by a kernel, or, for few tokens, how the
// linear makes them. Dense linears read one and the same.
std::vector<LinearActivations> Step::norm(const Variant& variant, LinearLaunch& linear, const Given& given,
                                          const DeviceArray<float>& weight, const DeviceArray<float>& shift,
                                          const DeviceArray<std::uint16_t>* sources, int readers) {
  const DecoderShape& s = decoder_.shape;
  const NormInput input = norm_input(given, weight);
  std::vector<LinearActivations> out;
  const auto source = [&](int i) { return linear.sparse() ? sources[i].data() : decoder_.natural.data(); };
  if (s.plain() && variant.tokens <= kNormedTokens) {
    linear.input = Input::kNormed;
    linear.args.norm = input;
    for (int i = 0; i < readers; i++) out.push_back({nullptr, source(i)});
    return out;
  }
  NormArguments args{input, variant.tokens, {}, linear.sparse() ? readers : 1};
  for (int i = 0; i < readers; i++) {
    const int own = linear.sparse() ? i : 0;
    args.readers[own] = {source(own), normed_[own].data()};
    out.push_back({normed_[own].data(), nullptr});
  }
  if (s.plain()) {
    device_.launch(stream_, kNorm, by_token(variant, kNormThreads, s.hidden * 4), args);
    return out;
  }
  JoinArguments join = join_of(variant, given, input, shift);
  join.reader_count = args.reader_count;
  std::copy(args.readers, args.readers + args.reader_count, join.readers);
  device_.launch(stream_, kJoin, by_token(variant, kNormThreads, s.hidden * 4), join);
  return out;
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

// Pairs are activated by the linear itself where it sums whole rows; else their planes are given.
Planes Step::launch(LinearLaunch& linear) {
  LinearArguments& args = linear.args;
  const Format format = format_of(linear.encoding);
  LinearProblem problem{format, {}, args.segment_count, linear.cols, linear.tokens};
  for (int s = 0; s < args.segment_count; s++) problem.panels[s] = args.segments[s].panels;
  problem.sets = linear.sparse() && linear.output != Output::kPlanes ? 2 : 1;
  problem.normed = linear.input == Input::kNormed;
  problem.shared = device_.facts().shared_of_cta;
  const bool wide = linear_is_wide(problem);
  const LinearTuning tuning = chosen_tuning(problem);
  if (linear.output == Output::kPairedPlanes && tuning.warps == kSlices) linear.output = Output::kSwiglu;
  const int sms = device_.facts().multiprocessors;
  args.plan = wide ? plan_wide(problem, sms) : plan_linear(problem, tuning, sms);
  for (int s = 0; s < args.segment_count; s++) args.segments[s].first_cta = args.plan.first_cta[s];
  args.blocks = linear.cols / format.inputs;
  if (wide) {
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

void Step::attend(const Variant& variant, const Layer& layer, int index, const Planes& qkv) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens, kv_heads = s.kv_heads;
  const std::size_t half = static_cast<std::size_t>(cache_.pages) * s.kv_heads * kPagePositions * s.dims;
  AttentionArguments args{};
  args.qkv = qkv;
  args.head = heads_of(layer, s);
  args.window = layer.window;
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
  args.fragments = attended_.data();
  args.outputs = split_outputs_.data();
  args.weights = reinterpret_cast<float2*>(split_weights_.data());
  args.arrived = arrived_.data();
  const int queries = s.heads / s.kv_heads;
  const unsigned all_heads = kv_heads * query_groups(queries);
  const unsigned ctas = attention_ctas(s.dims, variant.pages, all_heads * tokens, device_.facts().multiprocessors);
  if (variant.several) {
    device_.launch(stream_, append_positions_name(s.dims), {{kv_heads, tokens, 1}, kAppendPositionThreads, 0, true}, args);
  }
  device_.launch(stream_, attend_splits_name(s.dims),
                 {{ctas, all_heads, tokens},
                  kAttentionThreads,
                  static_cast<unsigned>(attention_shared(s.dims, queries)),
                  true},
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

// From the stream and what attention gave to the activations of down.
void Step::enqueue_mlp(const Variant& variant, const Layer& layer, const Given& given) {
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
                   layer.inner_bias.count() == 0 ? nullptr : layer.inner_bias.data(), s.gated, activated_.data(), s.inner);
  } else if (first.output != Output::kSwiglu) {
    device_.launch(stream_, kSwigluKernel, how, sums, activated_.data(), s.inner);
  }
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
    o.add(layer.o, {attended_.data(), nullptr});
    const Given attended{launch(o), &layer.attention};
    if (s.experts > 0) {
      given = {enqueue_experts(variant, layer, attended), &layer.mlp};
      continue;
    }
    enqueue_mlp(variant, layer, attended);
    LinearLaunch down(variant.tokens, layer.down, down_.data());
    down.add(layer.down, {activated_.data(), nullptr});
    given = {launch(down), &layer.mlp};
  }
  return given;
}

void Step::enqueue(const Variant& variant) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens;
  current_ = 0;
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
