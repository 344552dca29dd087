// Arrays as the copy engine knows them.
#pragma once
#include <cuda.h>

#include "../kernels/prefill_arguments.h"
#include "support.cuh"

namespace harness {

using namespace esparse;

// Rows of bf16 for the copy engine, in boxes of 64 columns.
inline TensorMap map_of(const std::uint16_t* x, int inputs, std::size_t rows, int tile) {
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result;
    CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result));
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap));
  TensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(inputs), rows};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(inputs) * 2};
  const cuuint32_t box[] = {kStageInputs, static_cast<cuuint32_t>(tile)}, steps[] = {1, 1};
  const CUresult result = encode(reinterpret_cast<CUtensorMap*>(&map), CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
                                 const_cast<std::uint16_t*>(x), sizes, strides, box, steps,
                                 CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    std::printf("tensor map: %d\n", result);
    std::exit(1);
  }
  return map;
}

}  // namespace harness
