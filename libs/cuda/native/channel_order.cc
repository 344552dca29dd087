#include "channel_order.h"

#include "decoder.h"

namespace esparse {

std::vector<std::uint16_t> order_of(int inputs, const std::int32_t* permutation) {
  std::vector<std::uint16_t> out(padded(inputs));
  for (std::size_t i = 0; i < out.size(); i++) {
    const bool permuted = permutation != nullptr && i < static_cast<std::size_t>(inputs);
    out[i] = static_cast<std::uint16_t>(permuted ? permutation[i] : i);
  }
  return out;
}

std::vector<std::uint16_t> fragment_sources(int inputs, const std::int32_t* permutation) {
  return in_fragments(order_of(inputs, permutation));
}

std::vector<std::uint16_t> in_fragments(const std::vector<std::uint16_t>& order) {
  std::vector<std::uint16_t> out(order.size());
  for (std::size_t i = 0; i < out.size(); i++) {
    const int element = static_cast<int>(i);
    out[i] = order[chunk_input(element / kStepInputs, element / kChunk % 4, element % kChunk)];
  }
  return out;
}

std::vector<std::uint16_t> places_of_channels(int inputs, const std::int32_t* permutation) {
  std::vector<std::uint16_t> out(inputs);
  for (int i = 0; i < inputs; i++) {
    out[permutation != nullptr ? permutation[i] : i] = static_cast<std::uint16_t>(i);
  }
  return out;
}

}  // namespace esparse
