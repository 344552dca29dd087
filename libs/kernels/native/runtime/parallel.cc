#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace esparse {
namespace {

// More threads than any machine gains from.
constexpr std::size_t kMaxThreads = 256;
// How long an idle thread looks for the next call before it sleeps: waking it takes some 20 to 50 microseconds, longer
// than a small linear. At first it keeps its processor, as the calls of one decoding step follow each other within
// that time; then it gives it to whoever asks. (Giving it away at once is worse: a busy neighbour keeps it for
// milliseconds.)
constexpr auto kHold = std::chrono::microseconds(25);
constexpr auto kSpin = std::chrono::microseconds(100);

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

struct Work {
  PartRef body;
  std::size_t parts;
  std::atomic<std::size_t> next{0};

  void take() {
    for (;;) {
      const std::size_t part = next.fetch_add(1, std::memory_order_relaxed);
      if (part >= parts) return;
      body.call(body.body, part);
    }
  }
};

// Never destroyed: its threads sleep until the process ends.
struct ComputePool {
  std::mutex callers;  // one call at a time
  std::atomic<std::size_t> threads{0};
  std::size_t started = 0;  // of the pool's own threads; under `callers`

  std::atomic<Work*> work{nullptr};
  std::atomic<std::uint64_t> calls{0};
  // Threads between entering and leaving a call's work. A thread enters before it reads `work`, and the caller takes
  // `work` back before it waits for zero: nobody can hold a call's work after it has returned.
  std::atomic<std::size_t> inside{0};

  std::mutex sleep;
  std::condition_variable wake;
  std::atomic<std::size_t> sleepers{0};
};

ComputePool& pool() {
  static ComputePool* instance = new ComputePool();
  return *instance;
}

// Waits until `calls` is no longer `seen`: first looking, then asleep.
void await_call(ComputePool& p, std::uint64_t seen, std::size_t id) {
  const auto arrived = [&] { return p.calls.load() != seen && id < p.threads.load(); };
  const auto began = std::chrono::steady_clock::now();
  while (id < p.threads.load(std::memory_order_relaxed)) {
    for (int i = 0; i < 32; i++) {
      if (arrived()) return;
      pause();
    }
    const auto looked = std::chrono::steady_clock::now() - began;
    if (looked > kSpin) break;
    if (looked > kHold) std::this_thread::yield();
  }
  std::unique_lock<std::mutex> lock(p.sleep);
  p.sleepers.fetch_add(1);
  p.wake.wait(lock, arrived);
  p.sleepers.fetch_sub(1);
}

void work(std::size_t id) {
  ComputePool& p = pool();
  std::uint64_t seen = 0;
  for (;;) {
    await_call(p, seen, id);
    seen = p.calls.load();
    p.inside.fetch_add(1);
    if (Work* current = p.work.load()) current->take();
    p.inside.fetch_sub(1);
  }
}

// The pool's thread `id` counts from 1; the caller is 0.
void start_threads(ComputePool& p, std::size_t threads) {
  while (p.started + 1 < threads) {
    std::thread(work, ++p.started).detach();
  }
}

std::size_t wanted_threads(ComputePool& p) {
  const std::size_t threads = p.threads.load();
  if (threads != 0) return threads;
  const std::size_t all = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
  p.threads.store(all);
  return all;
}

}  // namespace

void run_parts(std::size_t parts, PartRef body) {
  ComputePool& p = pool();
  std::lock_guard<std::mutex> turn(p.callers);
  Work mine{body, parts};
  const std::size_t threads = std::min(wanted_threads(p), parts);
  if (threads <= 1) {
    mine.take();
    return;
  }
  start_threads(p, threads);
  p.work.store(&mine);
  p.calls.fetch_add(1);
  if (p.sleepers.load() != 0) {
    // A thread that is about to sleep holds the lock from its last look at `calls` until it waits.
    { std::lock_guard<std::mutex> lock(p.sleep); }
    p.wake.notify_all();
  }
  mine.take();
  p.work.store(nullptr);
  for (std::size_t looks = 0; p.inside.load() != 0; looks++) {
    pause();
    // The thread that holds the last part may be waiting for this processor.
    if (looks > 2000) std::this_thread::yield();
  }
}

void set_compute_threads(std::size_t threads) {
  ComputePool& p = pool();
  std::lock_guard<std::mutex> turn(p.callers);
  p.threads.store(std::clamp<std::size_t>(threads, 1, kMaxThreads));
}

std::size_t compute_threads() {
  ComputePool& p = pool();
  std::lock_guard<std::mutex> turn(p.callers);
  return wanted_threads(p);
}

}  // namespace esparse
