// Copies to shared memory that a thread asks for and does not wait for, and matrices of 8 x 8 from there: what the products of
// a warp (`mma`) are fed by, on every GPU since sm_80.
#pragma once
#include "device.cuh"

#ifdef ESPARSE_EMULATED
#include "../emulation/copies.h"
#else
namespace esparse {

// Copies 16 bytes, past the L1; or writes zeros instead.
__device__ __forceinline__ void copy_ahead(std::uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void copy_or_clear(std::uint32_t to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}

// What a thread has asked for since the last call of it is a group, if nothing then an empty one.
__device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kPending of the thread's groups, the last ones, are under way.
template <int kPending>
__device__ __forceinline__ void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four matrices of 8 rows of 8 bf16. Lane l names row l % 8 of matrix l / 8, and is given, of each, elements 2 (l % 4) and the
// next of row l / 4. `turned`: rows 2 (l % 4) and the next of column l / 4.
__device__ __forceinline__ Words4 load_matrices(std::uint32_t row) {
  Words4 out;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(row)
               : "memory");
  return out;
}
__device__ __forceinline__ Words4 load_turned_matrices(std::uint32_t row) {
  Words4 out;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(row)
               : "memory");
  return out;
}

// A lane's 16 bytes.
__device__ __forceinline__ Words4 load_shared(std::uint32_t from) {
  Words4 out;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(from)
               : "memory");
  return out;
}

}  // namespace esparse
#endif

namespace esparse {

// Where chunk `chunk` (16 bytes) of a row of shared memory stands: eight rows that follow each other have it in different
// banks. Rows of 64 bytes, 128, or several times as many.
template <int kRowBytes>
ESPARSE_BOTH std::uint32_t chunk_place(int row, int chunk) {
  static_assert(kRowBytes == 64 || kRowBytes % 128 == 0);
  const int turned = kRowBytes == 64 ? chunk ^ row / 2 % 4 : chunk ^ row % 8;
  return static_cast<std::uint32_t>(row * kRowBytes + turned * 16);
}

}  // namespace esparse
