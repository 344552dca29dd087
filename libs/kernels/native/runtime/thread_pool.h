// The addon's own threads, which serve two kinds of work:
// - A job is a number of independent chunks that are computed while JavaScript goes on. Idle threads take them one by one.
//   Jobs run one after the other, in the order in which they were submitted.
// - A parallel loop is computed while its caller waits, and helps. Threads that took part in one keep looking for the next
//   for a moment, since those of a decoding step follow each other within microseconds. Between two chunks of a job a
//   thread takes part in a loop first.
#pragma once
#include <cstddef>
#include <functional>

namespace esparse {

// More threads than any machine gains from: the most that a kind of work may have.
constexpr std::size_t kMaxThreads = 256;

// How many processors there are, for default numbers of threads.
std::size_t processors();

struct Job {
  // Calls run(chunk) once for each chunk in [0, chunks), from any thread, in any order.
  std::size_t chunks = 0;
  std::function<void(std::size_t)> run;
  // Called once, on a pool thread, after the last chunk.
  std::function<void()> done;
};

// Adds a job to the queue and returns at once.
void submit(Job job);

// How many threads compute jobs; at first as many as there are processors. Fixed by the first job: false where it is
// another number by then.
bool set_job_threads(std::size_t threads);
std::size_t job_threads();

// A call of `body(part)` without an allocation: lives on the caller's stack, valid until `parallel_for` returns.
struct PartRef {
  const void* body;
  void (*call)(const void* body, std::size_t part);
};

void run_parts(std::size_t threads, std::size_t parts, PartRef body);

// Runs body(part) once for each part in [0, parts), in any order, on at most `threads` threads: the calling one and some of
// the pool, which grows to what is asked for. Threads that call at the same time take turns. Must not be called from within
// a body.
template <typename Body>
void parallel_for(std::size_t threads, std::size_t parts, const Body& body) {
  run_parts(threads, parts, {&body, [](const void* b, std::size_t part) { (*static_cast<const Body*>(b))(part); }});
}

}  // namespace esparse
