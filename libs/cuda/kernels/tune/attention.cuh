// Attention between its matrix products: values by heads, the causal softmax of scores, and its gradient. A lane is a key head of a
// sequence, and the query heads that read it, one below the other: so a lane is one product of (group * tokens x dims) with
// (tokens x dims), and the gradient of a key adds up over its query heads by itself.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// (sequences x tokens x heads x dims) as (sequences x heads x tokens x dims), and back with `merge`. Eight channels a thread.
ESPARSE_KERNEL tune_heads(const void* from, int from_type, void* to, int to_type, int accumulate, int merge,
                          int sequences, int tokens, int heads, int eights) {
  const std::size_t i = own_eight();
  if (i >= static_cast<std::size_t>(sequences) * tokens * heads * eights) return;
  const int channel = i % eights, head = i / eights % heads, token = i / eights / heads % tokens;
  const std::size_t sequence = i / eights / heads / tokens;
  const std::size_t lane = ((sequence * heads + head) * tokens + token) * eights + channel;
  const Eight values = load_eight(from, from_type, merge ? lane : i);
  give_eight(to, to_type, merge ? i : lane, values, accumulate);
}

// The keys that a row of a lane sees: first .. own.
struct Seen {
  int first, own;
};
__device__ inline Seen seen_by(int row, int tokens, int window) {
  const int own = row % tokens;
  return {own + 1 > window ? own + 1 - window : 0, own};
}

// Softmax of each row over the keys that it sees; 0 elsewhere. A warp a row. Grid: rows / kRows, rounded up; `rows`: of all lanes,
// (rows x tokens).
ESPARSE_KERNEL tune_softmax(const float* scores, std::uint16_t* shares, int rows, int tokens, int window) {
  const auto [row, lane] = own_row();
  if (row >= rows) return;
  const std::size_t first = static_cast<std::size_t>(row) * tokens;
  const Seen seen = seen_by(row, tokens, window);
  float most = -INFINITY;
  for (int key = seen.first + lane; key <= seen.own; key += kWarp) most = fmaxf(most, scores[first + key]);
  most = warp_max(most);
  float sum = 0;
  for (int key = seen.first + lane; key <= seen.own; key += kWarp) sum += expf(scores[first + key] - most);
  sum = warp_sum(sum);
  for (int key = lane; key < tokens; key += kWarp) {
    const bool sees = key >= seen.first && key <= seen.own;
    shares[first + key] = sees ? rounded(expf(scores[first + key] - most) / sum) : 0;
  }
}

// With P the shares and G their gradient: that of the scores, P (G - sum of the row's P G), in the place of P.
ESPARSE_KERNEL tune_softmax_back(std::uint16_t* shares, const float* given, int rows, int tokens, int window) {
  const auto [row, lane] = own_row();
  if (row >= rows) return;
  const std::size_t first = static_cast<std::size_t>(row) * tokens;
  const Seen seen = seen_by(row, tokens, window);
  float level = 0;
  for (int key = seen.first + lane; key <= seen.own; key += kWarp) level += widened(shares[first + key]) * given[first + key];
  level = warp_sum(level);
  // What it does not see has a share of 0, and stays so.
  for (int key = seen.first + lane; key <= seen.own; key += kWarp) {
    shares[first + key] = rounded(widened(shares[first + key]) * (given[first + key] - level));
  }
}

}  // namespace esparse::tune
