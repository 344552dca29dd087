// Work of the vector kernels, spread over the pool's threads where it is worth it.
#pragma once
#include <algorithm>
#include <cstddef>

#include "runtime/thread_pool.h"

namespace esparse {

// Elements of work that are worth a thread of their own: some ten microseconds.
constexpr std::size_t kWorth = 1 << 15;

// Runs body(begin, end) over [0, count) on at most so many threads, in parts; each item is `each` elements of work.
template <typename Body>
void split(std::size_t threads, std::size_t count, std::size_t each, Body body) {
  const std::size_t parts = std::min(count, count * each / kWorth);
  if (parts <= 1) return body(0, count);
  parallel_for(threads, parts, [&](std::size_t part) { body(count * part / parts, count * (part + 1) / parts); });
}

}  // namespace esparse
