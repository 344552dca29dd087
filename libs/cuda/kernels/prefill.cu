// Every kernel of prefill, as one module, for Hopper alone (sm_90a): `npm run cuda:ptx` compiles it. On other GPUs
// prompts go through the kernels of decoding.
#include "attention_prefill.cuh"
#include "prefill_instances.cuh"
#include "prefill_norm.cuh"

namespace esparse {

LINEARS(Sparse, 128)
LINEARS(Sparse, 256)
LINEARS(Dense, 128)
LINEARS(Dense, 256)

#define ATTENTION(dims)                                                                   \
  template __global__ void append<dims>(const __grid_constant__ PrefillAttention);        \
  template __global__ void attend_chunk<dims>(const __grid_constant__ PrefillAttention);
ATTENTION(64)
ATTENTION(128)

}  // namespace esparse
