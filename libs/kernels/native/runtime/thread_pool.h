// The kernels' own threads. A job is a number of independent chunks; idle threads take them one by one.
// Jobs run one after the other, in the order in which they were submitted.
#pragma once
#include <cstddef>
#include <functional>

namespace esparse {

struct Job {
  // Calls run(chunk) once for each chunk in [0, chunks), from any thread, in any order.
  std::size_t chunks = 0;
  std::function<void(std::size_t)> run;
  // Called once, on a pool thread, after the last chunk.
  std::function<void()> done;
};

// Adds a job to the queue and returns at once. The first call starts the threads.
void submit(Job job);

// Number of threads. Takes effect at the first job; later calls return false and change nothing.
bool set_threads(std::size_t threads);
std::size_t threads();

}  // namespace esparse
