// Every decode linear of a kind of weights, for a module: LINEARS(Sparse, PLANES). The host finds them by name
// (`native/kernel_names.h`). Before Hopper (ESPARSE_AMPERE) those are not there for which a CTA has no room, or
// which save little (`token_bucket`).
#pragma once
#include "linear.cuh"
#include "linear_wide.cuh"

#define LINEAR(weights, tokens, warps, input, output) \
  template __global__ void linear<weights, tokens, warps, Input::input, Output::output>( \
      const __grid_constant__ LinearArguments);
#define LINEARS_OF_ONE(weights) \
  LINEAR(weights, 1, 8, kNormed, kPlanes) \
  LINEAR(weights, 1, 8, kNormed, kSwiglu) \
  LINEAR(weights, 1, 8, kMerged, kPlanes) \
  LINEAR(weights, 1, 8, kFragments, kPlanes)
#define LINEARS_OF_WHOLE_ROWS(weights, tokens) \
  LINEAR(weights, tokens, 8, kFragments, kPlanes) \
  LINEAR(weights, tokens, 8, kFragments, kSwiglu)
// Gate and up in an order of their own are two linears where a CTA does not sum whole rows; dense ones, PAIRS, share activations.
#define PLANES(weights, tokens, warps) LINEAR(weights, tokens, warps, kFragments, kPlanes)
#define PAIRS(weights, tokens, warps) \
  PLANES(weights, tokens, warps) \
  LINEAR(weights, tokens, warps, kFragments, kPairedPlanes)
#define WIDE(weights, tokens) template __global__ void linear_wide<weights, tokens>(const __grid_constant__ LinearArguments);
#ifdef ESPARSE_AMPERE
#define LINEARS_OF_TWO(weights)
#define LINEARS_OF_EIGHT(weights, parts)
#define PARTS_OF_EIGHT(weights, parts)
#define WIDE_OF_MOST(weights)
#else
#define LINEARS_OF_TWO(weights) LINEARS_OF_WHOLE_ROWS(weights, 2)
#define LINEARS_OF_EIGHT(weights, parts) \
  LINEARS_OF_WHOLE_ROWS(weights, 8) \
  PARTS_OF_EIGHT(weights, parts)
#define PARTS_OF_EIGHT(weights, parts) \
  parts(weights, 8, 4) \
  parts(weights, 8, 2)
#define WIDE_OF_MOST(weights) WIDE(weights, 64)
#endif
#define LINEARS(weights, parts) \
  LINEARS_OF_ONE(weights) \
  LINEARS_OF_TWO(weights) \
  LINEARS_OF_WHOLE_ROWS(weights, 4) \
  parts(weights, 4, 4) \
  LINEARS_OF_EIGHT(weights, parts) \
  LINEARS_OF_MORE(weights, parts) \
  WIDE_OF_MOST(weights)
// Those of integers that `chosen_tuning` gives.
#define LINEARS_OF_INTEGERS(weights, parts) \
  LINEARS_OF_ONE(weights) \
  LINEARS_OF_TWO(weights) \
  LINEARS_OF_WHOLE_ROWS(weights, 4) \
  parts(weights, 4, 4) \
  PARTS_OF_EIGHT(weights, parts) \
  LINEARS_OF_MORE(weights, parts)
#define LINEARS_OF_MORE(weights, parts) \
  parts(weights, 16, 4) \
  parts(weights, 16, 2) \
  parts(weights, 16, 1) \
  WIDE(weights, 32)
