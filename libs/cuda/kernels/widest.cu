// The linears of 32 and 64 tokens in bf16, as one module: warps give registers to others in them, which Hopper can (sm_90a). Elsewhere, and of
// integers, they are those of `linear_wide.cuh`.
#include "linear_widest.cuh"

namespace esparse {

#define WIDEST(weights, tokens)                                                                       \
  template __global__ void linear_widest<weights, tokens, 1>(const __grid_constant__ LinearArguments); \
  template __global__ void linear_widest<weights, tokens, 2>(const __grid_constant__ LinearArguments);
WIDEST(Sparse, 32)
WIDEST(Sparse, 64)
WIDEST(Dense, 32)
WIDEST(Dense, 64)

}  // namespace esparse
