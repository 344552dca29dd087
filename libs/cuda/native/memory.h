// Memory of the device, pinned memory of the host, streams and events, each freed with its owner.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>

#include "driver.h"

namespace esparse {

// A handle that the driver gave, and the call that takes it back.
template <class Handle, CuResult (*Driver::*kRelease)(Handle)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_ != Handle{}) (driver().*kRelease)(handle_);
  }
  Handle get() const { return handle_; }

 private:
  Handle handle_{};
};

using Stream = Owned<CuStream, &Driver::destroy_stream>;
using Event = Owned<CuEvent, &Driver::destroy_event>;
using Graph = Owned<CuGraph, &Driver::destroy_graph>;
using GraphExec = Owned<CuGraphExec, &Driver::destroy_exec>;
using Module = Owned<CuModule, &Driver::unload_module>;

inline Stream make_stream() {
  CuStream stream{};
  check(driver().create_stream(&stream, kCuStreamNonBlocking), "make a stream");
  return Stream(stream);
}

inline Event make_event() {
  CuEvent event{};
  check(driver().create_event(&event, kCuEventNoTiming), "make an event");
  return Event(event);
}

// An array on the device.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t count) : count_(count) {
    CuPointer pointer{};
    check(driver().allocate(&pointer, std::max<std::size_t>(bytes(), 256)), "allocate memory");
    memory_ = Owned<CuPointer, &Driver::free>(pointer);
  }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  CuPointer address() const { return memory_.get(); }
  T* data() const { return reinterpret_cast<T*>(memory_.get()); }  // for kernels' arguments; not to be read here

 private:
  Owned<CuPointer, &Driver::free> memory_;
  std::size_t count_ = 0;
};

// Its elements, or null where there are none.
inline const float* data_of(const DeviceArray<float>& array) { return array.count() == 0 ? nullptr : array.data(); }

// An array of the host that the device copies from and to without the processor.
template <class T>
class PinnedArray {
 public:
  PinnedArray() = default;
  explicit PinnedArray(std::size_t count) : count_(count) {
    void* data = nullptr;
    check(driver().allocate_host(&data, std::max<std::size_t>(count * sizeof(T), 256), 0), "allocate pinned memory");
    memory_ = Owned<void*, &Driver::free_host>(data);
  }
  std::size_t count() const { return count_; }
  T* data() const { return static_cast<T*>(memory_.get()); }

 private:
  Owned<void*, &Driver::free_host> memory_;
  std::size_t count_ = 0;
};

}  // namespace esparse
