// What JavaScript gives of a decoder's shape and weights, as `src/decoder.ts` has them. Each throws Failure 'internal' for arrays of
// other sizes.
#pragma once
#include <napi.h>

#include "decoder.h"

namespace esparse {

DecoderShape shape_of(const Napi::Object& from);
// `max_pages` of the longest sequence.
HostOuter outer_of(const Napi::Object& from, const DecoderShape& shape, int max_pages);
// By role; those that are absent stay as they are.
void read_linears(const Napi::Array& from, HostLinear (&linears)[kRoles]);
// What a block has beside its linears.
HostBlock block_of(const Napi::Object& parts, const HostLinear& down, const DecoderShape& shape);
// Of its linears gate, up and down, and biases.
HostExpert expert_of(const Napi::Array& from, const Napi::Object& biases, const DecoderShape& shape);

}  // namespace esparse
