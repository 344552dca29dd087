#include "decoder.h"

#include "channel_order.h"
#include "failure.h"

namespace esparse {

HeadArguments heads_of(const Layer& layer, const DecoderShape& shape) {
  if (shape.norms_heads_apart()) return {};
  return {data_of(layer.bias), data_of(layer.query_norm), data_of(layer.key_norm), shape.head_epsilon};
}

DecoderLoader::DecoderLoader(const Device& device, const DecoderShape& shape, CuStream stream)
    : device_(device), stream_(stream), uploader_(stream), decoder_(std::make_unique<Decoder>()) {
  decoder_->shape = shape;
  decoder_->layers.resize(shape.layers);
  spans_.resize(static_cast<std::size_t>(shape.layers) * kRoles + 2, 1);
  wrong_ = DeviceArray<unsigned long long>(2 * spans_.size());
  check(driver().fill(wrong_.address(), 0xff, wrong_.bytes(), stream_), "clear memory");
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
