// The threads of the synchronous kernels. A call splits its work into parts; the calling thread and the pool's threads
// take them one by one, and the call returns when all are done.
#pragma once
#include <cstddef>

namespace esparse {

// A call of `body(part)` without an allocation: lives on the caller's stack, valid until `parallel_for` returns.
struct PartRef {
  const void* body;
  void (*call)(const void* body, std::size_t part);
};

void run_parts(std::size_t parts, PartRef body);

// Runs body(part) once for each part in [0, parts), in any order, on the calling thread and the pool's threads. Threads
// that call at the same time take turns. Must not be called from within a body.
template <typename Body>
void parallel_for(std::size_t parts, const Body& body) {
  run_parts(parts, {&body, [](const void* b, std::size_t part) { (*static_cast<const Body*>(b))(part); }});
}

// How many threads work on a call, the caller included; at first as many as there are processors. Takes effect at the
// next call.
void set_compute_threads(std::size_t threads);
std::size_t compute_threads();

}  // namespace esparse
