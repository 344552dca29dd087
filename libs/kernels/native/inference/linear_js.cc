// Linears as JavaScript makes and applies them: see src/inference/linear.ts.
#include <memory>

#include "compute_argument.h"
#include "linear.h"
#include "runtime/shuffled.h"

namespace esparse {

struct Linear {
  std::size_t rows = 0, cols = 0;
  virtual ~Linear() = default;
  virtual void apply(const float* x, std::size_t tokens, float* y) const = 0;
};

// A linear as an argument: what createPackedLinear, createQuantizedLinear or createDenseLinear gave.
template <>
struct Argument<const Linear*> {
  static constexpr const char* kType = "linear";
  static bool read(napi_env env, napi_value value, const Linear*& to) {
    void* handle = nullptr;
    if (napi_get_value_external(env, value, &handle) != napi_ok) return false;
    to = static_cast<const Linear*>(handle);
    return true;
  }
};

namespace {

struct PackedLinear : Linear {
  PackedWeights weights = {};
  Compute with;
  void apply(const float* x, std::size_t tokens, float* y) const override {
    apply_packed(with, weights, x, tokens, y);
  }
};

struct QuantizedLinear : Linear {
  QuantizedWeights weights = {};
  Compute with;
  void apply(const float* x, std::size_t tokens, float* y) const override {
    apply_quantized(with, weights, x, tokens, y);
  }
};

struct DenseLinear : Linear {
  DenseWeights weights = {};
  Compute with;
  void apply(const float* x, std::size_t tokens, float* y) const override {
    apply_dense(with, weights, x, tokens, y);
  }
};

Napi::Value handle_of(Napi::Env env, std::unique_ptr<Linear> linear) {
  return Napi::External<Linear>::New(env, linear.release(), [](Napi::Env, Linear* unused) { delete unused; });
}

// The arrays must live as long as the linear; the permutation is copied.
struct CreatePackedArguments {
  const Compute* compute;
  Dtype dtype;  // of the values: bf16 or f16
  std::size_t rows, cols, keep, group, bits;
  Span<std::uint16_t> values;
  Span<std::uint8_t> indices;
  Optional<std::int32_t> permutation;  // (cols)
  Optional<float> bias;                // (rows)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("dtype", dtype), each("rows", rows), each("cols", cols), each("keep", keep);
    each("group", group), each("bits", bits), each("values", values), each("indices", indices);
    each("permutation", permutation), each("bias", bias);
  }
};

void check_matrix(Call& call, std::size_t rows, std::size_t cols, const Optional<float>& bias) {
  if (rows < 1 || rows > kMaxDimension) call.refuse("rows", "no linear has as many");
  if (cols < 1 || cols > kMaxDimension) call.refuse("cols", "no linear has as many");
  if (bias.data != nullptr) call.exactly("bias", bias, rows);
}

// Refuses bits of a position, none in a mask layout, that do not go with the group.
void check_index_bits(Call& call, std::size_t given, std::size_t group) {
  std::size_t bits = 0;
  while (bits < 5 && (std::size_t{1} << bits) < group) bits++;
  if (given != 0 && given != bits) call.refuse("bits", "a position in the group has " + std::to_string(bits));
}

// Copies the order of the inputs, that of the columns where there is no permutation.
void take_order(Call& call, const Optional<std::int32_t>& permutation, PackedWeights& w) {
  w.order.reserve(w.cols);
  for (std::size_t i = 0; i < w.cols; i++) {
    const auto channel = permutation.data == nullptr ? static_cast<std::int32_t>(i) : permutation.data[i];
    if (channel < 0 || static_cast<std::size_t>(channel) >= w.cols) {
      return call.refuse("permutation", "a channel is out of range");
    }
    w.order.push_back(static_cast<std::uint32_t>(channel));
  }
}

// Gives a linear, or the first tile * groups + group whose indices are wrong.
Napi::Value create_packed(Call& call, const CreatePackedArguments& a) {
  check_matrix(call, a.rows, a.cols, a.bias);
  check_pattern(call, a.keep, a.group, a.cols);
  check_index_bits(call, a.bits, a.group);
  if (call.failed()) return call.nothing();
  auto linear = std::make_unique<PackedLinear>();
  linear->rows = a.rows, linear->cols = a.cols, linear->with = *a.compute;
  PackedWeights& w = linear->weights;
  w.rows = a.rows, w.cols = a.cols, w.keep = a.keep, w.group = a.group, w.bits = a.bits, w.f16 = a.dtype == kF16;
  w.values = a.values.data, w.indices = a.indices.data, w.bias = a.bias.data;
  const std::size_t count = w.tiles() * w.groups();
  call.exactly("values", a.values, count * w.group_values());
  call.exactly("indices", a.indices, count * w.group_bytes());
  if (a.permutation.data != nullptr) call.exactly("permutation", a.permutation, w.cols);
  if (!call.failed()) take_order(call, a.permutation, w);
  if (call.failed()) return call.nothing();
  const std::size_t wrong = first_wrong_group(w, a.compute->threads);
  if (wrong != kAllRight) return Napi::Number::New(call.env(), static_cast<double>(wrong));
  return handle_of(call.env(), std::move(linear));
}

// The arrays must live as long as the linear; the permutation is copied.
struct CreateQuantizedArguments {
  const Compute* compute;
  std::size_t bits;  // of a code: 3, 4 or 8
  std::size_t rows, cols, keep, group, indexBits, span;
  Span<std::uint8_t> codes;
  Span<std::uint16_t> scales;          // bf16
  Optional<std::uint8_t> indices;      // null where nothing is pruned
  Optional<std::int32_t> permutation;  // (cols)
  Optional<float> bias;                // (rows)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("bits", bits), each("rows", rows), each("cols", cols), each("keep", keep);
    each("group", group), each("indexBits", indexBits), each("span", span), each("codes", codes);
    each("scales", scales), each("indices", indices), each("permutation", permutation), each("bias", bias);
  }
};

// Products of a span with 16-bit inputs must fit 32 bits.
constexpr std::size_t kMostSurvivorsOfSpan = 512;

// Gives a linear, or the first tile * groups + group whose indices are wrong.
Napi::Value create_quantized(Call& call, const CreateQuantizedArguments& a) {
  check_matrix(call, a.rows, a.cols, a.bias);
  const bool all = a.keep == 1 && a.group == 1;
  if (all != (a.indices.data == nullptr)) call.refuse("indices", "there are some where something is pruned");
  if (!all) check_pattern(call, a.keep, a.group, a.cols);
  if (a.bits != 3 && a.bits != 4 && a.bits != 8) call.refuse("bits", "3, 4 or 8 were expected");
  if (a.span < 1 || a.span > kMostSurvivorsOfSpan || a.span * a.keep > kMostSurvivorsOfSpan) {
    call.refuse("span", "no number of groups that share a scale");
  }
  if (call.failed()) return call.nothing();
  auto linear = std::make_unique<QuantizedLinear>();
  linear->rows = a.rows, linear->cols = a.cols, linear->with = *a.compute;
  QuantizedWeights& w = linear->weights;
  w.codes = a.codes.data, w.scales = a.scales.data, w.span = a.span, w.bits = a.bits;
  PackedWeights& p = w.where;
  p.rows = a.rows, p.cols = a.cols, p.keep = a.keep, p.group = a.group, p.bits = a.indexBits;
  p.indices = a.indices.data, p.bias = a.bias.data;
  check_index_bits(call, a.indexBits, a.group);
  call.exactly("codes", a.codes, p.tiles() * w.code_bytes());
  call.exactly("scales", a.scales, p.tiles() * w.spans() * kTileRows);
  if (!all) call.exactly("indices", a.indices, p.tiles() * w.index_bytes());
  if (a.permutation.data != nullptr) call.exactly("permutation", a.permutation, p.cols);
  if (!call.failed()) take_order(call, a.permutation, p);
  if (call.failed()) return call.nothing();
  const std::size_t wrong = first_wrong_group(w, a.compute->threads);
  if (wrong != kAllRight) return Napi::Number::New(call.env(), static_cast<double>(wrong));
  return handle_of(call.env(), std::move(linear));
}

// The arrays must live as long as the linear.
struct CreateDenseArguments {
  const Compute* compute;
  Dtype dtype;
  std::size_t rows, cols;
  StoredFloats weights;  // (rows, cols)
  Optional<float> bias;  // (rows)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("dtype", dtype), each("rows", rows), each("cols", cols);
    each("weights", weights), each("bias", bias);
  }
};

Napi::Value create_dense(Call& call, const CreateDenseArguments& a) {
  check_matrix(call, a.rows, a.cols, a.bias);
  if (a.weights.wide() != (a.dtype == kF32)) call.refuse("weights", "its elements are not of that dtype");
  if (a.weights.length() != a.rows * a.cols) call.refuse("weights", "it has not rows * cols elements");
  if (call.failed()) return call.nothing();
  constexpr DenseKind kKinds[] = {kDenseBf16, kDenseF16, kDenseF32};  // in the order of Dtype
  auto linear = std::make_unique<DenseLinear>();
  linear->rows = a.rows, linear->cols = a.cols, linear->with = *a.compute;
  linear->weights = {a.weights.data(), kKinds[a.dtype], a.rows, a.cols, a.bias.data};
  return handle_of(call.env(), std::move(linear));
}

struct ApplyArguments {
  const Linear* linear;
  Span<float> x;  // (tokens, cols)
  std::size_t tokens;
  Span<float> y;  // (tokens, rows)
  template <typename Each>
  void fields(Each& each) {
    each("linear", linear), each("x", x), each("tokens", tokens), each("y", y);
  }
};

void check(Call& call, const ApplyArguments& a) {
  if (a.tokens == 0) call.refuse("tokens", "at least one was expected");
  call.exactly("x", a.x, a.tokens * a.linear->cols);
  call.exactly("y", a.y, a.tokens * a.linear->rows);
}

Napi::Value apply(Call& call, const ApplyArguments& a) {
  check(call, a);
  if (!call.failed()) a.linear->apply(a.x.data, a.tokens, a.y.data);
  return call.nothing();
}

// The same as a job of one piece, whose thread has others help it. The linear must live until then.
Napi::Value apply_later(Call& call, const ApplyArguments& a) {
  check(call, a);
  if (call.failed()) return call.nothing();
  return call.promise(1, [=](std::size_t) { a.linear->apply(a.x.data, a.tokens, a.y.data); });
}

}  // namespace

void register_linear(Napi::Object exports) {
  add_kernel(exports, "createPackedLinear", create_packed);
  add_kernel(exports, "createQuantizedLinear", create_quantized);
  add_kernel(exports, "createDenseLinear", create_dense);
  add_kernel(exports, "applyLinear", apply);
  add_kernel(exports, "applyLinearLater", apply_later);
}

}  // namespace esparse
