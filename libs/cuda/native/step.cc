#include "step.h"

#include "failure.h"
#include "kernel_names.h"

namespace esparse {
namespace {

int bucket_of(int rows) {
  for (const int bucket : kTokenBuckets) {
    if (rows <= bucket) return bucket;
  }
  throw Failure("internal", "a step of " + std::to_string(rows) + " rows");
}

// Graphs are made for powers of two pages: CTAs beyond a sequence's own end at once, but their start takes time.
constexpr int kLeastPages = 4;

unsigned ceil_div(int count, int by) { return static_cast<unsigned>((count + by - 1) / by); }

// Planes of the widest step.
std::size_t plane_floats(int rows) { return static_cast<std::size_t>(kSlices) * kMaxRows * rows; }

}  // namespace

std::size_t page_bytes_of(const DecoderShape& shape) {
  return static_cast<std::size_t>(shape.layers) * 2 * shape.kv_heads * kPagePositions * shape.dims * 2;
}

// A linear of up to three segments, or a pair, as it is put together.
struct Step::LinearLaunch {
  int tokens;
  bool sparse;
  int cols;
  LinearArguments args{};
  Input input = Input::kFragments;
  Output output = Output::kPlanes;

  LinearLaunch(int tokens, const Linear& first, float* out) : tokens(tokens), sparse(first.sparse), cols(first.cols) {
    args.out = out;
  }
  // A segment of plain outputs, after those before.
  void add(const Linear& linear, LinearActivations activations) {
    args.activations[args.segment_count] = activations;
    args.segments[args.segment_count++] = {linear.packed.data(), linear.panels(), 0, linear.rows, args.out_rows};
    args.out_rows += linear.rows;
  }
  // Gate and up.
  void pair(const Layer& layer, LinearActivations of_gate, LinearActivations of_up, std::uint8_t* activated) {
    args.activations[0] = of_gate;
    args.activations[1] = of_up;
    args.segments[0] = {layer.gate_up.data(), layer.gate.tiles(), 0, layer.gate.rows, 0};
    args.segment_count = 1;
    args.out_rows = 2 * layer.gate.rows;
    args.fragments = activated;
    output = plain_warps(tokens) == kSlices ? Output::kSwiglu : Output::kPairedPlanes;
  }
};

Step::Step(const Device& device, const Decoder& decoder, int max_pages, CuStream stream)
    : device_(device), decoder_(decoder), max_pages_(max_pages), stream_(stream) {
  const DecoderShape& s = decoder.shape;
  const std::size_t inputs = kMaxRows * (2 + static_cast<std::size_t>(max_pages));
  host_inputs_ = PinnedArray<std::int32_t>(inputs);
  inputs_ = DeviceArray<std::int32_t>(inputs);
  for (auto& residual : residual_) residual = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.hidden);
  qkv_ = DeviceArray<float>(plane_floats((s.heads + 2 * s.kv_heads) * s.dims));
  o_ = DeviceArray<float>(plane_floats(s.hidden));
  gate_up_ = DeviceArray<float>(plane_floats(2 * s.inner));
  down_ = DeviceArray<float>(plane_floats(s.hidden));
  logit_planes_ = DeviceArray<float>(plane_floats(logit_rows()));
  logits_ = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * logit_rows());
  for (auto& reader : normed_) reader = DeviceArray<std::uint8_t>(activation_bytes(s.hidden, kMaxRows));
  attended_ = DeviceArray<std::uint8_t>(activation_bytes(s.heads * s.dims, kMaxRows));
  activated_ = DeviceArray<std::uint8_t>(activation_bytes(s.inner, kMaxRows));
  const std::size_t parts = static_cast<std::size_t>(kMaxRows) * s.heads * max_pages;
  page_outputs_ = DeviceArray<float>(parts * s.dims);
  page_weights_ = DeviceArray<float>(parts * 2);
  const std::size_t keys = static_cast<std::size_t>(kMaxRows) * logit_parts();
  keys_ = DeviceArray<std::uint64_t>(keys);
  host_keys_ = PinnedArray<std::uint64_t>(keys);
  host_logits_ = PinnedArray<float>(logit_rows());
}

std::size_t Step::bytes(const DecoderShape& s, int max_pages) {
  const std::size_t rows = (s.heads + 2 * s.kv_heads) * s.dims + 2 * s.hidden + 2 * s.inner + s.vocabulary;
  const std::size_t activations = activation_bytes(3 * s.hidden + s.heads * s.dims + s.inner, kMaxRows);
  const std::size_t pages = static_cast<std::size_t>(kMaxRows) * s.heads * max_pages * (s.dims + 2);
  return 4 * (plane_floats(static_cast<int>(rows)) + kMaxRows * (static_cast<std::size_t>(s.vocabulary) + 2 * s.hidden) + pages) +
         activations;
}

void Step::run(const std::int32_t* inputs, int rows, bool several, bool head) {
  const int tokens = bucket_of(rows);
  std::int32_t* const to = host_inputs_.data();
  std::memcpy(to, inputs, (2 * kMaxRows + static_cast<std::size_t>(rows) * max_pages_) * 4);
  int last = 0;
  for (int row = 0; row < kMaxRows; row++) {
    if (row < rows) {
      last = std::max(last, to[kMaxRows + row]);
    } else {
      to[row] = 0;
      to[kMaxRows + row] = -1;
    }
  }
  const int used = last / kPagePositions + 1;
  int pages = kLeastPages;
  while (pages < used) pages *= 2;
  std::memset(to + 2 * kMaxRows + static_cast<std::size_t>(rows) * max_pages_, 0,
              static_cast<std::size_t>(tokens - rows) * max_pages_ * 4);
  const CuGraphExec graph = graph_of({tokens, std::min(pages, max_pages_), several, head, true});
  const std::size_t bytes = (2 * kMaxRows + static_cast<std::size_t>(tokens) * max_pages_) * 4;
  check(driver().copy_to_device(inputs_.address(), to, bytes, stream_), "take the tokens of a step");
  check(driver().launch_graph(graph, stream_), "run a step");
  if (head) take_keys(tokens);
  check(driver().wait_for_stream(stream_), "run a step");
}

void Step::head(const DeviceArray<float>& residual, const std::int32_t* rows, int count) {
  const std::size_t bytes = static_cast<std::size_t>(decoder_.shape.hidden) * 4;
  for (int i = 0; i < count; i++) {
    check(driver().copy_on_device(residual_[0].address() + i * bytes, residual.address() + rows[i] * bytes, bytes,
                                  stream_),
          "take the rows of a prompt");
  }
  const int tokens = bucket_of(count);
  check(driver().launch_graph(graph_of({tokens, 0, false, true, false}), stream_), "run the head");
  take_keys(tokens);
  check(driver().wait_for_stream(stream_), "run the head");
}

void Step::take_keys(int tokens) {
  check(driver().copy_to_host(host_keys_.data(), keys_.address(), static_cast<std::size_t>(tokens) * logit_parts() * 8,
                              stream_),
        "give the logits");
}

std::uint64_t Step::greatest(int row) const {
  const std::uint64_t* const keys = host_keys_.data() + static_cast<std::size_t>(row) * logit_parts();
  return *std::max_element(keys, keys + logit_parts());
}

void Step::logits(int row, float* out) const {
  const CuPointer from = logits_.address() + static_cast<std::size_t>(row) * logit_rows() * 4;
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

// Adds `added` to the stream and gives each reader its activations: written by a kernel, or, for few tokens, how the
// linear makes them. Dense linears read one and the same.
std::vector<LinearActivations> Step::norm(const Variant& variant, LinearLaunch& linear, const Planes& added,
                                          const DeviceArray<float>& weight, const DeviceArray<std::uint16_t>* sources,
                                          int readers) {
  const DecoderShape& s = decoder_.shape;
  const NormInput input{residual_[current_].data(), residual_[1 - current_].data(), added, weight.data(), s.epsilon,
                        s.hidden};
  if (added.data != nullptr) current_ = 1 - current_;
  std::vector<LinearActivations> out;
  const auto source = [&](int i) { return linear.sparse ? sources[i].data() : decoder_.natural.data(); };
  if (variant.tokens <= kNormedTokens) {
    linear.input = Input::kNormed;
    linear.args.norm = input;
    for (int i = 0; i < readers; i++) out.push_back({nullptr, source(i)});
    return out;
  }
  NormArguments args{input, variant.tokens, {}, linear.sparse ? readers : 1};
  for (int i = 0; i < readers; i++) {
    const int own = linear.sparse ? i : 0;
    args.readers[own] = {source(own), normed_[own].data()};
    out.push_back({normed_[own].data(), nullptr});
  }
  device_.launch(stream_, kNorm,
                 {{static_cast<unsigned>(variant.tokens), 1, 1}, kNormThreads, static_cast<unsigned>(s.hidden * 4), true},
                 args);
  return out;
}

Planes Step::launch(const LinearLaunch& linear) {
  LinearArguments args = linear.args;
  const Format format = linear.sparse ? kSparseFormat : kDenseFormat;
  LinearProblem problem{format, {}, args.segment_count, linear.cols, linear.tokens};
  for (int s = 0; s < args.segment_count; s++) problem.panels[s] = args.segments[s].panels;
  problem.sets = linear.sparse && linear.output != Output::kPlanes ? 2 : 1;
  problem.normed = linear.input == Input::kNormed;
  constexpr int kRingBytes = 192 << 10;
  args.plan = plan_linear(problem, {plain_warps(linear.tokens), 1, kRingBytes}, device_.facts().multiprocessors);
  for (int s = 0; s < args.segment_count; s++) args.segments[s].first_cta = args.plan.first_cta[s];
  args.blocks = linear.cols / format.inputs;
  device_.launch(stream_, linear_name(linear.sparse, linear.tokens, linear.input, linear.output),
                 {{static_cast<unsigned>(args.plan.ctas), static_cast<unsigned>(args.plan.planes), 1},
                  kLinearThreads,
                  static_cast<unsigned>(args.plan.shared),
                  true},
                 args);
  return {args.out, args.plan.planes, linear.tokens, args.out_rows};
}

void Step::attend(const Variant& variant, const Layer& layer, int index, const Planes& qkv) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens, heads = s.heads, kv_heads = s.kv_heads, dims = s.dims;
  const std::size_t half = static_cast<std::size_t>(cache_.pages) * s.kv_heads * kPagePositions * s.dims;
  AttentionArguments args{};
  args.qkv = qkv;
  args.heads = s.heads;
  args.kv_heads = s.kv_heads;
  args.keys = cache_.memory.data() + 2 * half * index;
  args.values = args.keys + half;
  args.positions = inputs_.data() + kMaxRows;
  args.page_table = inputs_.data() + 2 * kMaxRows;
  args.max_pages = max_pages_;
  args.appended = variant.several;
  args.rotary = reinterpret_cast<const float2*>(decoder_.rotary.data());
  args.scale = s.scale;
  args.outputs = page_outputs_.data();
  args.weights = reinterpret_cast<float2*>(page_weights_.data());
  if (variant.several) {
    device_.launch(stream_, append_positions_name(s.dims), {{kv_heads, tokens, 1}, dims, 0, true}, args);
  }
  device_.launch(stream_, attend_page_name(s.dims, s.heads / s.kv_heads),
                 {{static_cast<unsigned>(variant.pages), kv_heads, tokens}, kAttentionThreads, 0, true}, args);
  device_.launch(stream_, kMergePages, {{heads, tokens, 1}, dims, 0, true}, args, layer.inverse_o.data(),
                 attended_.data());
}

Planes Step::enqueue_blocks(const Variant& variant) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens;
  device_.launch(stream_, kEmbed, {{tokens, 1, 1}, kEmbedThreads, 0, true}, inputs_.data(), decoder_.embedding.data(),
                 residual_[0].data(), s.hidden);
  Planes added{};
  for (int index = 0; index < s.layers; index++) {
    const Layer& layer = decoder_.layers[index];
    LinearLaunch qkv(variant.tokens, layer.q, qkv_.data());
    const auto x = norm(variant, qkv, added, layer.attention_norm, &layer.sources[0], 3);
    qkv.add(layer.q, x[0]);
    qkv.add(layer.k, x[1]);
    qkv.add(layer.v, x[2]);
    attend(variant, layer, index, launch(qkv));
    LinearLaunch o(variant.tokens, layer.o, o_.data());
    o.add(layer.o, {attended_.data(), nullptr});
    added = launch(o);
    LinearLaunch gate_up(variant.tokens, layer.gate, gate_up_.data());
    const auto y = norm(variant, gate_up, added, layer.mlp_norm, &layer.sources[3], 2);
    gate_up.pair(layer, y[0], y[1], activated_.data());
    const Planes sums = launch(gate_up);
    if (gate_up.output != Output::kSwiglu) {
      device_.launch(stream_, kSwigluKernel, {{ceil_div(s.inner / 2, kSwigluThreads), tokens, 1}, kSwigluThreads, 0, true},
                     sums, activated_.data(), s.inner);
    }
    LinearLaunch down(variant.tokens, layer.down, down_.data());
    down.add(layer.down, {activated_.data(), nullptr});
    added = launch(down);
  }
  return added;
}

void Step::enqueue(const Variant& variant) {
  const DecoderShape& s = decoder_.shape;
  const unsigned tokens = variant.tokens;
  current_ = 0;
  const Planes added = variant.blocks ? enqueue_blocks(variant) : Planes{};
  if (!variant.head) return;
  LinearLaunch head(variant.tokens, decoder_.head, logit_planes_.data());
  const auto x = norm(variant, head, added, decoder_.norm, nullptr, 1);
  head.add(decoder_.head, x[0]);
  head.args.out_rows = logit_rows();
  const Planes planes = launch(head);
  device_.launch(stream_, kArgmaxParts, {{static_cast<unsigned>(logit_parts()), tokens, 1}, kSampleThreads, 0, true},
                 planes, s.vocabulary, logits_.data(), keys_.data());
}

}  // namespace esparse
