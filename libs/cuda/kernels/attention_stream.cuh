// How a warp's blocks of keys and values come to it: into its registers, or, kSlots of them, to shared memory by bulk copies.
// Those are asked for earlier, as they take no registers meanwhile.
#pragma once
#include "attention_block.cuh"

namespace esparse {

template <int kDims, int kSlots>
struct BlockStream {
  static constexpr int kAhead = kSlots;
  static constexpr int kFour = 4 * kDims * 2;  // bytes of four values
  std::uint8_t* slots;
  std::uint32_t barriers;
  int asked = 0, taken = 0;
  KeyBlock<kDims> keys;
  ValueBlock<kDims> values;

  // `memory`: of all warps' slots, `slot_barriers`: likewise.
  __device__ __forceinline__ BlockStream(std::uint8_t* memory, std::uint64_t* slot_barriers, int warp, int lane)
      : slots(memory + warp * kSlots * slot_bytes(kDims)), barriers(shared_address(slot_barriers) + warp * kSlots * 8) {
    if (lane == 0) {
#pragma unroll
      for (int i = 0; i < kSlots; i++) barrier_init(barriers + i * 8, kCopyArrivals);
      barrier_init_fence();
    }
    __syncwarp();
  }
  // Asks for a block. Of the values, fours stand so far apart that lanes read different banks.
  __device__ __forceinline__ void request(const std::uint16_t* keys_from, const std::uint16_t* values_from, int) {
    if (kLanesCopy || elected()) {
      const std::uint32_t to = shared_address(slots + asked % kSlots * slot_bytes(kDims)), barrier = barriers + asked % kSlots * 8;
      barrier_expect(barrier, 8 * kFour);
      bulk_copy(to, keys_from, 4 * kFour, barrier);
#pragma unroll
      for (int i = 0; i < 4; i++) bulk_copy(to + 4 * kFour + i * (kFour + kFourApart), values_from + i * 4 * kDims, kFour, barrier);
      copies_asked_for(barrier);
    }
    asked++;
  }
  // Waits for the block that was asked for first, and takes it: after its values its room is free.
  __device__ __forceinline__ void take_keys(int lane) {
    barrier_wait(barriers + taken % kSlots * 8, taken / kSlots % 2);
    keys.take(reinterpret_cast<const std::uint16_t*>(slots + taken % kSlots * slot_bytes(kDims)), lane);
  }
  __device__ __forceinline__ void take_values(int lane) {
    values.template take<kFour + kFourApart>(slots + taken++ % kSlots * slot_bytes(kDims) + 4 * kFour, lane);
    __syncwarp();
  }
  __device__ __forceinline__ void skip() {}
};

template <int kDims>
struct BlockStream<kDims, 0> {
  static constexpr int kAhead = 1;
  KeyBlock<kDims> keys;
  ValueBlock<kDims> values;

  __device__ __forceinline__ BlockStream(std::uint8_t*, std::uint64_t*, int, int) {}
  __device__ __forceinline__ void request(const std::uint16_t* keys_from, const std::uint16_t* values_from, int lane) {
    keys.load(keys_from, lane);
    values.load(values_from, lane);
  }
  __device__ __forceinline__ void take_keys(int) {}
  __device__ __forceinline__ void take_values(int) {}
  // Nothing is asked for: else what the registers were would be kept.
  __device__ __forceinline__ void skip() {
    keys = {};
    values = {};
  }
};

}  // namespace esparse
