// A decoder of the Llama kind with random weights, and one decode step of it, in the kernels' order.
#pragma once
#include "../kernels/attention_walk.cuh"
#include "../kernels/norm.cuh"
#include "../kernels/sample.cuh"
#include "../kernels/activation.cuh"
#include "matrix.cuh"

namespace harness {

struct Shape {
  const char* name;
  int hidden, inner, layers, heads, kv_heads, dims, vocabulary;
};
constexpr Shape k8B{"8B", 4096, 14336, 32, 32, 8, 128, 128256}, k1B{"1.1B", 2048, 5632, 22, 32, 4, 64, 32000};
constexpr float kEpsilon = 1e-5f;

struct Layer {
  Matrix q, k, v, o, gate, up, down;
  Device<std::uint8_t> gate_up;  // both, repacked
  Device<float> attention_norm, mlp_norm;
  Device<std::uint16_t> sources[6];  // of q, k, v, gate, up, o
  Device<std::uint16_t> inverse_o;
  Device<std::uint16_t> keys, values;
};

struct Decoder {
  Shape shape;
  Encoding encoding;  // of the linears of blocks; see `head_of`
  std::vector<Layer> layers;
  Device<std::uint16_t> embedding;
  Device<float> norm;
  Matrix head;  // not 2:4: heads are not pruned
  Device<std::uint16_t> head_sources;
  Device<float2> rotary;
};

// Cosine and sine of each position and pair of dims.
inline std::vector<float2> rotary_table(int positions, int dims) {
  std::vector<float2> out(static_cast<std::size_t>(positions) * dims / 2);
  for (std::size_t i = 0; i < out.size(); i++) {
    const int pair = static_cast<int>(i % (dims / 2)), position = static_cast<int>(i / (dims / 2));
    const double angle = position * std::pow(5e5, -2.0 * pair / dims);
    out[i] = {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
  }
  return out;
}

// `pages`: of each layer's cache, whose contents are random. `keep_stored`: for the reference; else only what is
// repacked stays.
inline Decoder random_decoder(const Shape& shape, Encoding encoding, int pages, int positions, bool keep_stored,
                              std::uint64_t seed) {
  Decoder decoder;
  decoder.shape = shape;
  decoder.encoding = encoding;
  const int kv = shape.kv_heads * shape.dims;
  const auto norm_weight = [&](std::uint64_t s) {
    std::vector<float> out = random_floats(shape.hidden, s, 0.5f);
    for (float& weight : out) weight += 1;
    return Device<float>(out);
  };
  for (int l = 0; l < shape.layers; l++) {
    decoder.layers.emplace_back();
    Layer& layer = decoder.layers.back();
    const std::uint64_t s = seed + 1000 * (l + 1);
    layer.q = random_matrix(shape.heads * shape.dims, shape.hidden, encoding, s);
    layer.k = random_matrix(kv, shape.hidden, encoding, s + 10);
    layer.v = random_matrix(kv, shape.hidden, encoding, s + 20);
    layer.o = random_matrix(shape.hidden, shape.heads * shape.dims, encoding, s + 30);
    layer.gate = random_matrix(shape.inner, shape.hidden, encoding, s + 40);
    layer.up = random_matrix(shape.inner, shape.hidden, encoding, s + 50);
    layer.down = random_matrix(shape.hidden, shape.inner, encoding, s + 60);
    layer.attention_norm = norm_weight(s + 70);
    layer.mlp_norm = norm_weight(s + 80);
    Matrix* const readers[] = {&layer.q, &layer.k, &layer.v, &layer.gate, &layer.up};
    for (int i = 0; i < 5; i++) layer.sources[i] = Device<std::uint16_t>(fragment_sources(*readers[i]));
    layer.sources[5] = Device<std::uint16_t>(fragment_sources(layer.o));
    layer.inverse_o = Device<std::uint16_t>(inverse_permutation(layer.o));
    // The rows of gate and up stand in the order of down's inputs.
    layer.gate_up = repack_pair(layer.gate, layer.up, layer.down.permutation_device);
    for (Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.down}) repack(*matrix);
    const std::size_t cache = static_cast<std::size_t>(pages) * kv * kPagePositions;
    layer.keys = Device<std::uint16_t>(cache);
    layer.values = Device<std::uint16_t>(cache);
    fill_bf16<<<1024, 256>>>(layer.keys, cache, s + 90, 1);
    fill_bf16<<<1024, 256>>>(layer.values, cache, s + 91, 1);
    if (!keep_stored) {
      for (Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
        matrix->forget_stored();
      }
    }
  }
  decoder.embedding = Device<std::uint16_t>(static_cast<std::size_t>(shape.vocabulary) * shape.hidden);
  fill_bf16<<<1024, 256>>>(decoder.embedding, decoder.embedding.count(), seed + 1, 1);
  decoder.norm = norm_weight(seed + 2);
  decoder.head = random_matrix(shape.vocabulary, shape.hidden, head_of(encoding), seed + 3);
  repack(decoder.head);
  if (!keep_stored) decoder.head.forget_stored();
  decoder.head_sources = Device<std::uint16_t>(fragment_sources(decoder.head));
  decoder.rotary = Device<float2>(rotary_table(positions, shape.dims));
  CHECK(cudaDeviceSynchronize());
  return decoder;
}

// The sequences of a step, on the device.
struct Batch {
  int tokens, max_pages;
  Device<std::int32_t> ids, positions, page_table;
  Device<std::int32_t> advanced;  // what the step leaves as positions

  Batch(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& positions,
        const std::vector<std::int32_t>& page_table)
      : tokens(static_cast<int>(ids.size())),
        max_pages(static_cast<int>(page_table.size() / ids.size())),
        ids(ids),
        positions(positions),
        page_table(page_table),
        advanced(positions) {}
};

struct StepTuning {
  LinearTuning qkv, o, gate_up, down, head;
  // Of 64 tokens, where another than what is chosen is tried.
  std::optional<WidestTuning> widest_qkv, widest_o, widest_gate_up, widest_down, widest_head;
  explicit StepTuning(int tokens) : StepTuning(plain_tuning(tokens)) {}
  explicit StepTuning(const LinearTuning& all) { qkv = o = gate_up = down = head = all; }
};

// What a step leaves out, to see what it costs: the results are wrong then.
struct Omitted {
  bool attention = false;
};

// One decode step: buffers, and what is launched.
class Step {
 public:
  Step(const Decoder& decoder, const Batch& batch) : decoder_(decoder), batch_(batch) {
    const Shape& s = decoder.shape;
    const int tokens = batch.tokens;
    const auto outputs = [&](int rows) { return Device<float>(static_cast<std::size_t>(kSlices) * tokens * rows); };
    const auto fragments = [&](int inputs) { return Device<std::uint8_t>(activation_bytes(inputs, tokens)); };
    for (auto& residual : residual_) residual = Device<float>(static_cast<std::size_t>(tokens) * s.hidden);
    qkv_ = outputs((s.heads + 2 * s.kv_heads) * s.dims);
    o_ = outputs(s.hidden);
    gate_up_ = outputs(2 * s.inner);
    down_ = outputs(s.hidden);
    logits_ = outputs(s.vocabulary);
    for (auto& reader : normed_) reader = fragments(s.hidden);
    attended_ = fragments(s.heads * s.dims);
    activated_ = fragments(s.inner);
    const std::size_t splits = static_cast<std::size_t>(tokens) * s.heads * attention_splits(batch.max_pages);
    split_outputs_ = Device<float>(splits * s.dims);
    split_weights_ = Device<float2>(splits);
    arrived_ = Device<std::uint32_t>(std::vector<std::uint32_t>(static_cast<std::size_t>(tokens) * s.heads));
    keys_ = Device<std::uint64_t>(static_cast<std::size_t>(tokens) * logit_parts());
    chosen_ = Device<std::int32_t>(tokens);
    pending_sums();
    digits_of_segment(0);
  }

  void enqueue(const Launcher& launch, const StepTuning& tuning, const Omitted& omitted = {}) {
    const Shape& s = decoder_.shape;
    current_ = 0;
    all_chosen_ = tuning.qkv.warps == 0;  // of all linears
    launch(embed, batch_.tokens, 256, 0, batch_.ids, decoder_.embedding, residual_[0], s.hidden, s.hidden, 1.f,
           static_cast<const std::int32_t*>(batch_.positions), static_cast<const std::uint16_t*>(nullptr));
    Planes added{};
    for (const Layer& layer : decoder_.layers) {
      LinearLaunch qkv = linear(decoder_.encoding, s.hidden, qkv_);
      qkv.widest_tuning = tuning.widest_qkv;
      const auto x = norm(launch, qkv, added, layer.attention_norm, &layer.sources[0], 3);
      qkv.add(layer.q, layer.q.packed, x[0]);
      qkv.add(layer.k, layer.k.packed, x[1]);
      qkv.add(layer.v, layer.v.packed, x[2]);
      attend(launch, layer, qkv(launch, tuning.qkv), omitted);
      LinearLaunch o = adding(s.heads * s.dims, o_);
      if (merges_late()) {
        o.input = Input::kMerged;
        o.args.merge = {split_outputs_, split_weights_, nullptr, batch_.positions, s.heads, s.dims == 64 ? 6 : 7,
                        attention_splits(batch_.max_pages), 0};
      }
      o.widest_tuning = tuning.widest_o;
      o.add(layer.o, layer.o.packed, {attended_, layer.sources[5]});
      added = given(o(launch, tuning.o));
      LinearLaunch gate_up = linear(decoder_.encoding, s.hidden, gate_up_);
      gate_up.widest_tuning = tuning.widest_gate_up;
      const auto y = norm(launch, gate_up, added, layer.mlp_norm, &layer.sources[3], 2);
      const bool apart = tuning.gate_up.warps == 0
                             ? pair_is_apart(layer.gate.format(), layer.gate.tiles(), s.hidden, batch_.tokens)
                             : batch_.tokens > kGroupTokens || (is_sparse(decoder_.encoding) && tuning.gate_up.warps < kSlices);
      gate_up.pair(layer.gate, layer.gate_up, y[0], y[1], apart);
      const bool digits = activate(launch, gate_up, tuning.gate_up);
      LinearLaunch down = adding(s.inner, down_);
      down.widest_tuning = tuning.widest_down;
      down.add(layer.down, layer.down.packed, {activated_, nullptr, digits});
      added = given(down(launch, tuning.down));
    }
    LinearLaunch head = linear(head_of(decoder_.encoding), s.hidden, logits_);
    head.widest_tuning = tuning.widest_head;
    const auto x = norm(launch, head, added, decoder_.norm, &decoder_.head_sources, 1);
    head.add(decoder_.head, decoder_.head.packed, x[0]);
    const Planes logits = head(launch, tuning.head);
    logit_planes_ = logits.planes;
    launch(argmax_parts, dim3(logit_parts(), batch_.tokens), kSampleThreads, 0, logits, decoder_.shape.vocabulary, nullptr,
           keys_);
    launch(argmax, batch_.tokens, kSampleThreads, 0, keys_, logit_parts(), Sequences{batch_.ids, batch_.advanced}, chosen_);
  }

  // [tokens][vocabulary], the planes added up.
  std::vector<float> logits() const {
    const std::size_t count = static_cast<std::size_t>(batch_.tokens) * decoder_.shape.vocabulary;
    std::vector<float> planes = logits_.host();
    planes.resize(logit_planes_ * count);
    return sum_of_planes(planes, count);
  }

  void poison() {
    for (Device<float>* buffer :
         {&residual_[0], &residual_[1], &qkv_, &o_, &gate_up_, &down_, &logits_, &split_outputs_}) {
      buffer->poison();
    }
    for (Device<std::uint8_t>* buffer : {&normed_[0], &normed_[1], &normed_[2], &attended_, &activated_}) {
      buffer->poison();
    }
    split_weights_.poison();
    keys_.poison();
  }

 private:
  bool merges_late() const {
    return adds_splits_late(decoder_.shape.heads * decoder_.shape.dims, batch_.max_pages, batch_.tokens);
  }
  int logit_parts() const { return (decoder_.shape.vocabulary + kPartLogits - 1) / kPartLogits; }

  // How activations of linears stand.
  DigitOrder order_of(Encoding encoding) const {
    DigitOrder order = digits_of(encoding);
    order.rows = all_chosen_ && takes_rows(format_of(encoding), batch_.tokens, true);
    return order;
  }
  LinearLaunch linear(Encoding encoding, int cols, float* out) const {
    LinearLaunch launch{encoding, cols, batch_.tokens};
    launch.args.out = out;
    launch.late_splits = merges_late();
    return launch;
  }

  // Of o and down: of one token, they add to the stream what is else given to the norm.
  LinearLaunch adding(int cols, float* out) const {
    LinearLaunch launch = linear(decoder_.encoding, cols, batch_.tokens <= kNormedTokens ? residual_[0] : out);
    if (batch_.tokens <= kNormedTokens) launch.args.stream = residual_[0];
    return launch;
  }
  Planes given(const Planes& planes) const { return batch_.tokens <= kNormedTokens ? Planes{} : planes; }

  // Adds `added` to the stream and gives each reader its activations: written by a kernel, or, for few tokens, how the
  // linear makes them. Dense linears read one and the same.
  std::vector<LinearActivations> norm(const Launcher& launch, LinearLaunch& linear, const Planes& added,
                                      const float* weight, const Device<std::uint16_t>* sources, int readers) {
    const NormInput input{residual_[current_], residual_[1 - current_], added, weight, kEpsilon, decoder_.shape.hidden,
                          decoder_.shape.hidden, 1.0f / decoder_.shape.hidden};
    if (added.data != nullptr) current_ = 1 - current_;
    std::vector<LinearActivations> out;
    if (batch_.tokens <= kNormedTokens) {
      linear.input = Input::kNormed;
      linear.args.norm = input;
      for (int i = 0; i < readers; i++) out.push_back({nullptr, sources[i]});
      return out;
    }
    const DigitOrder digits = order_of(linear.encoding);
    NormArguments args{input, batch_.tokens, {}, 0, digits};
    for (int i = 0; i < readers; i++) {
      const int own = is_sparse(linear.encoding) ? i : 0;
      args.readers[own] = {sources[i], normed_[own]};
      args.reader_count = own + 1;
      out.push_back({normed_[own], nullptr, digits.bits != 0});
    }
    launch(esparse::norm, dim3(batch_.tokens, norm_ctas(batch_.tokens, args.reader_count, digits)), kNormThreads,
           decoder_.shape.hidden * 4, args);
    return out;
  }

  // silu(gate) * up, by the linear where it sums whole rows. Returns whether they are digits.
  bool activate(const Launcher& launch, LinearLaunch& gate_up, LinearTuning tuning) {
    const int inner = decoder_.shape.inner;
    if (tuning.warps == 0 && gate_up.output == Output::kPairedPlanes) tuning = chosen_tuning(gate_up.problem());
    if (tuning.warps == kSlices && gate_up.output == Output::kPairedPlanes) {
      gate_up.output = Output::kSwiglu;
      gate_up.args.fragments = activated_;
      gate_up(launch, tuning);
      return false;
    }
    const Planes planes = gate_up(launch, tuning);
    launch(swiglu, dim3((inner / 2 + kSwigluThreads - 1) / kSwigluThreads, swiglu_rows(inner, batch_.tokens)), kSwigluThreads, 0, planes,
           activated_, inner, order_of(decoder_.encoding));
    return bits_of(decoder_.encoding) != 0;
  }

  void attend(const Launcher& launch, const Layer& layer, const Planes& qkv, const Omitted& omitted) {
    const Shape& s = decoder_.shape;
    AttentionArguments args{};
    args.qkv = qkv;
    args.tokens = batch_.tokens;
    args.heads = s.heads;
    args.kv_heads = s.kv_heads;
    args.queries = s.heads / s.kv_heads;
    args.groups = query_groups(args.queries);
    args.keys = layer.keys;
    args.values = layer.values;
    args.page_table = batch_.page_table;
    args.positions = batch_.positions;
    args.max_pages = batch_.max_pages;
    args.rotary = decoder_.rotary;
    args.scale = 1 / std::sqrt(static_cast<float>(s.dims));
    args.inverse = layer.inverse_o;
    args.inputs = s.heads * s.dims;
    args.rows = order_of(decoder_.encoding).rows;
    args.fragments = merges_late() ? nullptr : static_cast<std::uint8_t*>(attended_);
    args.outputs = split_outputs_;
    args.weights = split_weights_;
    args.arrived = arrived_;
    const int queries = s.heads / s.kv_heads, heads = s.kv_heads * query_groups(queries);
    if (omitted.attention) return;
    const AttentionPlan plan =
        plan_attention({s.dims, queries, heads * batch_.tokens, batch_.max_pages, batch_.tokens, sm_count()});
    if (plan.walks) return launch(walk_kernel(s.dims), plan.ctas, kWalkThreads, plan.shared, args);
    launch(attention_kernel(s.dims, plan.slots), dim3(plan.ctas, heads, batch_.tokens), kAttentionThreads, plan.shared, args);
  }

  const Decoder& decoder_;
  const Batch& batch_;
  Device<float> residual_[2], qkv_, o_, gate_up_, down_, logits_, split_outputs_;
  Device<std::uint8_t> normed_[3], attended_, activated_;
  Device<float2> split_weights_;
  Device<std::uint32_t> arrived_;
  Device<std::uint64_t> keys_;
  Device<std::int32_t> chosen_;
  bool all_chosen_ = false;
  int current_ = 0;  // which residual is the stream's
  int logit_planes_ = 1;
};

}  // namespace harness
