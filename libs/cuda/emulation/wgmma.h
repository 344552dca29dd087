// What `kernels/wgmma.cuh` has of products with activations as rows, on the host. Products are made as late as they can be: when they
// are waited for, from what registers and shared memory have then.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "device.h"

namespace esparse {

// Of the products of a thread that are under way: those of each group, the last of which is not whole.
inline std::deque<std::vector<std::function<void()>>>& products_of_lane() {
  static std::deque<std::vector<std::function<void()>>> groups[1024];
  auto& own = groups[threadIdx.x];
  if (own.empty()) own.emplace_back();
  return own;
}

// Shared memory by 16 bytes.
inline std::uint64_t swizzled_tile(std::uint32_t address) { return address >> 4; }

inline void products_begin() {}
inline void products_commit() { products_of_lane().emplace_back(); }
template <int kPending>
void products_wait() {
  auto& groups = products_of_lane();
  while (groups.size() > kPending + 1) {
    for (const auto& product : groups.front()) product();
    groups.pop_front();
  }
}

// Input `input` of a column, of rows of 128 bytes from `tile` on, which may stand some pieces of 16 bytes further.
inline std::uint32_t of_row(std::uint64_t tile, int column, int input) {
  std::uint32_t address = (static_cast<std::uint32_t>(tile) << 4) + column * 128 + input * 2;
  address ^= (address >> 7 & 7) << 4;
  std::uint32_t out = 0;
  std::memcpy(&out, shared_pointer(address), 2);
  return out;
}

// The operand's columns from 8 j on, as a product of a warp has them.
template <int kRegisters>
void columns_of_rows(std::uint64_t tile, int j, std::uint32_t (&out)[emulation::kLanes][kRegisters]) {
  for (int lane = 0; lane < emulation::kLanes; lane++) {
    for (int i = 0; i < kRegisters; i++) {
      const int input = 8 * i + 2 * (lane % 4), column = 8 * j + lane / 4;
      out[lane][i] = of_row(tile, column, input) | of_row(tile, column, input + 1) << 16;
    }
  }
}

template <class Multiply>
void multiply_by_columns(float* sums, int eights, const Words4& a, const Multiply& multiply) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  for (int j = 0; j < eights; j++) {
    std::memcpy(words.a[lane], &a, 16);
    float four[4] = {sums[4 * j], sums[4 * j + 1], sums[4 * j + 2], sums[4 * j + 3]};
    multiply_by_warp(four, [&](emulation::WarpWords& of) { multiply(of, j); });
    std::memcpy(sums + 4 * j, four, sizeof four);
  }
}

template <int kSelector, int kSums>
void multiply_tokens(float (&sums)[kSums], const Words4& a, std::uint64_t b, const std::uint32_t& metadata) {
  products_of_lane().back().push_back([&sums, &a, b, &metadata] {
    emulation::own_words().metadata[threadIdx.x % kLanes] = metadata;
    multiply_by_columns(sums, kSums / 4, a, [&](emulation::WarpWords& of, int j) {
      std::uint32_t columns[emulation::kLanes][4];
      columns_of_rows(b, j, columns);
      emulation::mma_sparse(of.sums, of.a, columns, of.metadata, kSelector);
    });
  });
}
template <int kSums>
void multiply_tokens(float (&sums)[kSums], const Words4& a, std::uint64_t b) {
  products_of_lane().back().push_back([&sums, &a, b] {
    multiply_by_columns(sums, kSums / 4, a, [&](emulation::WarpWords& of, int j) {
      std::uint32_t columns[emulation::kLanes][2];
      columns_of_rows(b, j, columns);
      emulation::mma(of.sums, of.a, columns);
    });
  });
}

inline Words4 load_shared(const std::uint8_t* from) {
  Words4 out;
  std::memcpy(&out, from, 16);
  return out;
}
inline std::uint32_t load_shared_word(const std::uint8_t* from) {
  std::uint32_t out;
  std::memcpy(&out, from, 4);
  return out;
}

}  // namespace esparse
