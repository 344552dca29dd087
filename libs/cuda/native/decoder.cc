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
  wrong_ = DeviceArray<unsigned long long>(static_cast<std::size_t>(shape.layers) * kRoles);
  check(driver().fill(wrong_.address(), 0xff, wrong_.bytes(), stream_), "clear memory");
}

// `fill_rows`: its outputs are another linear's inputs, or the residual stream.
Linear DecoderLoader::describe(const HostLinear& from, bool fill_rows) const {
  Linear linear;
  linear.sparse = from.indices != nullptr;
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
DeviceArray<float> DecoderLoader::inner_bias(const float* from, const HostLinear& down) {
  if (from == nullptr) return {};
  const DecoderShape& shape = decoder_->shape;
  const int linears = shape.gated ? 2 : 1;
  std::vector<float> out(static_cast<std::size_t>(linears) * shape.inner);
  for (int linear = 0; linear < linears; linear++) {
    for (int i = 0; i < down.cols; i++) {
      const int channel = down.permutation != nullptr ? down.permutation[i] : i;
      out[linear * shape.inner + i] = from[linear * down.cols + channel];
    }
  }
  return uploader_.array(out.data(), out.size());
}

void DecoderLoader::pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear,
                               const RowOrder& order, std::uint8_t* to, int tiles, TilePlaces places) {
  const StoredDense stored{rows, from.cols, order};
  device_.launch(stream_, kRepackDense,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

void DecoderLoader::pack(const HostLinear& from, const Linear& linear, const RowOrder& order, std::uint8_t* to,
                         int tiles, TilePlaces places, std::size_t checked) {
  const std::size_t stored_rows = (static_cast<std::size_t>(from.rows) + kTileRows - 1) / kTileRows * kTileRows;
  if (!linear.sparse) {
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
  decoder.embedding = uploader_.array(from.embedding, static_cast<std::size_t>(shape.vocabulary) * shape.channels);
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
  const HostLinear head{shape.vocabulary, shape.channels, from.head, nullptr, nullptr};
  decoder.head = describe(head, false);
  const RowOrder order{nullptr, head.rows};
  if (from.head != nullptr) {
    pack_whole(head, decoder.head, order, 0);
    return;
  }
  const int tiles = decoder.head.panels() * kPanelTiles;
  decoder.head.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * decoder.head.blocks() *
                                                  kDenseTileBytes);
  pack_dense(decoder.embedding.data(), head, decoder.head, order, decoder.head.packed.data(), tiles, {0, 1});
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

void DecoderLoader::block(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]) {
  Layer& layer = decoder_->layers.at(index);
  const DecoderShape& shape = decoder_->shape;
  const std::size_t checked = static_cast<std::size_t>(index) * kRoles;
  layer.attention = part(block.attention);
  layer.mlp = part(block.mlp);
  const std::size_t query = static_cast<std::size_t>(shape.heads) * shape.dims;
  const std::size_t key = static_cast<std::size_t>(shape.kv_heads) * shape.dims;
  const bool wide = shape.head_norm == HeadNorm::kWidth;
  if (block.bias != nullptr) layer.bias = uploader_.array(block.bias, query + 2 * key);
  if (block.query_norm != nullptr) layer.query_norm = uploader_.array(block.query_norm, wide ? query : shape.dims);
  if (block.key_norm != nullptr) layer.key_norm = uploader_.array(block.key_norm, wide ? key : shape.dims);
  layer.inner_bias = inner_bias(block.inner_bias, linears[kDown]);
  layer.window = block.window;
  layer.rotary = rotary_floats_ * block.rotary;
  Linear* const heads[] = {&layer.q, &layer.k, &layer.v};
  for (int role = kQ; role <= kV; role++) {
    const auto& rows = decoder_->rows[role];
    *heads[role] = describe(linears[role], false);
    heads[role]->rows = static_cast<int>(role == kQ ? query : key);
    pack_whole(linears[role], *heads[role], {rows.count() != 0 ? rows.data() : nullptr, heads[role]->rows}, checked + role);
  }
  const HostLinear& down = linears[kDown];
  layer.o = describe(linears[kO], true);
  layer.o.cols = shape.attended();
  pack_whole(linears[kO], layer.o, {nullptr, linears[kO].rows}, checked + kO);
  layer.down = describe(down, true);
  pack_whole(down, layer.down, {nullptr, down.rows}, checked + kDown);
  if (down.permutation != nullptr) layer.down_order = uploader_.array(down.permutation, down.cols);
  const RowOrder order{down.permutation != nullptr ? layer.down_order.data() : nullptr, down.cols};
  layer.gate = describe(linears[kGate], true);
  if (shape.gated) {
    layer.up = describe(linears[kUp], true);
    layer.gate_up = DeviceArray<std::uint8_t>(static_cast<std::size_t>(layer.gate.tiles()) * kPanelTiles *
                                              layer.gate.blocks() * layer.gate.format().tile_bytes);
    pack(linears[kGate], layer.gate, order, layer.gate_up.data(), layer.gate.tiles(), {0, 2}, checked + kGate);
    pack(linears[kUp], layer.up, order, layer.gate_up.data(), layer.up.tiles(), {1, 2}, checked + kUp);
  } else {
    pack_whole(linears[kGate], layer.gate, order, checked + kGate);
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
  const std::vector<std::uint16_t> places = places_of_heads(linears[kO]);
  layer.inverse_o = uploader_.array(places.data(), places.size());
}

std::unique_ptr<Decoder> DecoderLoader::finish() {
  PinnedArray<unsigned long long> wrong(wrong_.count());
  check(driver().copy_to_host(wrong.data(), wrong_.address(), wrong_.bytes(), stream_), "check the weights");
  check(driver().wait_for_stream(stream_), "take the weights");
  for (std::size_t i = 0; i < wrong.count(); i++) {
    if (wrong.data()[i] == kAllRight) continue;
    throw Failure("store",
                  "block " + std::to_string(i / kRoles) + ": " + kRoleNames[i % kRoles] +
                      ": the indices of (tile, group) " + std::to_string(wrong.data()[i]) +
                      " are not a choice of 2 of 4",
                  "the store is damaged: try `esparse verify`");
  }
  return std::move(decoder_);
}

}  // namespace esparse
