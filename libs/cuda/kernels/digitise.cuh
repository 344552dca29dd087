// Activations become digits before the linears of 32 and 64 tokens read them, where the kernel that made them could not write digits
// itself: each CTA there would make them anew.
#pragma once
#include "digits.cuh"

namespace esparse {

// Grid (pieces x kDigitLanes / kDigitiseThreads, rounded up); a piece is kDigitInputs of a token; `tokens`: of a group.
__global__ void __launch_bounds__(kDigitiseThreads)
    digitise(const std::uint8_t* from, std::uint8_t* to, int pieces, int tokens, const DigitOrder order) {
  release_dependents();
  wait_for_producers();
  const int first = (blockIdx.x * kDigitiseThreads + threadIdx.x) / kLanes * kWarpPieces;
  make_digits(from, to, first, pieces, tokens, order, [] {});
}

}  // namespace esparse
