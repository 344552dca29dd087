// Copies to the device that are made on other threads than the one that asks for work, and beside that: it goes on asking.
#pragma once
#include <mutex>

#include "uploader.h"

namespace esparse {

class SideUploads {
 public:
  SideUploads() : stream_(make_stream()), uploader_(stream_.get()) {}

  // One after the other, on whatever thread, once an event was reached; until all has arrived.
  void copy(const Device& device, const Event& after, CuPointer to, const void* from, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    device.use();
    check(driver().hold_stream(stream_.get(), after.get(), 0), "take the weights");
    uploader_.copy(to, from, bytes);
    check(driver().wait_for_stream(stream_.get()), "take the weights");
  }

 private:
  std::mutex mutex_;
  Stream stream_;
  Uploader uploader_;
};

}  // namespace esparse
