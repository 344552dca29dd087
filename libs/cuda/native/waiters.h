// Threads that wait for copies to the host. Node's own read and write files: a step that the host waits for would wait behind these.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace esparse {

class Waiters {
 public:
  Waiters() = default;
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;
  // Once all is done.
  ~Waiters() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  // Does some work that throws nothing, on a thread of these.
  void run(std::function<void()> work) {
    std::unique_lock<std::mutex> lock(mutex_);
    works_.push_back(std::move(work));
    if (idle_ < works_.size() && threads_.size() < kMost) {
      try {
        threads_.emplace_back([this] { wait_for_work(); });
      } catch (const std::system_error&) {
        // The system has no thread to give: one of those that are there does it, or this one.
        if (threads_.empty()) {
          auto only = std::move(works_.back());
          works_.pop_back();
          lock.unlock();
          only();
          return;
        }
      }
    }
    wake_.notify_one();
  }

 private:
  // Copies that are under way at once, mostly fewer.
  static constexpr std::size_t kMost = 8;

  void wait_for_work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      idle_++;
      wake_.wait(lock, [this] { return ended_ || !works_.empty(); });
      idle_--;
      if (works_.empty()) return;
      const auto work = std::move(works_.front());
      works_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> works_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ended_ = false;
};

}  // namespace esparse
