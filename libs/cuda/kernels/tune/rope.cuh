// Rotary position embedding, half-split: of each head channel j < half and channel j + half turn by the angle of the row's position,
// those from 2 half on stay. Its gradient is the turn back, by the same tables.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// (a, b) becomes (a cos - b way sin, b cos + a way sin): `way` is 1 forward, -1 back. `cosines` and `sines`: (tokens x half). A thread
// takes a pair, or a channel that stays: rows x heads x (dims - half) of them.
ESPARSE_KERNEL tune_rope(const void* x, int x_type, void* to, int to_type, int accumulate, const float* cosines,
                         const float* sines, float way, int rows, int tokens, int heads, int dims, int half) {
  const std::size_t i = own_eight();
  const int each = dims - half;
  if (i >= static_cast<std::size_t>(rows) * heads * each) return;
  const int j = i % each;
  const std::size_t head = i / each * dims;
  const int position = i / each / heads % tokens;
  const auto give = [&](std::size_t at, float value) {
    store(to, to_type, at, accumulate ? load(to, to_type, at) + value : value);
  };
  if (j >= half) {
    give(head + half + j, load(x, x_type, head + half + j));
    return;
  }
  const float cosine = cosines[static_cast<std::size_t>(position) * half + j];
  const float sine = way * sines[static_cast<std::size_t>(position) * half + j];
  const float a = load(x, x_type, head + j), b = load(x, x_type, head + half + j);
  give(head + j, a * cosine - b * sine);
  give(head + half + j, b * cosine + a * sine);
}

}  // namespace esparse::tune
