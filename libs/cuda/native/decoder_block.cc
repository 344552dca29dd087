// How a block comes to the device.
#include "channel_order.h"
#include "decoder.h"

namespace esparse {

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

// The channel of heads, filled up, at each place of o's inputs.
std::vector<std::uint16_t> DecoderLoader::order_of_heads(const HostLinear& o) const {
  const DecoderShape& shape = decoder_->shape;
  std::vector<std::uint16_t> order = order_of(o.cols, o.permutation);
  if (shape.head_dims == shape.dims) return order;
  // What fills up is zeros, as what fills up the first head is.
  order.resize(shape.attended());
  for (int i = 0; i < shape.attended(); i++) {
    const int head = order[i] / shape.head_dims, dim = order[i] % shape.head_dims;
    order[i] = static_cast<std::uint16_t>(i < o.cols ? head * shape.dims + dim : shape.head_dims);
  }
  return order;
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
  const std::vector<std::uint16_t> sources = in_fragments(order_of_heads(linears[kO]));
  layer.sources_o = uploader_.array(sources.data(), sources.size());
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
    if (role == kDown || (linear.permutation == nullptr && !filled)) continue;
    const std::vector<std::uint16_t> order =
        role == kO ? order_of_heads(linear) : order_of(linear.cols, linear.permutation);
    layer.orders[role] = uploader_.array(order.data(), order.size());
  }
}

}  // namespace esparse
