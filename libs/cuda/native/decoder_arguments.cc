#include "decoder_arguments.h"

#include "js.h"

namespace esparse {
namespace {

float number(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().FloatValue(); }

bool flag(const Napi::Object& from, const char* name) { return from.Get(name).ToBoolean().Value(); }

// What `src/decoder.ts` has as a StoredLinear.
HostLinear linear_of(const Napi::Object& from) {
  HostLinear linear;
  linear.rows = integer(from, "rows");
  linear.cols = integer(from, "cols");
  const std::size_t rows = linear.rows, cols = linear.cols, tiles = linear.stored_tiles();
  const bool sparse = !absent(from.Get("indices")), integers = !absent(from.Get("bits"));
  if (integers) {
    linear.integers.bits = integer(from, "bits");
    linear.integers.span = integer(from, "span") * (sparse ? kKeep : 1);
    if ((linear.integers.bits != 4 && linear.integers.bits != 8) || linear.integers.span < 1) {
      throw Failure("internal", "integers that the kernels do not have");
    }
  } else {
    linear.values = elements<std::uint16_t>(from.Get("values"), sparse ? tiles * kTileRows * cols / 2 : rows * cols, "values");
  }
  if (sparse) {
    const std::size_t bytes = integers ? tiles * kCodeVector * ((linear.survivors_of(true) + 15) / 16)
                                       : tiles * (cols / kGroup) * sizeof(Words2);
    linear.indices = reinterpret_cast<const std::uint32_t*>(elements<std::uint8_t>(from.Get("indices"), bytes, "indices"));
    if (!absent(from.Get("permutation"))) {
      linear.permutation = elements<std::int32_t>(from.Get("permutation"), cols, "permutation");
    }
  }
  if (integers) {
    linear.integers.codes = elements<std::uint8_t>(from.Get("values"), linear.code_bytes(), "values");
    linear.integers.scales = elements<std::uint16_t>(from.Get("scales"), linear.scale_bytes() / 2, "scales");
  }
  return linear;
}

// Which row of a linear stands at each place of so many heads; -1 fills up.
const std::int32_t* rows_of(const Napi::Value& value, int heads, const DecoderShape& shape) {
  const int places = heads * shape.dims, stored = heads * shape.head_dims;
  const auto* const rows = elements<std::int32_t>(value, places, "rows");
  for (int i = 0; i < places; i++) {
    if (rows[i] < -1 || rows[i] >= stored) throw Failure("internal", "a row that is not there");
  }
  return rows;
}

const float* vector_of(const Napi::Object& from, const char* name, int count) {
  return absent(from.Get(name)) ? nullptr : elements<float>(from.Get(name), count, name);
}

HostPart part_of(const Napi::Object& from, const DecoderShape& shape) {
  const auto given = [&](const char* name) { return vector_of(from, name, shape.channels); };
  return {given("before"), given("shift"), given("bias"), given("after")};
}

}  // namespace

DecoderShape shape_of(const Napi::Object& from) {
  DecoderShape shape{};
  shape.channels = integer(from, "hidden");
  shape.hidden = padded(shape.channels);
  shape.inner = padded(integer(from, "inner"));
  shape.layers = integer(from, "layers");
  shape.heads = integer(from, "heads");
  shape.kv_heads = integer(from, "kvHeads");
  shape.head_dims = integer(from, "headDim");
  shape.dims = integer(from, "deviceHeadDim");
  shape.vocabulary = integer(from, "vocab");
  shape.epsilon = number(from, "epsilon");
  shape.after_epsilon = number(from, "afterEpsilon");
  shape.head_epsilon = number(from, "headEpsilon");
  shape.scale = number(from, "scale");
  shape.embedding_factor = number(from, "embeddingFactor");
  // As `decoder.ts` counts them.
  shape.norm = static_cast<Norm>(integer(from, "norm"));
  shape.last_norm = static_cast<Norm>(integer(from, "lastNorm"));
  shape.head_norm = static_cast<HeadNorm>(integer(from, "headNorm"));
  shape.activation = static_cast<Activation>(integer(from, "activation"));
  shape.norms_after = flag(from, "normsAfter");
  shape.biased = flag(from, "biased");
  shape.gated = flag(from, "gated");
  shape.sinks = flag(from, "sinks");
  shape.alpha = number(from, "alpha");
  shape.limit = number(from, "limit");
  shape.experts = integer(from, "experts");
  shape.top = integer(from, "top");
  shape.normalises = flag(from, "normalises");
  if (shape.experts > kMostExperts || shape.top > kMostTop || shape.top > shape.experts) {
    throw Failure("internal", "more experts than the kernels have");
  }
  return shape;
}

HostOuter outer_of(const Napi::Object& from, const DecoderShape& shape, int max_pages) {
  const auto table = [&](const char* name) {
    const HostLinear linear = linear_of(from.Get(name).As<Napi::Object>());
    if (linear.rows != shape.vocabulary || linear.cols != shape.channels || linear.indices != nullptr) {
      throw Failure("internal", "an embedding of another size");
    }
    return linear;
  };
  const auto length = [&](const char* name) { return from.Get(name).As<Napi::TypedArray>().ElementLength(); };
  HostOuter outer{};
  outer.embedding = table("embedding");
  if (!absent(from.Get("head"))) outer.head = table("head");
  if (!absent(from.Get("positions"))) {
    outer.position_count = length("positions") / shape.channels;
    if (outer.position_count < static_cast<std::size_t>(max_pages) * kPagePositions) {
      throw Failure("internal", "fewer learned positions than a sequence may have");
    }
    outer.positions = elements<std::uint16_t>(from.Get("positions"), length("positions"), "positions");
  }
  outer.norm = elements<float>(from.Get("norm"), shape.channels, "norm");
  outer.shift = vector_of(from, "shift", shape.channels);
  outer.rotary_floats = length("rotary");
  outer.rotary = elements<float>(from.Get("rotary"), outer.rotary_floats, "rotary");
  outer.tables = integer(from, "tables");
  if (!absent(from.Get("rows"))) {
    const auto rows = from.Get("rows").As<Napi::Array>();
    for (unsigned i = 0; i < 3; i++) {
      if (!absent(rows.Get(i))) outer.rows[i] = rows_of(rows.Get(i), i == 0 ? shape.heads : shape.kv_heads, shape);
    }
  }
  return outer;
}

void read_linears(const Napi::Array& from, HostLinear (&linears)[kRoles]) {
  for (unsigned role = 0; role < kRoles; role++) {
    if (!absent(from.Get(role))) linears[role] = linear_of(from.Get(role).As<Napi::Object>());
  }
}

HostBlock block_of(const Napi::Object& parts, const HostLinear& down, const DecoderShape& shape) {
  const int query = shape.heads * shape.dims, key = shape.kv_heads * shape.dims;
  const bool wide = shape.head_norm == HeadNorm::kWidth;
  return {part_of(parts.Get("attention").As<Napi::Object>(), shape),
          part_of(parts.Get("mlp").As<Napi::Object>(), shape),
          vector_of(parts, "bias", query + 2 * key),
          vector_of(parts, "innerBias", down.cols * (shape.gated ? 2 : 1)),
          vector_of(parts, "query", wide ? query : shape.dims),
          vector_of(parts, "key", wide ? key : shape.dims),
          vector_of(parts, "sinks", shape.heads),
          vector_of(parts, "router", shape.experts * shape.channels),
          vector_of(parts, "routerBias", shape.experts),
          absent(parts.Get("window")) ? 0 : integer(parts, "window"),
          absent(parts.Get("rotary")) ? 0 : integer(parts, "rotary")};
}

HostExpert expert_of(const Napi::Array& from, const Napi::Object& biases, const DecoderShape& shape) {
  const auto linear = [&](unsigned i) { return linear_of(from.Get(i).As<Napi::Object>()); };
  HostExpert expert{linear(0), linear(1), linear(2), nullptr, nullptr};
  expert.inner_bias = vector_of(biases, "inner", 2 * expert.down.cols);
  expert.bias = vector_of(biases, "down", shape.channels);
  return expert;
}

}  // namespace esparse
