// The first of a decoder: rows of its embedding.
#pragma once
#include "decoder.h"

namespace esparse {

// The residual stream of tokens, by their ids and positions.
void embed(const Device& device, const Decoder& decoder, CuStream stream, unsigned tokens, const std::int32_t* ids,
           const std::int32_t* positions, float* residual);

}  // namespace esparse
