#include "embed.h"

#include "kernel_names.h"

namespace esparse {

void embed(const Device& device, const Decoder& decoder, CuStream stream, unsigned tokens, const std::int32_t* ids,
           const std::int32_t* positions, float* residual) {
  const DecoderShape& s = decoder.shape;
  const Device::Launch how{{tokens, 1, 1}, kEmbedThreads, 0, true};
  const std::uint16_t* const learned = decoder.positions.count() == 0 ? nullptr : decoder.positions.data();
  if (decoder.embedding_integers.codes != nullptr) {
    device.launch(stream, kEmbedIntegers, how, ids, decoder.embedding_integers, residual, s.hidden, s.channels,
                  s.embedding_factor, positions, learned);
    return;
  }
  const std::uint16_t* const table = decoder.embedding.data();
  device.launch(stream, kEmbed, how, ids, table, residual, s.hidden, s.channels, s.embedding_factor, positions, learned);
}

}  // namespace esparse
