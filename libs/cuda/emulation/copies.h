// What `kernels/copies.cuh` has of PTX, on the host.
#pragma once
#include <deque>
#include <vector>

#include "device.h"

namespace esparse {

// When copies are done: as they are asked for, or at the last moment that there is, when their group is waited for.
inline bool copies_are_late = true;

struct AheadCopy {
  std::uint32_t to;
  const void* from;  // null: zeros
};
struct AheadCopies {
  std::vector<AheadCopy> group;
  std::deque<std::vector<AheadCopy>> committed;
};
// Of the thread that runs. A kernel ends with copies of nothing under way, if with any.
inline AheadCopies& ahead_copies() {
  static AheadCopies of[1024];
  return of[threadIdx.x];
}

inline void copy_now(const AheadCopy& copy) {
  if (copy.from == nullptr) std::memset(shared_pointer(copy.to), 0, 16);
  else std::memcpy(shared_pointer(copy.to), copy.from, 16);
}
inline void copy_ahead(std::uint32_t to, const void* from) {
  if (copies_are_late) ahead_copies().group.push_back({to, from});
  else copy_now({to, from});
}
inline void copy_or_clear(std::uint32_t to, const void* from, bool there) { copy_ahead(to, there ? from : nullptr); }
inline void copies_commit() {
  AheadCopies& of = ahead_copies();
  of.committed.push_back(std::move(of.group));
  of.group.clear();
}
template <int kPending>
void copies_wait() {
  AheadCopies& of = ahead_copies();
  while (of.committed.size() > kPending) {
    for (const AheadCopy& copy : of.committed.front()) copy_now(copy);
    of.committed.pop_front();
  }
}

// Each lane leaves the row that it names.
inline Words4 matrices_of_warp(std::uint32_t row, bool turned) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  words.metadata[lane] = row;
  __syncwarp();
  Words4 out;
  for (int i = 0; i < 4; i++) {
    std::uint16_t two[2];
    for (int half = 0; half < 2; half++) {
      const int r = turned ? lane % 4 * 2 + half : lane / 4, column = turned ? lane / 4 : lane % 4 * 2 + half;
      std::memcpy(&two[half], static_cast<const std::uint8_t*>(shared_pointer(words.metadata[i * 8 + r])) + 2 * column, 2);
    }
    out.word[i] = two[0] | static_cast<std::uint32_t>(two[1]) << 16;
  }
  __syncwarp();
  return out;
}
inline Words4 load_matrices(std::uint32_t row) { return matrices_of_warp(row, false); }
inline Words4 load_turned_matrices(std::uint32_t row) { return matrices_of_warp(row, true); }
inline Words4 load_shared(std::uint32_t from) {
  Words4 out;
  std::memcpy(&out, shared_pointer(from), sizeof out);
  return out;
}

}  // namespace esparse
