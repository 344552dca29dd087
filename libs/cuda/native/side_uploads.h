// Copies to the device beside what it computes, on other threads than the one that asks for work: that one goes on asking.
#pragma once
#include <mutex>

#include "uploader.h"

namespace esparse {

class SideUploads {
 public:
  SideUploads() : stream_(make_stream()), uploader_(stream_.get()) {}

  // One after the other, on whatever thread; until all has arrived.
  void copy(const Device& device, CuPointer to, const void* from, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    device.use();
    uploader_.copy(to, from, bytes);
    check(driver().wait_for_stream(stream_.get()), "take the weights");
  }

 private:
  std::mutex mutex_;
  Stream stream_;
  Uploader uploader_;
};

}  // namespace esparse
