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

DeviceArray<float> DecoderLoader::norm_weights(const float* from) {
  std::vector<float> weights(from, from + decoder_->shape.channels);
  weights.resize(decoder_->shape.hidden);
  return uploader_.array(weights.data(), weights.size());
}

void DecoderLoader::pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear,
                               const std::int32_t* order, std::uint8_t* to, int tiles, TilePlaces places) {
  const StoredDense stored{rows, from.cols, {order, from.rows}};
  device_.launch(stream_, kRepackDense,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

void DecoderLoader::pack(const HostLinear& from, const Linear& linear, const std::int32_t* order, std::uint8_t* to,
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
                            reinterpret_cast<const std::uint32_t*>(indices), groups, {order, from.rows}};
  device_.launch(stream_, kRepackSparse,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

void DecoderLoader::pack_whole(const HostLinear& from, Linear& linear, bool fill_rows, std::size_t checked,
                               const std::int32_t* order) {
  linear = describe(from, fill_rows);
  const int tiles = linear.panels() * kPanelTiles;
  linear.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * linear.blocks() *
                                            linear.format().tile_bytes);
  pack(from, linear, order, linear.packed.data(), tiles, {0, 1}, checked);
}

void DecoderLoader::outer(const std::uint16_t* embedding, const std::uint16_t* head, const float* norm,
                          const float* rotary, std::size_t rotary_floats, int tables, const std::int32_t* query_rows,
                          const std::int32_t* key_rows) {
  Decoder& decoder = *decoder_;
  const DecoderShape& shape = decoder.shape;
  decoder.embedding = uploader_.array(embedding, static_cast<std::size_t>(shape.vocabulary) * shape.channels);
  decoder.norm = norm_weights(norm);
  decoder.rotary = uploader_.array(rotary, rotary_floats);
  rotary_floats_ = rotary_floats / tables;
  if (query_rows != nullptr) {
    decoder.query_rows = uploader_.array(query_rows, static_cast<std::size_t>(shape.heads) * shape.dims);
    decoder.key_rows = uploader_.array(key_rows, static_cast<std::size_t>(shape.kv_heads) * shape.dims);
  }
  decoder.natural = uploader_.array(fragment_sources(shape.hidden, nullptr).data(), shape.hidden);
  const HostLinear from{shape.vocabulary, shape.channels, head, nullptr, nullptr};
  if (head != nullptr) {
    pack_whole(from, decoder.head, false, 0);
    return;
  }
  decoder.head = describe(from, false);
  const int tiles = decoder.head.panels() * kPanelTiles;
  decoder.head.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * decoder.head.blocks() *
                                                  kDenseTileBytes);
  pack_dense(decoder.embedding.data(), from, decoder.head, nullptr, decoder.head.packed.data(), tiles, {0, 1});
}

void DecoderLoader::block(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]) {
  Layer& layer = decoder_->layers.at(index);
  const DecoderShape& shape = decoder_->shape;
  const std::size_t checked = static_cast<std::size_t>(index) * kRoles;
  layer.attention_norm = norm_weights(block.attention_norm);
  layer.mlp_norm = norm_weights(block.mlp_norm);
  const std::size_t rows = static_cast<std::size_t>(shape.heads + 2 * shape.kv_heads) * shape.dims;
  if (block.bias != nullptr) layer.bias = uploader_.array(block.bias, rows);
  if (block.query_norm != nullptr) layer.query_norm = uploader_.array(block.query_norm, shape.dims);
  if (block.key_norm != nullptr) layer.key_norm = uploader_.array(block.key_norm, shape.dims);
  layer.window = block.window;
  layer.rotary = rotary_floats_ * block.rotary;
  Linear* const whole[] = {&layer.q, &layer.k, &layer.v, &layer.o, nullptr, nullptr, &layer.down};
  for (int role = 0; role < kRoles; role++) {
    if (whole[role] == nullptr) continue;
    const auto& rows = role == kQ ? decoder_->query_rows : decoder_->key_rows;
    const bool ordered = (role == kQ || role == kK) && rows.count() != 0;
    pack_whole(linears[role], *whole[role], role == kO || role == kDown, checked + role, ordered ? rows.data() : nullptr);
  }
  const HostLinear& down = linears[kDown];
  if (down.permutation != nullptr) layer.down_order = uploader_.array(down.permutation, down.cols);
  layer.gate = describe(linears[kGate], true);
  layer.up = describe(linears[kUp], true);
  layer.gate_up = DeviceArray<std::uint8_t>(static_cast<std::size_t>(layer.gate.tiles()) * kPanelTiles *
                                            layer.gate.blocks() * layer.gate.format().tile_bytes);
  const std::int32_t* const order = down.permutation != nullptr ? layer.down_order.data() : nullptr;
  pack(linears[kGate], layer.gate, order, layer.gate_up.data(), layer.gate.tiles(), {0, 2}, checked + kGate);
  pack(linears[kUp], layer.up, order, layer.gate_up.data(), layer.up.tiles(), {1, 2}, checked + kUp);
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
    const bool filled = role == kO && padded(linear.cols) != linear.cols;
    if (role == kDown || !device_.prefills() || (linear.permutation == nullptr && !filled)) continue;
    const std::vector<std::uint16_t> order = order_of(linear.cols, linear.permutation);
    layer.orders[role] = uploader_.array(order.data(), order.size());
  }
  const HostLinear& o = linears[kO];
  layer.inverse_o = uploader_.array(places_of_channels(o.cols, o.permutation).data(), o.cols);
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
