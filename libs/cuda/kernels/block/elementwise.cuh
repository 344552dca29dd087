// What makes each element by itself. `eights` is the number of elements, rounded up, in eights; a thread makes one.
#pragma once
#include "gpu.cuh"

namespace esparse {

// out = factor * in, in another type where that is wanted.
ESPARSE_KERNEL scale_elements(const void* in, int in_type, void* out, int out_type, float factor, long long eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(eights)) return;
  Eight values = load_eight(in, in_type, i);
  for (float& value : values.of) value *= factor;
  store_eight(out, out_type, i, values);
}

ESPARSE_KERNEL add_elements(const void* left, int left_type, const void* right, int right_type, void* out, int out_type,
                            long long eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(eights)) return;
  Eight sum = load_eight(left, left_type, i);
  const Eight other = load_eight(right, right_type, i);
  for (int j = 0; j < 8; j++) sum.of[j] += other.of[j];
  store_eight(out, out_type, i, sum);
}

// Adds a vector of `channels` (a multiple of 8) to every row, in place.
ESPARSE_KERNEL add_to_rows(void* rows, int type, const float* vector, int channels, long long eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(eights)) return;
  Eight values = load_eight(rows, type, i);
  const Eight added = load_eight(vector, kF32, i % (channels / 8));
  for (int j = 0; j < 8; j++) values.of[j] += added.of[j];
  store_eight(rows, type, i, values);
}

}  // namespace esparse
