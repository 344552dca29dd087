// Copies in the host's memory on several threads: one of them fills neither PCIe nor a GPU's pinned buffers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace esparse {

// Threads of a copy, and what each must have for its start to pay.
constexpr std::size_t kCopyThreads = 4, kCopyPart = std::size_t{1} << 20;

inline void copy_in_parallel(void* to, const void* from, std::size_t bytes) {
  const std::size_t parts = std::min(kCopyThreads, bytes / kCopyPart);
  const auto copy = [=](std::size_t part) {
    const std::size_t begin = bytes * part / parts, end = bytes * (part + 1) / parts;
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, end - begin);
  };
  if (parts < 2) {
    std::memcpy(to, from, bytes);
    return;
  }
  std::vector<std::thread> others;
  for (std::size_t part = 1; part < parts; part++) {
    try {
      others.emplace_back(copy, part);
    } catch (const std::system_error&) {
      copy(part);  // the system has no thread to give
    }
  }
  copy(0);
  for (auto& other : others) other.join();
}

}  // namespace esparse
