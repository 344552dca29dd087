// Copies to the host that are waited for on other threads than the one that asks for work: that one goes on asking.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "device.h"
#include "memory.h"
#include "parallel_copy.h"

namespace esparse {

// Pinned memory in which one copy arrives.
struct Landing {
  explicit Landing(std::size_t size) : memory(size), arrived(make_event()) {}
  PinnedArray<std::uint8_t> memory;
  Event arrived;
  std::size_t bytes = 0;

  // Waits for the copy, and takes it out.
  void take(const Device& device, void* to) const {
    device.use();
    check(driver().wait_for_event(arrived.get()), "give what it computed");
    copy_in_parallel(to, memory.data(), bytes);
  }
};

// Those of one GPU: memory is used again, since to pin it takes longer than a copy.
class Landings {
 public:
  // For so many bytes. It comes back when the last who holds it lets it go, on any thread.
  std::shared_ptr<Landing> make(std::size_t bytes) {
    std::unique_ptr<Landing> found = unused(bytes);
    if (!found) found = std::make_unique<Landing>(std::max(bytes, kLeast));
    found->bytes = bytes;
    const std::lock_guard<std::mutex> lock(mutex_);
    out_++;
    return {found.release(), [this](Landing* back) { put(std::unique_ptr<Landing>(back)); }};
  }
  // Until all are back.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_back_.wait(lock, [this] { return out_ == 0; });
  }

 private:
  static constexpr std::size_t kMostUnused = 16;
  static constexpr std::size_t kLeast = std::size_t{64} << 10;
  // A large one that few bytes took would be missed by the next large copy.
  static constexpr std::size_t kMostTooLarge = 4;

  static std::size_t size(const std::unique_ptr<Landing>& landing) { return landing->memory.count(); }

  std::unique_ptr<Landing> unused(std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t most = std::max(kMostTooLarge * bytes, kLeast);
    for (auto at = unused_.begin(); at != unused_.end(); ++at) {
      if (size(*at) < bytes || size(*at) > most) continue;
      std::unique_ptr<Landing> found = std::move(*at);
      unused_.erase(at);
      return found;
    }
    return nullptr;
  }
  void put(std::unique_ptr<Landing> landing) {
    const std::lock_guard<std::mutex> lock(mutex_);
    unused_.push_back(std::move(landing));
    // The smallest is of least use.
    if (unused_.size() > kMostUnused) {
      unused_.erase(std::min_element(unused_.begin(), unused_.end(),
                                     [](const auto& a, const auto& b) { return size(a) < size(b); }));
    }
    out_--;
    all_back_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable all_back_;
  std::vector<std::unique_ptr<Landing>> unused_;
  int out_ = 0;
};

}  // namespace esparse
