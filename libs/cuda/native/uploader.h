// Copies what lies in the host's memory (mapped files, above all) to the device through two pinned buffers: while the
// device takes one, the processor fills the other.
#pragma once
#include "memory.h"
#include "parallel_copy.h"

namespace esparse {

class Uploader {
 public:
  explicit Uploader(CuStream stream) : stream_(stream) {
    for (auto& half : halves_) half = {PinnedArray<std::uint8_t>(kBytes), make_event()};
  }

  // In the stream's order.
  void copy(CuPointer to, const void* from, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += kBytes) {
      Half& half = halves_[next_ ^= 1];
      const std::size_t some = std::min(kBytes, bytes - at);
      check(driver().wait_for_event(half.taken.get()), "take the weights");
      copy_in_parallel(half.buffer.data(), static_cast<const std::uint8_t*>(from) + at, some);
      check(driver().copy_to_device(to + at, half.buffer.data(), some, stream_), "take the weights");
      check(driver().record_event(half.taken.get(), stream_), "take the weights");
    }
  }

  template <class T>
  DeviceArray<T> array(const T* from, std::size_t count) {
    DeviceArray<T> to(count);
    copy(to.address(), from, to.bytes());
    return to;
  }

 private:
  // Enough that a copy takes longer than its start; little beside a model.
  static constexpr std::size_t kBytes = std::size_t{8} << 20;
  struct Half {
    PinnedArray<std::uint8_t> buffer;
    Event taken;
  };
  CuStream stream_;
  Half halves_[2];
  int next_ = 0;
};

}  // namespace esparse
