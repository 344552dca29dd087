// The variants that need most registers, for the test that none of them keeps any in memory.
#include "../kernels/attention_walk.cuh"
#include "../kernels/attention_prefill.cuh"
#include "../kernels/experts.cuh"
#include "../kernels/integer_weights.cuh"
#include "../kernels/join.cuh"
#include "../kernels/linear.cuh"
#include "../kernels/linear_wide.cuh"
#include "../kernels/linear_widest.cuh"
#include "../kernels/norm_heads.cuh"
#include "../kernels/prefill_linear.cuh"
#include "../kernels/repack.cuh"
#include "../kernels/sample.cuh"

namespace esparse {

template __global__ void linear<Sparse, 16, 4, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<Dense, 16, 1, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<Sparse, 8, 8, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<Sparse, 1, 8, Input::kNormed, Output::kSwiglu>(const __grid_constant__ LinearArguments);
template __global__ void expert_linear<Sparse>(const __grid_constant__ ExpertLinearArguments);
template __global__ void expert_linear<Dense>(const __grid_constant__ ExpertLinearArguments);
template __global__ void linear_wide<Sparse, 64>(const __grid_constant__ LinearArguments);
template __global__ void linear_wide<Dense, 64>(const __grid_constant__ LinearArguments);
template __global__ void linear_widest<Sparse, 64, 2>(const __grid_constant__ LinearArguments);
template __global__ void linear_widest<Sparse, 32, 2>(const __grid_constant__ LinearArguments);
template __global__ void linear_widest<Dense, 64, 2>(const __grid_constant__ LinearArguments);
template __global__ void prefill_linear<Sparse, 256, PrefillOutput::kGated>(const __grid_constant__ PrefillArguments);
template __global__ void prefill_linear<Dense, 256, PrefillOutput::kAdded>(const __grid_constant__ PrefillArguments);
template __global__ void linear<SparseInt8, 16, 1, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<SparseInt4, 16, 1, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<DenseInt8, 16, 1, Input::kFragments, Output::kPairedPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<SparseInt4Fine, 4, 8, Input::kFragments, Output::kSwiglu>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<SparseInt4Fine, 8, 8, Input::kFragments, Output::kSwiglu>(
    const __grid_constant__ LinearArguments);
template __global__ void linear<SparseInt4Fine, 16, 1, Input::kFragments, Output::kPlanes>(
    const __grid_constant__ LinearArguments);
template __global__ void linear_wide<SparseInt4Fine, 32>(const __grid_constant__ LinearArguments);
template __global__ void linear_wide<DenseInt8, 32>(const __grid_constant__ LinearArguments);
template __global__ void prefill_linear<SparseInt4Fine, 256, PrefillOutput::kGated>(const __grid_constant__ PrefillArguments);
template __global__ void prefill_linear<DenseInt8, 256, PrefillOutput::kAdded>(const __grid_constant__ PrefillArguments);
template __global__ void attend_chunk<128>(const __grid_constant__ PrefillAttention);
template __global__ void attend_splits<64, 0>(const __grid_constant__ AttentionArguments);
template __global__ void attend_splits<128, 0>(const __grid_constant__ AttentionArguments);
template __global__ void attend_heads<64>(const __grid_constant__ AttentionArguments);
template __global__ void attend_heads<128>(const __grid_constant__ AttentionArguments);
template __global__ void attend_splits<128, 2>(const __grid_constant__ AttentionArguments);
template __global__ void attend_splits<256, 0>(const __grid_constant__ AttentionArguments);

}  // namespace esparse
