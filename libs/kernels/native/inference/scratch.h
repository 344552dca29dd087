// Memory that a thread keeps from call to call.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace esparse {

class Scratch {
 public:
  // At least `count` floats, at a multiple of 64 bytes, with any content.
  float* floats(std::size_t count) {
    if (count > count_) {
      memory_.reset(new float[count + 16]);
      count_ = count;
    }
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    return memory_.get() + (64 - address % 64) % 64 / sizeof(float);
  }

 private:
  std::unique_ptr<float[]> memory_;
  std::size_t count_ = 0;
};

}  // namespace esparse
