#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace esparse {

std::size_t processors() { return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads); }

namespace {

// How long a thread that took part in a loop looks for the next one before it sleeps: waking it takes some 20 to 50
// microseconds, longer than a small linear. At first it keeps its processor, as the loops of one decoding step follow each
// other within that time; then it gives it to whoever asks. (Giving it away at once is worse: a busy neighbour keeps it for
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

struct Loop {
  PartRef body;
  std::size_t threads, parts;
  std::atomic<std::size_t> next{0};

  void take() {
    for (;;) {
      const std::size_t part = next.fetch_add(1, std::memory_order_relaxed);
      if (part >= parts) return;
      body.call(body.body, part);
    }
  }
};

struct RunningJob {
  Job job;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> finished{0};
};

// Never destroyed: its threads sleep until the process ends. They count from 1; a loop's caller is thread 0.
struct Pool {
  std::mutex callers;  // one loop at a time
  std::atomic<std::size_t> loop_threads{1};  // of the latest loop that was begun
  std::atomic<Loop*> loop{nullptr};
  std::atomic<std::uint64_t> loops{0};  // begun so far
  // Threads between entering and leaving a loop. A thread enters before it reads `loop`, and the caller takes `loop` back
  // before it waits for zero: nobody can hold a loop after its call has returned.
  std::atomic<std::size_t> inside{0};

  std::mutex mutex;  // of what follows
  std::deque<std::shared_ptr<RunningJob>> jobs;
  std::size_t job_threads = processors();
  bool had_job = false;
  std::condition_variable wake;

  std::atomic<std::size_t> started{0};   // threads; written under `mutex`
  std::atomic<std::size_t> sleepers{0};  // threads asleep that take part in loops
};

Pool& pool() {
  static Pool* instance = new Pool();
  return *instance;
}

// Whether a loop has begun, since the one that was `seen`, in which thread `id` takes part.
bool loop_began(const Pool& p, std::uint64_t seen, std::size_t id) {
  return p.loops.load() != seen && id < p.loop_threads.load();
}

void take_part(Pool& p, std::size_t id) {
  p.inside.fetch_add(1);
  // The loop may be a later one than the one that was noticed, of fewer threads.
  Loop* current = p.loop.load();
  if (current != nullptr && id < current->threads) current->take();
  p.inside.fetch_sub(1);
}

// Looks for the next loop, awake, as long as that is worth it.
void await_next_loop(const Pool& p, std::uint64_t seen, std::size_t id) {
  const auto began = std::chrono::steady_clock::now();
  while (id < p.loop_threads.load(std::memory_order_relaxed)) {
    for (int i = 0; i < 32; i++) {
      if (loop_began(p, seen, id)) return;
      pause();
    }
    const auto looked = std::chrono::steady_clock::now() - began;
    if (looked > kSpin) return;
    if (looked > kHold) std::this_thread::yield();
  }
}

// Sleeps until there is work for thread `id`: gives the job at the front, or null where a loop has begun.
std::shared_ptr<RunningJob> await_work(Pool& p, std::uint64_t seen, std::size_t id) {
  std::unique_lock<std::mutex> lock(p.mutex);
  while (!loop_began(p, seen, id)) {
    if (!p.jobs.empty() && id <= p.job_threads) return p.jobs.front();
    // Counted before the last look at `loops`, as a caller looks at `sleepers` after it began one.
    const bool counted = id < p.loop_threads.load();
    if (counted) p.sleepers.fetch_add(1);
    if (!loop_began(p, seen, id)) p.wake.wait(lock);
    if (counted) p.sleepers.fetch_sub(1);
  }
  return nullptr;
}

void run_chunk(Pool& p, const std::shared_ptr<RunningJob>& running) {
  const std::size_t chunks = running->job.chunks;
  const std::size_t chunk = running->next.fetch_add(1);
  if (chunk >= chunks) {
    // Every chunk is taken: the next job comes forward.
    std::lock_guard<std::mutex> lock(p.mutex);
    if (!p.jobs.empty() && p.jobs.front() == running) p.jobs.pop_front();
    return;
  }
  running->job.run(chunk);
  if (running->finished.fetch_add(1) + 1 == chunks) running->job.done();
}

void work(std::size_t id) {
  Pool& p = pool();
  for (std::uint64_t seen = 0;;) {
    if (const auto job = await_work(p, seen, id)) {
      run_chunk(p, job);
      continue;
    }
    while (loop_began(p, seen, id)) {
      seen = p.loops.load();
      take_part(p, id);
      await_next_loop(p, seen, id);
    }
  }
}

// Needs `mutex`.
void start_threads(Pool& p, std::size_t threads) {
  while (p.started.load() < threads) std::thread(work, p.started.fetch_add(1) + 1).detach();
}

void wake_all(Pool& p) {
  // A thread that is about to sleep holds the lock from its last look for work until it waits.
  { std::lock_guard<std::mutex> lock(p.mutex); }
  p.wake.notify_all();
}

}  // namespace

void submit(Job job) {
  if (job.chunks == 0) {
    job.done();
    return;
  }
  auto running = std::make_shared<RunningJob>();
  running->job = std::move(job);
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.had_job = true;
  start_threads(p, p.job_threads);
  p.jobs.push_back(std::move(running));
  p.wake.notify_all();
}

bool set_job_threads(std::size_t threads) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  if (p.had_job) return threads == p.job_threads;
  p.job_threads = std::clamp<std::size_t>(threads, 1, kMaxThreads);
  return true;
}

std::size_t job_threads() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return p.job_threads;
}

void run_parts(std::size_t threads, std::size_t parts, PartRef body) {
  Pool& p = pool();
  std::lock_guard<std::mutex> turn(p.callers);
  Loop mine{body, threads, parts};
  const std::size_t useful = std::min(threads, parts);
  if (useful <= 1) {
    mine.take();
    return;
  }
  if (p.started.load() + 1 < useful) {
    std::lock_guard<std::mutex> lock(p.mutex);
    start_threads(p, useful - 1);
  }
  // Those that took no part in the loops before are not counted as asleep.
  const bool more = p.loop_threads.exchange(threads) < threads;
  p.loop.store(&mine);
  p.loops.fetch_add(1);
  if (more || p.sleepers.load() != 0) wake_all(p);
  mine.take();
  p.loop.store(nullptr);
  for (std::size_t looks = 0; p.inside.load() != 0; looks++) {
    pause();
    // The thread that holds the last part may be waiting for this processor.
    if (looks > 2000) std::this_thread::yield();
  }
}

}  // namespace esparse
