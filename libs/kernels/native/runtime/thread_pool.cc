#include "thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace esparse {
namespace {

struct RunningJob {
  Job job;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> finished{0};
};

// Never destroyed: its threads sleep until the process ends.
struct Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::shared_ptr<RunningJob>> queue;
  std::size_t threads = 0;
  bool started = false;
};

Pool& pool() {
  static Pool* instance = new Pool();
  return *instance;
}

void work() {
  Pool& p = pool();
  for (;;) {
    std::shared_ptr<RunningJob> running;
    {
      std::unique_lock<std::mutex> lock(p.mutex);
      p.wake.wait(lock, [&] { return !p.queue.empty(); });
      running = p.queue.front();
    }
    const std::size_t chunks = running->job.chunks;
    const std::size_t chunk = running->next.fetch_add(1);
    if (chunk >= chunks) {
      // Every chunk is taken: let the next job come forward.
      std::lock_guard<std::mutex> lock(p.mutex);
      if (!p.queue.empty() && p.queue.front() == running) p.queue.pop_front();
      continue;
    }
    running->job.run(chunk);
    if (running->finished.fetch_add(1) + 1 == chunks) running->job.done();
  }
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
  if (!p.started) {
    p.started = true;
    if (p.threads == 0) p.threads = std::max(1u, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < p.threads; i++) std::thread(work).detach();
  }
  p.queue.push_back(std::move(running));
  p.wake.notify_all();
}

bool set_threads(std::size_t threads) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  if (p.started) return threads == p.threads;
  p.threads = threads;
  return true;
}

std::size_t threads() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return p.threads == 0 ? std::max(1u, std::thread::hardware_concurrency()) : p.threads;
}

}  // namespace esparse
