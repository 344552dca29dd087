// The part of NVIDIA's cuBLASLt that esparse calls, declared here by what NVIDIA documents of it. The library does not come
// with the driver: it is opened when somebody asks for a matrix product, by its name or by what ESPARSE_CUBLASLT says.
#pragma once
#include <cstddef>
#include <cstdint>

#include "driver.h"

namespace esparse {

using LtHandle = struct LtHandleObject*;
using LtProduct = struct LtProductObject*;  // a matmul descriptor
using LtLayout = struct LtLayoutObject*;
using LtPreference = struct LtPreferenceObject*;

struct LtAlgorithm {
  std::uint64_t data[8];
};
struct LtChoice {
  LtAlgorithm algorithm;
  std::size_t workspace_bytes;
  int state;  // 0: it can be used
  float waves;
  int reserved[4];
};

// Types of elements, and of sums.
constexpr int kLtF32 = 0, kLtF16 = 2, kLtBf16 = 14, kLtSumF32 = 68;
// Attributes of a product, of a layout, of a preference.
constexpr int kLtTransposeA = 3, kLtTransposeB = 4;
constexpr int kLtBatchCount = 5, kLtBatchStride = 6;
constexpr int kLtWorkspaceBytes = 1, kLtReductions = 3, kLtAlignments[] = {5, 6, 7, 8};

// Name in the library, member, parameters.
#define ESPARSE_CUBLASLT_CALLS(CALL)                                                                                    \
  CALL("cublasLtCreate", create, (LtHandle*))                                                                           \
  CALL("cublasLtDestroy", destroy, (LtHandle))                                                                          \
  CALL("cublasLtMatmulDescCreate", create_product, (LtProduct*, int sums, int scale))                                   \
  CALL("cublasLtMatmulDescDestroy", destroy_product, (LtProduct))                                                       \
  CALL("cublasLtMatmulDescSetAttribute", set_product, (LtProduct, int, const void*, std::size_t))                       \
  CALL("cublasLtMatrixLayoutCreate", create_layout, (LtLayout*, int type, std::uint64_t rows, std::uint64_t columns,    \
                                                     std::int64_t stride))                                              \
  CALL("cublasLtMatrixLayoutDestroy", destroy_layout, (LtLayout))                                                       \
  CALL("cublasLtMatrixLayoutSetAttribute", set_layout, (LtLayout, int, const void*, std::size_t))                       \
  CALL("cublasLtMatmulPreferenceCreate", create_preference, (LtPreference*))                                            \
  CALL("cublasLtMatmulPreferenceDestroy", destroy_preference, (LtPreference))                                           \
  CALL("cublasLtMatmulPreferenceSetAttribute", set_preference, (LtPreference, int, const void*, std::size_t))           \
  CALL("cublasLtMatmulAlgoGetHeuristic", choose, (LtHandle, LtProduct, LtLayout a, LtLayout b, LtLayout c, LtLayout d,   \
                                                  LtPreference, int wanted, LtChoice*, int* found))                     \
  CALL("cublasLtMatmul", multiply, (LtHandle, LtProduct, const void* alpha, const void* a, LtLayout, const void* b,     \
                                    LtLayout, const void* beta, const void* c, LtLayout, void* d, LtLayout,             \
                                    const LtAlgorithm*, void* workspace, std::size_t, CuStream))

struct CublasLt {
#define ESPARSE_CUBLASLT_MEMBER(name, member, parameters) int(*member) parameters;
  ESPARSE_CUBLASLT_CALLS(ESPARSE_CUBLASLT_MEMBER)
#undef ESPARSE_CUBLASLT_MEMBER
  std::size_t version;
};

// The library of this machine, opened at the first call. Throws Failure 'usage' where there is none.
const CublasLt& cublaslt();

}  // namespace esparse
