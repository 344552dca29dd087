// Every linear of prefill of a kind of weights, for a module: LINEARS(Sparse, 128).
#pragma once
#include "prefill_linear.cuh"

#define LINEAR(weights, tile, output) \
  template __global__ void prefill_linear<weights, tile, PrefillOutput::output>(const __grid_constant__ PrefillArguments);
#define LINEARS(weights, tile)   \
  LINEAR(weights, tile, kRows)   \
  LINEAR(weights, tile, kAdded)  \
  LINEAR(weights, tile, kGated)
