#include "decoder.h"

#include "failure.h"
#include "kernel_names.h"

namespace esparse {
namespace {

// The channel at each place of a linear's order, which may be the natural one; places that fill up follow.
std::vector<std::uint16_t> order_of(int inputs, const std::int32_t* permutation) {
  std::vector<std::uint16_t> out(padded(inputs));
  for (std::size_t i = 0; i < out.size(); i++) {
    const bool permuted = permutation != nullptr && i < static_cast<std::size_t>(inputs);
    out[i] = static_cast<std::uint16_t>(permuted ? permutation[i] : i);
  }
  return out;
}

// The channel of each element of a linear's activations, in fragment order.
std::vector<std::uint16_t> fragment_sources(int inputs, const std::int32_t* permutation) {
  const std::vector<std::uint16_t> order = order_of(inputs, permutation);
  std::vector<std::uint16_t> out(order.size());
  for (std::size_t i = 0; i < out.size(); i++) {
    const int element = static_cast<int>(i);
    out[i] = order[chunk_input(element / kStepInputs, element / kChunk % 4, element % kChunk)];
  }
  return out;
}

// The place of each channel in a linear's order.
std::vector<std::uint16_t> places_of_channels(int inputs, const std::int32_t* permutation) {
  std::vector<std::uint16_t> out(inputs);
  for (int i = 0; i < inputs; i++) {
    out[permutation != nullptr ? permutation[i] : i] = static_cast<std::uint16_t>(i);
  }
  return out;
}

// Room for at least so many bytes; what was there before may be gone.
void grow(DeviceArray<std::uint8_t>& array, std::size_t bytes) {
  if (array.bytes() >= bytes) return;
  array = DeviceArray<std::uint8_t>();
  array = DeviceArray<std::uint8_t>(bytes);
}

}  // namespace

HeadArguments heads_of(const Layer& layer, const DecoderShape& shape) {
  const auto given = [](const DeviceArray<float>& array) { return array.count() == 0 ? nullptr : array.data(); };
  if (shape.norms_heads_apart()) return {};
  return {given(layer.bias), given(layer.query_norm), given(layer.key_norm), shape.head_epsilon};
}

DecoderLoader::DecoderLoader(const Device& device, const DecoderShape& shape, CuStream stream)
    : device_(device), stream_(stream), uploader_(stream), decoder_(std::make_unique<Decoder>()) {
  decoder_->shape = shape;
  decoder_->layers.resize(shape.layers);
  spans_.resize(static_cast<std::size_t>(shape.layers) * kRoles + 2, 1);
  wrong_ = DeviceArray<unsigned long long>(2 * spans_.size());
  check(driver().fill(wrong_.address(), 0xff, wrong_.bytes(), stream_), "clear memory");
}

Encoding HostLinear::encoding() const {
  const bool sparse = indices != nullptr;
  if (integers.bits == 0) return sparse ? Encoding::kSparse : Encoding::kDense;
  for (const Encoding encoding :
       {Encoding::kSparseInt8, Encoding::kSparseInt4, Encoding::kSparseInt4Fine, Encoding::kDenseInt8, Encoding::kDenseInt4}) {
    if (is_sparse(encoding) != sparse || bits_of(encoding) != integers.bits) continue;
    const IntegerOrder order = order_of(encoding);
    const int span = sparse ? order.span() / 2 : order.span();
    if (integers.span % span == 0 || integers.span >= survivors()) return encoding;
  }
  throw Failure("internal", "integers that the kernels do not have");
}

// `fill_rows`: its outputs are another linear's inputs, or the residual stream.
Linear DecoderLoader::describe(const HostLinear& from, bool fill_rows) const {
  Linear linear;
  linear.encoding = from.encoding();
  linear.rows = fill_rows ? padded(from.rows) : from.rows;
  linear.cols = padded(from.cols);
  return linear;
}

DeviceArray<float> DecoderLoader::of_channels(const float* from) {
  if (from == nullptr) return {};
  std::vector<float> weights(from, from + decoder_->shape.channels);
  weights.resize(decoder_->shape.hidden);
  return uploader_.array(weights.data(), weights.size());
}

Part DecoderLoader::part(const HostPart& from) {
  return {of_channels(from.before), of_channels(from.shift), of_channels(from.bias), of_channels(from.after)};
}

// In the order in which rows of gate and up are packed.
std::vector<float> DecoderLoader::inner_bias(const float* from, const HostLinear& down) const {
  const DecoderShape& shape = decoder_->shape;
  const int linears = shape.gated ? 2 : 1;
  std::vector<float> out(static_cast<std::size_t>(linears) * shape.inner);
  for (int linear = 0; linear < linears; linear++) {
    for (int i = 0; i < down.cols; i++) {
      const int channel = down.permutation != nullptr ? down.permutation[i] : i;
      out[linear * shape.inner + i] = from[linear * down.cols + channel];
    }
  }
  return out;
}

void DecoderLoader::pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear,
                               const RowOrder& order, std::uint8_t* to, int tiles, TilePlaces places) {
  const StoredDense stored{rows, from.cols, order};
  device_.launch(stream_, kRepackDense,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

StoredIntegers DecoderLoader::checked_integers(const HostLinear& from, const std::uint8_t* codes,
                                               const std::uint16_t* scales, const RowOrder& order, std::size_t checked) {
  constexpr unsigned kCheckThreads = 256;
  const auto ctas = [](std::size_t count) -> Device::Launch {
    return {{static_cast<unsigned>((count + kCheckThreads - 1) / kCheckThreads), 1, 1}, kCheckThreads};
  };
  const std::uint32_t* indices = nullptr;
  if (from.indices != nullptr) {
    indices = reinterpret_cast<const std::uint32_t*>(staged_indices_.data());
    const std::size_t words = from.stored_tiles() * kTileRows * ((from.survivors() + 15) / 16);
    device_.launch(stream_, kCheckIntegerPositions, ctas(words), indices, from.rows, from.survivors(),
                   wrong_.data() + checked);
  }
  spans_[checked] = from.spans();
  device_.launch(stream_, kCheckScales, ctas(from.scale_bytes() / 2), scales, from.rows, from.spans(),
                 wrong_.data() + spans_.size() + checked);
  return {codes,          scales,       indices, from.integers.bits, from.survivors(), from.integers.span,
          from.vectors(), from.spans(), order};
}

void DecoderLoader::pack_integers(const StoredIntegers& from, const Linear& linear, std::uint8_t* to, int tiles,
                                  TilePlaces places) {
  device_.launch(stream_, kRepackIntegers,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, from,
                 order_of(linear.encoding), to, places);
}

void DecoderLoader::pack(const HostLinear& from, const Linear& linear, const RowOrder& order, std::uint8_t* to,
                         int tiles, TilePlaces places, std::size_t checked) {
  const std::size_t stored_rows = (static_cast<std::size_t>(from.rows) + kTileRows - 1) / kTileRows * kTileRows;
  if (from.integers.bits != 0) {
    grow(staged_values_, from.code_bytes());
    grow(staged_scales_, from.scale_bytes());
    uploader_.copy(staged_values_.address(), from.integers.codes, from.code_bytes());
    uploader_.copy(staged_scales_.address(), from.integers.scales, from.scale_bytes());
    if (from.indices != nullptr) {
      const std::size_t bytes = from.stored_tiles() * kCodeVector * ((from.survivors() + 15) / 16);
      grow(staged_indices_, bytes);
      uploader_.copy(staged_indices_.address(), from.indices, bytes);
    }
    const auto* const scales = reinterpret_cast<const std::uint16_t*>(staged_scales_.data());
    pack_integers(checked_integers(from, staged_values_.data(), scales, order, checked), linear, to, tiles, places);
    return;
  }
  if (!linear.sparse()) {
    const std::size_t bytes = static_cast<std::size_t>(from.rows) * from.cols * 2;
    grow(staged_values_, bytes);
    uploader_.copy(staged_values_.address(), from.values, bytes);
    pack_dense(reinterpret_cast<const std::uint16_t*>(staged_values_.data()), from, linear, order, to, tiles, places);
    return;
  }
  const int groups = from.cols / kGroup;
  const std::size_t pairs = stored_rows / kTileRows * groups, values = stored_rows * from.cols / 2 * 2;
  grow(staged_values_, values);
  grow(staged_indices_, pairs * sizeof(Words2));
  uploader_.copy(staged_values_.address(), from.values, values);
  uploader_.copy(staged_indices_.address(), from.indices, pairs * sizeof(Words2));
  const auto* const indices = reinterpret_cast<const Words2*>(staged_indices_.data());
  constexpr unsigned kCheckThreads = 256;
  device_.launch(stream_, kCheckPositions,
                 {{static_cast<unsigned>((pairs + kCheckThreads - 1) / kCheckThreads), 1, 1}, kCheckThreads}, indices,
                 pairs, wrong_.data() + checked);
  const StoredSparse stored{reinterpret_cast<const std::uint16_t*>(staged_values_.data()),
                            reinterpret_cast<const std::uint32_t*>(indices), groups, order};
  device_.launch(stream_, kRepackSparse,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

// `linear`: as it is described, without its memory.
void DecoderLoader::pack_whole(const HostLinear& from, Linear& linear, const RowOrder& order, std::size_t checked) {
  const int tiles = linear.panels() * kPanelTiles;
  linear.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * linear.blocks() *
                                            linear.format().tile_bytes);
  pack(from, linear, order, linear.packed.data(), tiles, {0, 1}, checked);
}

void DecoderLoader::outer(const HostOuter& from) {
  Decoder& decoder = *decoder_;
  const DecoderShape& shape = decoder.shape;
  const HostLinear& embedding = from.embedding;
  const RowOrder order{nullptr, shape.vocabulary};
  const std::size_t of_head = static_cast<std::size_t>(shape.layers) * kRoles, of_embedding = of_head + 1;
  if (embedding.integers.bits != 0) {
    decoder.embedding_codes = uploader_.array(embedding.integers.codes, embedding.code_bytes());
    decoder.embedding_scales = uploader_.array(embedding.integers.scales, embedding.scale_bytes() / 2);
    decoder.embedding_integers = checked_integers(embedding, decoder.embedding_codes.data(),
                                                  decoder.embedding_scales.data(), order, of_embedding);
  } else {
    decoder.embedding = uploader_.array(embedding.values, static_cast<std::size_t>(shape.vocabulary) * shape.channels);
  }
  if (from.positions != nullptr) decoder.positions = uploader_.array(from.positions, from.position_count * shape.channels);
  decoder.norm = of_channels(from.norm);
  decoder.shift = of_channels(from.shift);
  decoder.rotary = uploader_.array(from.rotary, from.rotary_floats);
  rotary_floats_ = from.rotary_floats / from.tables;
  for (int i = 0; i < 3; i++) {
    const std::size_t heads = i == 0 ? shape.heads : shape.kv_heads;
    if (from.rows[i] != nullptr) decoder.rows[i] = uploader_.array(from.rows[i], heads * shape.dims);
  }
  decoder.natural = uploader_.array(fragment_sources(shape.hidden, nullptr).data(), shape.hidden);
  decoder.head = describe(from.head.rows != 0 ? from.head : embedding, false);
  if (from.head.rows != 0) {
    pack_whole(from.head, decoder.head, order, of_head);
    return;
  }
  const int tiles = decoder.head.panels() * kPanelTiles;
  decoder.head.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * decoder.head.blocks() *
                                                  decoder.head.format().tile_bytes);
  if (embedding.integers.bits != 0) {
    pack_integers(decoder.embedding_integers, decoder.head, decoder.head.packed.data(), tiles, {0, 1});
  } else {
    pack_dense(decoder.embedding.data(), embedding, decoder.head, order, decoder.head.packed.data(), tiles, {0, 1});
  }
}

// The place of each channel of o's inputs, heads filled up. What fills up has the first place behind the others, whose weights
// are zeros.
std::vector<std::uint16_t> DecoderLoader::places_of_heads(const HostLinear& o) const {
  const DecoderShape& shape = decoder_->shape;
  const std::vector<std::uint16_t> places = places_of_channels(o.cols, o.permutation);
  std::vector<std::uint16_t> out(static_cast<std::size_t>(shape.heads) * shape.dims);
  for (std::size_t i = 0; i < out.size(); i++) {
    const int head = static_cast<int>(i) / shape.dims, dim = static_cast<int>(i) % shape.dims;
    out[i] = dim < shape.head_dims ? places[head * shape.head_dims + dim] : static_cast<std::uint16_t>(o.cols);
  }
  return out;
}

void DecoderLoader::attention_of(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]) {
  Layer& layer = decoder_->layers.at(index);
  const DecoderShape& shape = decoder_->shape;
  const std::size_t checked = static_cast<std::size_t>(index) * kRoles;
  const std::size_t query = static_cast<std::size_t>(shape.heads) * shape.dims;
  const std::size_t key = static_cast<std::size_t>(shape.kv_heads) * shape.dims;
  const bool wide = shape.head_norm == HeadNorm::kWidth;
  layer.attention = part(block.attention);
  if (block.bias != nullptr) layer.bias = uploader_.array(block.bias, query + 2 * key);
  if (block.query_norm != nullptr) layer.query_norm = uploader_.array(block.query_norm, wide ? query : shape.dims);
  if (block.key_norm != nullptr) layer.key_norm = uploader_.array(block.key_norm, wide ? key : shape.dims);
  if (block.sinks != nullptr) {
    constexpr float kLog2E = 1.4426950408889634f;
    std::vector<float> sinks(block.sinks, block.sinks + shape.heads);
    for (float& sink : sinks) sink *= kLog2E;
    layer.sinks = uploader_.array(sinks.data(), sinks.size());
  }
  layer.window = block.window;
  layer.rotary = rotary_floats_ * block.rotary;
  Linear* const heads[] = {&layer.q, &layer.k, &layer.v};
  for (int role = kQ; role <= kV; role++) {
    const auto& rows = decoder_->rows[role];
    *heads[role] = describe(linears[role], false);
    heads[role]->rows = static_cast<int>(role == kQ ? query : key);
    pack_whole(linears[role], *heads[role], {rows.count() != 0 ? rows.data() : nullptr, heads[role]->rows}, checked + role);
  }
  layer.o = describe(linears[kO], true);
  layer.o.cols = shape.attended();
  pack_whole(linears[kO], layer.o, {nullptr, linears[kO].rows}, checked + kO);
  const std::vector<std::uint16_t> places = places_of_heads(linears[kO]);
  layer.inverse_o = uploader_.array(places.data(), places.size());
}

void DecoderLoader::mlp_of(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]) {
  Layer& layer = decoder_->layers.at(index);
  const DecoderShape& shape = decoder_->shape;
  const std::size_t checked = static_cast<std::size_t>(index) * kRoles;
  const HostLinear& down = linears[kDown];
  if (block.inner_bias != nullptr) {
    const std::vector<float> bias = inner_bias(block.inner_bias, down);
    layer.inner_bias = uploader_.array(bias.data(), bias.size());
  }
  layer.down = describe(down, true);
  pack_whole(down, layer.down, {nullptr, down.rows}, checked + kDown);
  if (down.permutation != nullptr) layer.down_order = uploader_.array(down.permutation, down.cols);
  const RowOrder order{down.permutation != nullptr ? layer.down_order.data() : nullptr, down.cols};
  layer.gate = describe(linears[kGate], true);
  if (!shape.gated) {
    pack_whole(linears[kGate], layer.gate, order, checked + kGate);
    return;
  }
  layer.up = describe(linears[kUp], true);
  layer.gate_up = DeviceArray<std::uint8_t>(static_cast<std::size_t>(layer.gate.tiles()) * kPanelTiles *
                                            layer.gate.blocks() * layer.gate.format().tile_bytes);
  pack(linears[kGate], layer.gate, order, layer.gate_up.data(), layer.gate.tiles(), {0, 2}, checked + kGate);
  pack(linears[kUp], layer.up, order, layer.gate_up.data(), layer.up.tiles(), {1, 2}, checked + kUp);
}

void DecoderLoader::block(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]) {
  Layer& layer = decoder_->layers.at(index);
  const DecoderShape& shape = decoder_->shape;
  layer.mlp = part(block.mlp);
  attention_of(index, block, linears);
  if (shape.experts == 0) {
    mlp_of(index, block, linears);
  } else {
    std::vector<float> router(static_cast<std::size_t>(shape.experts) * shape.hidden);
    for (int e = 0; e < shape.experts; e++) {
      std::copy_n(block.router + static_cast<std::size_t>(e) * shape.channels, shape.channels, &router[static_cast<std::size_t>(e) * shape.hidden]);
    }
    layer.experts.router = uploader_.array(router.data(), router.size());
    if (block.router_bias != nullptr) layer.experts.router_bias = uploader_.array(block.router_bias, shape.experts);
  }
  const Role readers[] = {kQ, kK, kV, kGate, kUp};
  for (int i = 0; i < 5; i++) {
    const HostLinear& reader = linears[readers[i]];
    if (reader.indices == nullptr) continue;
    layer.sources[i] = uploader_.array(fragment_sources(shape.channels, reader.permutation).data(), shape.hidden);
  }
  for (int role = 0; role < kRoles; role++) {
    const HostLinear& linear = linears[role];
    // Down's inputs stand in its order by themselves: it is that of the rows of gate and up. What o reads is filled up
    // where it is put into an order.
    const bool filled = role == kO && shape.attended() != linear.cols;
    if (role == kDown || !device_.prefills() || (linear.permutation == nullptr && !filled)) continue;
    std::vector<std::uint16_t> order = order_of(linear.cols, linear.permutation);
    if (role == kO && shape.head_dims < shape.dims) {
      // What fills up is zeros, as what fills up the first head is.
      order.resize(shape.attended());
      for (int i = 0; i < shape.attended(); i++) {
        const int head = order[i] / shape.head_dims, dim = order[i] % shape.head_dims;
        order[i] = static_cast<std::uint16_t>(i < linear.cols ? head * shape.dims + dim : shape.head_dims);
      }
    }
    layer.orders[role] = uploader_.array(order.data(), order.size());
  }
}

void DecoderLoader::expert(int index, int expert, const HostExpert& from) {
  Experts& experts = decoder_->layers.at(index).experts;
  const DecoderShape& shape = decoder_->shape;
  const std::size_t checked = static_cast<std::size_t>(index) * kRoles, all = shape.experts;
  if (expert == 0) {
    experts.gate = describe(from.gate, true);
    experts.down = describe(from.down, true);
    experts.gates = DeviceArray<std::uint8_t>(all * experts.stride_of(experts.gate));
    experts.ups = DeviceArray<std::uint8_t>(all * experts.stride_of(experts.gate));
    experts.downs = DeviceArray<std::uint8_t>(all * experts.stride_of(experts.down));
    for (auto& sources : experts.sources) {
      if (experts.gate.sparse()) sources = DeviceArray<std::uint16_t>(all * shape.hidden);
    }
    if (from.inner_bias != nullptr) experts.inner_bias = DeviceArray<float>(all * 2 * shape.inner);
    if (from.bias != nullptr) experts.bias = DeviceArray<float>(all * shape.hidden);
  }
  RowOrder order{nullptr, from.down.cols};
  if (from.down.permutation != nullptr) {
    experts.orders.push_back(uploader_.array(from.down.permutation, from.down.cols));
    order.order = experts.orders.back().data();
  }
  const std::size_t gate_up = expert * experts.stride_of(experts.gate), down = expert * experts.stride_of(experts.down);
  const int tiles = experts.gate.panels() * kPanelTiles;
  pack(from.gate, experts.gate, order, experts.gates.data() + gate_up, tiles, {0, 1}, checked + kGate);
  pack(from.up, experts.gate, order, experts.ups.data() + gate_up, tiles, {0, 1}, checked + kUp);
  pack(from.down, experts.down, {nullptr, from.down.rows}, experts.downs.data() + down,
       experts.down.panels() * kPanelTiles, {0, 1}, checked + kDown);
  const HostLinear* const readers[] = {&from.gate, &from.up};
  for (int i = 0; i < 2 && experts.gate.sparse(); i++) {
    const std::vector<std::uint16_t> sources = fragment_sources(shape.channels, readers[i]->permutation);
    uploader_.copy(experts.sources[i].address() + 2 * static_cast<std::size_t>(expert) * shape.hidden, sources.data(), 2 * sources.size());
  }
  if (from.inner_bias != nullptr) {
    const std::vector<float> bias = inner_bias(from.inner_bias, from.down);
    uploader_.copy(experts.inner_bias.address() + 4 * static_cast<std::size_t>(expert) * 2 * shape.inner, bias.data(), 4 * bias.size());
  }
  if (from.bias != nullptr) {
    std::vector<float> bias(from.bias, from.bias + shape.channels);
    bias.resize(shape.hidden);
    uploader_.copy(experts.bias.address() + 4 * static_cast<std::size_t>(expert) * shape.hidden, bias.data(), 4 * bias.size());
  }
}

std::unique_ptr<Decoder> DecoderLoader::finish() {
  PinnedArray<unsigned long long> wrong(wrong_.count());
  check(driver().copy_to_host(wrong.data(), wrong_.address(), wrong_.bytes(), stream_), "check the weights");
  check(driver().wait_for_stream(stream_), "take the weights");
  for (Layer& layer : decoder_->layers) layer.experts.orders.clear();
  const std::size_t linears = spans_.size();
  for (std::size_t i = 0; i < wrong.count(); i++) {
    const unsigned long long at = wrong.data()[i];
    if (at == kAllRight) continue;
    const std::size_t linear = i % linears;
    const std::string where = linear + 2 == linears   ? "the head"
                              : linear + 1 == linears ? "the embedding"
                                                      : "block " + std::to_string(linear / kRoles) + ": " +
                                                            kRoleNames[linear % kRoles];
    const std::string what = i < linears ? "the indices of (tile, group) " + std::to_string(at) + " are not a choice of 2 of 4"
                                         : "the scale of row " + std::to_string(at / spans_[linear]) + ", span " +
                                               std::to_string(at % spans_[linear]) + " is zero or not finite";
    throw Failure("store", where + ": " + what, "the store is damaged: try `esparse verify`");
  }
  return std::move(decoder_);
}

}  // namespace esparse
