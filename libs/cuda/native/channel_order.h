// The channels that a linear reads, in its order.
#pragma once
#include <cstdint>
#include <vector>

namespace esparse {

// The channel at each place of a linear's order, which may be the natural one; places that fill up follow.
std::vector<std::uint16_t> order_of(int inputs, const std::int32_t* permutation);
// The channel of each element of a linear's activations, in fragment order.
std::vector<std::uint16_t> fragment_sources(int inputs, const std::int32_t* permutation);
// The same of an order.
std::vector<std::uint16_t> in_fragments(const std::vector<std::uint16_t>& order);
// The place of each channel in a linear's order.
std::vector<std::uint16_t> places_of_channels(int inputs, const std::int32_t* permutation);

}  // namespace esparse
