// The tensor cores' products of Hopper (sm_90a): 64 rows of four warps, 2:4 or dense, by 128 or 256 tokens from shared
// memory.
#pragma once
#include "device.cuh"
#include "prefill_arguments.h"
#ifdef ESPARSE_EMULATED
#include "../emulation/wgmma.h"
#else

namespace esparse {

// A tile of activations in shared memory: rows of 64 inputs (128 B), as the copy engine writes them with its 128-byte
// swizzle, eight rows 1024 B. 32 inputs further: 4 more.
__device__ __forceinline__ std::uint64_t swizzled_tile(std::uint32_t address) {
  return std::uint64_t{1} << 62 | std::uint64_t{1024 >> 4} << 32 | std::uint64_t{1} << 16 | (address & 0x3ffff) >> 4;
}

// Rows of keys by 64 dims each (128 B) as the second operand the other way round: 16 keys from `address` on, by all dims,
// 64 of them `part` bytes after the 64 before.
__device__ __forceinline__ std::uint64_t swizzled_rows(std::uint32_t address, int part) {
  return std::uint64_t{1} << 62 | std::uint64_t{1024 >> 4} << 32 | static_cast<std::uint64_t>(part >> 4) << 16 |
         (address & 0x3ffff) >> 4;
}

// A box of an array of rows, which the copy engine knows by `map`: 64 elements from (column, row) on; zeros beyond the
// last row.
__device__ __forceinline__ void copy_tile(std::uint32_t to, const TensorMap* map, int column, int row,
                                          std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::
          "r"(to),
      "l"(map), "r"(column), "r"(row), "r"(barrier)
      : "memory");
}

__device__ __forceinline__ void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most kPending groups of products are under way.
template <int kPending>
__device__ __forceinline__ void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

#define ESPARSE_SUMS_4(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define ESPARSE_SUMS_16(i) ESPARSE_SUMS_4(i), ESPARSE_SUMS_4(i + 4), ESPARSE_SUMS_4(i + 8), ESPARSE_SUMS_4(i + 12)

// sums (64 rows x 64, 128 or 256 tokens) += a (64 x 32, 2:4: a warp's 16 rows as in multiply_sparse) b (32 x tokens). A
// lane has, of tokens 8 j + 2 quad and the next, sums 4 j and 4 j + 1 in its row, 4 j + 2 and 4 j + 3 eight rows below.
template <int kSelector>
__device__ __forceinline__ void multiply_tokens(float (&sums)[32], const Words4& a, std::uint64_t b,
                                                std::uint32_t metadata) {
  asm volatile(
      "wgmma.mma_async.sp.sync.aligned.m64n64k32.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, %37, %38, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b), "r"(metadata), "n"(kSelector));
}

template <int kSelector>
__device__ __forceinline__ void multiply_tokens(float (&sums)[64], const Words4& a, std::uint64_t b,
                                                std::uint32_t metadata) {
  asm volatile(
      "wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, %69, %70, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16), ESPARSE_SUMS_16(32), ESPARSE_SUMS_16(48)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b), "r"(metadata), "n"(kSelector));
}

template <int kSelector>
__device__ __forceinline__ void multiply_tokens(float (&sums)[128], const Words4& a, std::uint64_t b,
                                                std::uint32_t metadata) {
  asm volatile(
      "wgmma.mma_async.sp.sync.aligned.m64n256k32.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "{%128, %129, %130, %131}, %132, %133, %134, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16), ESPARSE_SUMS_16(32), ESPARSE_SUMS_16(48), ESPARSE_SUMS_16(64),
        ESPARSE_SUMS_16(80), ESPARSE_SUMS_16(96), ESPARSE_SUMS_16(112)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b), "r"(metadata), "n"(kSelector));
}

// The same of a dense a (64 x 16) and b (16 x tokens).
__device__ __forceinline__ void multiply_tokens(float (&sums)[32], const Words4& a, std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b));
}

__device__ __forceinline__ void multiply_tokens(float (&sums)[64], const Words4& a, std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16), ESPARSE_SUMS_16(32), ESPARSE_SUMS_16(48)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b));
}

__device__ __forceinline__ void multiply_tokens(float (&sums)[128], const Words4& a, std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "{%128, %129, %130, %131}, %132, 1, 1, 1, 0;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16), ESPARSE_SUMS_16(32), ESPARSE_SUMS_16(48), ESPARSE_SUMS_16(64),
        ESPARSE_SUMS_16(80), ESPARSE_SUMS_16(96), ESPARSE_SUMS_16(112)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b));
}

// sums (64 queries x 64 or 128 dims) += a (64 x 16 keys) b (16 keys x dims, as rows of keys).
__device__ __forceinline__ void add_weighted(float (&sums)[32], const Words4& a, std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b));
}

__device__ __forceinline__ void add_weighted(float (&sums)[64], const Words4& a, std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
      : ESPARSE_SUMS_16(0), ESPARSE_SUMS_16(16), ESPARSE_SUMS_16(32), ESPARSE_SUMS_16(48)
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b));
}

#undef ESPARSE_SUMS_16
#undef ESPARSE_SUMS_4

// Weights for the tensor cores, from shared memory: at this place in the program, not before products that still read the registers
// are waited for.
__device__ __forceinline__ Words4 load_shared(const std::uint8_t* from) {
  Words4 out;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(shared_address(from)));
  return out;
}
__device__ __forceinline__ std::uint32_t load_shared_word(const std::uint8_t* from) {
  std::uint32_t out;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(out) : "r"(shared_address(from)));
  return out;
}

}  // namespace esparse
#endif
