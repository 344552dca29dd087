// Every kernel of prefill for GPUs without wgmma, those before Hopper and those after it, as one module.
#include "attention_prefill_mma.cuh"
#include "prefill_linear_mma.cuh"
#include "prefill_norm.cuh"

namespace esparse {

// Those of `kMmaTiles`.
#define LINEARS(weights)                                                                                      \
  template __global__ void prefill_linear_mma<weights, 2, 64, 64>(const __grid_constant__ PrefillArguments); \
  template __global__ void prefill_linear_mma<weights, 2, 64, 32>(const __grid_constant__ PrefillArguments); \
  template __global__ void prefill_linear_mma<weights, 4, 32, 32>(const __grid_constant__ PrefillArguments);
LINEARS(Sparse)
LINEARS(Dense)

#define ATTENTION(dims)                                                            \
  template __global__ void append<dims>(const __grid_constant__ PrefillAttention); \
  template __global__ void attend_chunk_mma<dims>(const __grid_constant__ PrefillAttention);
ATTENTION(64)
ATTENTION(128)

}  // namespace esparse
