// Every decode linear of a kind of weights, for a module: LINEARS(Sparse), or LINEARS_OF_INTEGERS(SparseInt8). The host finds them by name
// (`native/kernel_names.h`). Before Hopper (ESPARSE_AMPERE) those are not there for which a CTA has no room (`linear_plan.h`).
#pragma once
#include "linear.cuh"
#include "linear_wide.cuh"

#define LINEAR(weights, tokens, warps, input, output) \
  template __global__ void linear<weights, tokens, warps, Input::input, Output::output>( \
      const __grid_constant__ LinearArguments);
#define LINEARS_OF_ONE(weights) \
  LINEAR(weights, 1, 8, kNormed, kPlanes) \
  LINEAR(weights, 1, 8, kNormed, kSwiglu) \
  LINEAR(weights, 1, 8, kFragments, kPlanes)
#define LINEARS_OF_WHOLE_ROWS(weights, tokens) \
  LINEAR(weights, tokens, 8, kFragments, kPlanes) \
  LINEAR(weights, tokens, 8, kFragments, kSwiglu)
#define LINEARS_OF_PARTS(weights, tokens, warps) \
  LINEAR(weights, tokens, warps, kFragments, kPlanes) \
  LINEAR(weights, tokens, warps, kFragments, kPairedPlanes)
#define WIDE(weights, tokens) template __global__ void linear_wide<weights, tokens>(const __grid_constant__ LinearArguments);
#ifdef ESPARSE_AMPERE
#define LINEARS_OF_EIGHT(weights)
#define WIDE_OF_MOST(weights)
#else
#define LINEARS_OF_EIGHT(weights) \
  LINEARS_OF_WHOLE_ROWS(weights, 8) \
  LINEARS_OF_PARTS(weights, 8, 4) \
  LINEARS_OF_PARTS(weights, 8, 2)
#define WIDE_OF_MOST(weights) WIDE(weights, 64)
#endif
#define LINEARS(weights) \
  LINEARS_OF_ONE(weights) \
  LINEARS_OF_MORE(weights)
#define LINEARS_OF_INTEGERS(weights) \
  LINEARS_OF_WHOLE_ROWS(weights, 1) \
  LINEAR(weights, 1, 4, kFragments, kPlanes) \
  LINEARS_OF_MORE(weights)
#define LINEARS_OF_MORE(weights) \
  LINEARS_OF_WHOLE_ROWS(weights, 2) \
  LINEARS_OF_WHOLE_ROWS(weights, 4) \
  LINEARS_OF_PARTS(weights, 4, 4) \
  LINEARS_OF_EIGHT(weights) \
  LINEARS_OF_PARTS(weights, 16, 4) \
  LINEARS_OF_PARTS(weights, 16, 2) \
  LINEARS_OF_PARTS(weights, 16, 1) \
  WIDE(weights, 32) \
  WIDE_OF_MOST(weights)
