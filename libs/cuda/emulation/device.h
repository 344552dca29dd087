// What `kernels/device.cuh` has of PTX, on the host.
#pragma once
#include "warp.h"

namespace esparse {

inline void wait_for_producers() {}
inline void release_dependents() {}
inline void prefetch(const void*) {}
inline float power_of_2(float x) { return std::exp2(x); }

inline void multiply_dense(float (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  std::memcpy(&words[lane][0], &a, 16);
  words[lane][4] = b0;
  words[lane][5] = b1;
  __syncwarp();
  std::uint32_t all_a[kLanes][4], all_b[kLanes][2];
  for (int l = 0; l < kLanes; l++) {
    std::memcpy(all_a[l], &words[l][0], 16);
    std::memcpy(all_b[l], &words[l][4], 8);
  }
  emulation::Sums products{};
  emulation::mma(products, all_a, all_b);
  for (int i = 0; i < 4; i++) {
    sums[i] += static_cast<float>(products[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
  }
  __syncwarp();
}

inline void multiply_dense_first(float (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  for (float& sum : sums) sum = 0;
  multiply_dense(sums, a, b0, b1);
}

}  // namespace esparse
