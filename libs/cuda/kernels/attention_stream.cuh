// How a warp's blocks of keys and values come to it: into its registers, or, kSlots of them, to shared memory by bulk copies, which
// take no registers until they are computed.
#pragma once
#include "attention_block.cuh"

namespace esparse {

template <int kDims, int kSlots>
struct BlockStream {
  static constexpr int kHalf = kKeyBlock * kDims;  // elements: keys, and values
  static constexpr int kFour = 4 * kDims, kFourApartBytes = 2 * kFour + kFourApart;
  std::uint8_t* slots;
  std::uint32_t barriers;
  int asked = 0, taken = 0;

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
  __device__ __forceinline__ void request(const std::uint16_t* keys, const std::uint16_t* values, int) {
    if (kLanesCopy || elected()) {
      const std::uint32_t to = shared_address(slots + asked % kSlots * slot_bytes(kDims)), barrier = barriers + asked % kSlots * 8;
      barrier_expect(barrier, 4 * kHalf);
      bulk_copy_once(to, keys, 2 * kHalf, barrier);
#pragma unroll
      for (int i = 0; i < 4; i++) bulk_copy_once(to + 2 * kHalf + i * kFourApartBytes, values + i * kFour, 2 * kFour, barrier);
      copies_asked_for(barrier);
    }
    asked++;
  }
  __device__ __forceinline__ void skip() {}
  // The block that was asked for first: waits for it, gives its keys, then 64 dims of its values, and lets it go. That is once products
  // have taken all of them: loads that are only under way would meet what is copied there next, `__syncwarp` does not wait for them.
  __device__ __forceinline__ KeyBlock<kDims> keys(int lane) const {
    barrier_wait(barriers + taken % kSlots * 8, taken / kSlots % 2);
    KeyBlock<kDims> out;
    out.take(slot(), lane);
    return out;
  }
  __device__ __forceinline__ ValueBlock<kDims> values(int part, int lane) const {
    ValueBlock<kDims> out;
    out.take(slot() + kHalf + 64 * part, kFourApartBytes / 2, lane);
    return out;
  }
  __device__ __forceinline__ void free() {
    taken++;
    __syncwarp();
  }

 private:
  __device__ __forceinline__ const std::uint16_t* slot() const {
    return reinterpret_cast<const std::uint16_t*>(slots + taken % kSlots * slot_bytes(kDims));
  }
};

template <int kDims>
struct BlockStream<kDims, 0> {
  static constexpr int kParts = kDims / 64;
  KeyBlock<kDims> own_keys;
  ValueBlock<kDims> own_values[kParts];

  __device__ __forceinline__ BlockStream(std::uint8_t*, std::uint64_t*, int, int) {}
  __device__ __forceinline__ void request(const std::uint16_t* keys, const std::uint16_t* values, int lane) {
    own_keys.load(keys, lane);
#pragma unroll
    for (int part = 0; part < kParts; part++) own_values[part].load(values + 64 * part, lane);
  }
  // Nothing is asked for: else what the registers were would be kept.
  __device__ __forceinline__ void skip() {
    own_keys = {};
#pragma unroll
    for (int part = 0; part < kParts; part++) own_values[part] = {};
  }
  __device__ __forceinline__ KeyBlock<kDims> keys(int) const { return own_keys; }
  __device__ __forceinline__ ValueBlock<kDims> values(int part, int) const { return own_values[part]; }
  __device__ __forceinline__ void free() {}
};

}  // namespace esparse
