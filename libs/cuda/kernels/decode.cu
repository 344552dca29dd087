// Every kernel of a decode step, and of repacking, as one module: `npm run cuda:ptx` compiles it, and the driver of a
// machine with a GPU takes it from there. The host finds them by name (`native/kernel_names.h`).
#include "activation.cuh"
#include "attention_walk.cuh"
#include "digitise.cuh"
#include "experts.cuh"
#include "join.cuh"
#include "linear_instances.cuh"
#include "norm.cuh"
#include "norm_heads.cuh"
#include "repack.cuh"

namespace esparse {

LINEARS(Sparse, PLANES)
LINEARS(Dense, PAIRS)

#define ATTENTION(dims)                                                                       \
  template __global__ void append_positions<dims>(const __grid_constant__ AttentionArguments); \
  template __global__ void attend_splits<dims, 0>(const __grid_constant__ AttentionArguments);
ATTENTION(64)
ATTENTION(128)
ATTENTION(256)
#ifndef ESPARSE_AMPERE
template __global__ void attend_splits<128, 2>(const __grid_constant__ AttentionArguments);
template __global__ void attend_heads<64>(const __grid_constant__ AttentionArguments);
template __global__ void attend_heads<128>(const __grid_constant__ AttentionArguments);
#endif

#define ACTIVATION(kind)                                                                                              \
  template __global__ void activate_sums<Activation::kind>(const Planes, const float*, bool, std::uint8_t*, int, bool);
ACTIVATION(kSilu)
ACTIVATION(kGelu)
ACTIVATION(kRelu)

#define EXPERTS(kind) \
  template __global__ void activate_experts<Activation::kind>(const __grid_constant__ ActivateExpertsArguments);
EXPERTS(kSilu)
EXPERTS(kGelu)
EXPERTS(kClamped)
template __global__ void expert_linear<Sparse>(const __grid_constant__ ExpertLinearArguments);
template __global__ void expert_linear<Dense>(const __grid_constant__ ExpertLinearArguments);

}  // namespace esparse
