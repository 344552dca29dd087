// How the experts of a block come to the device.
#include "channel_order.h"
#include "decoder.h"

namespace esparse {

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

}  // namespace esparse
