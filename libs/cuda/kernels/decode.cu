// Every kernel of a decode step, and of repacking, as one module: `npm run cuda:ptx` compiles it, and the driver of a
// machine with a GPU takes it from there. The host finds them by name (`native/kernel_names.h`).
#include "attention_decode.cuh"
#include "linear.cuh"
#include "norm.cuh"
#include "repack.cuh"
#include "sample.cuh"
#include "swiglu.cuh"

namespace esparse {

#define LINEAR(weights, tokens, input, output)                                                       \
  template __global__ void linear<weights, tokens, plain_warps(tokens), Input::input, Output::output>( \
      const __grid_constant__ LinearArguments);
#define LINEARS_OF_FEW(weights, tokens)        \
  LINEAR(weights, tokens, kNormed, kPlanes)    \
  LINEAR(weights, tokens, kNormed, kSwiglu)    \
  LINEAR(weights, tokens, kFragments, kPlanes)
#define LINEARS_OF_MORE(weights, tokens)       \
  LINEAR(weights, tokens, kFragments, kPlanes) \
  LINEAR(weights, tokens, kFragments, kPairedPlanes)
#define LINEARS(weights)       \
  LINEARS_OF_FEW(weights, 1)   \
  LINEARS_OF_FEW(weights, 2)   \
  LINEARS_OF_MORE(weights, 4)  \
  LINEARS_OF_MORE(weights, 8)  \
  LINEARS_OF_MORE(weights, 16)
LINEARS(Sparse)
LINEARS(Dense)

#define ATTENTION(dims)                                                                       \
  template __global__ void append_positions<dims>(const __grid_constant__ AttentionArguments); \
  template __global__ void attend_page<dims, 1>(const __grid_constant__ AttentionArguments);   \
  template __global__ void attend_page<dims, 2>(const __grid_constant__ AttentionArguments);   \
  template __global__ void attend_page<dims, 4>(const __grid_constant__ AttentionArguments);   \
  template __global__ void attend_page<dims, 8>(const __grid_constant__ AttentionArguments);
ATTENTION(64)
ATTENTION(128)

}  // namespace esparse
