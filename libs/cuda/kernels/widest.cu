// The linears of 64 tokens in bf16, as one module: warps give registers to others in them, which Hopper can (sm_90a). Elsewhere, and of
// integers, they are those of `linear_wide.cuh`.
#include "linear_widest.cuh"

namespace esparse {

#define WIDEST(weights, panels) \
  template __global__ void linear_widest<weights, kMostTokens, panels>(const __grid_constant__ LinearArguments);
WIDEST(Sparse, 1)
WIDEST(Sparse, 2)
WIDEST(Dense, 1)
WIDEST(Dense, 2)

}  // namespace esparse
