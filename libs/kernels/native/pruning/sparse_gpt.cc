// The inner loop of SparseGPT (Frantar and Alistarh, arXiv 2301.00774, algorithm 1): channel after channel, what a row
// loses with a pruned weight is spread over the channels that follow, by the factor of the inverse Hessian.
#include <algorithm>
#include <cstdint>

#include "runtime/shuffled.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

// Channels of a call. With kLanes rows they fit a first-level cache of 32 KiB and what else is needed a second.
constexpr std::size_t kMaxChannels = 128;
// Rows that are worked on together.
constexpr std::size_t kLanes = 64;

using Lanes = float[kLanes];

// keeps[m]: 1 where the m-th weight of the group is among the `keep` of largest (w / d)², of equal ones the first.
ESPARSE_SIMD_CLONES
void choose(const Lanes* w, const float* factor, std::size_t stride, std::size_t keep, std::size_t group,
            std::int32_t (*keeps)[kLanes]) {
  Lanes loss[kMaxGroup];
  for (std::size_t m = 0; m < group; m++) {
    const float d = factor[m * stride + m];
    for (std::size_t r = 0; r < kLanes; r++) {
      const float part = w[m][r] / d;
      loss[m][r] = part * part;
    }
  }
  for (std::size_t m = 0; m < group; m++) {
    std::int32_t before[kLanes] = {};
    for (std::size_t o = 0; o < group; o++) {
      if (o == m) continue;
      for (std::size_t r = 0; r < kLanes; r++) {
        before[r] += o < m ? loss[o][r] >= loss[m][r] : loss[o][r] > loss[m][r];
      }
    }
    for (std::size_t r = 0; r < kLanes; r++) keeps[m][r] = before[r] < static_cast<std::int32_t>(keep);
  }
}

// Prunes the channels w[0 .. channels) of kLanes rows; what each loses, over its d, goes to `errors`.
ESPARSE_SIMD_CLONES
void sweep(Lanes* w, Lanes* errors, std::int32_t (*keeps)[kLanes], const float* factor, std::size_t channels,
           std::size_t keep, std::size_t group) {
  for (std::size_t i = 0; i < channels; i++) {
    const float* row = factor + i * channels;
    if (i % group == 0) choose(w + i, row + i, channels, keep, group, keeps + i);
    Lanes error;
    for (std::size_t r = 0; r < kLanes; r++) {
      const float part = w[i][r] / row[i];
      error[r] = keeps[i][r] ? 0.0f : part;
      w[i][r] = keeps[i][r] ? w[i][r] : 0.0f;
      errors[i][r] = error[r];
    }
    for (std::size_t j = i + 1; j < channels; j++) {
      const float f = row[j];
      for (std::size_t r = 0; r < kLanes; r++) w[j][r] -= error[r] * f;
    }
  }
}

struct SweepArguments {
  Span<float> weights;  // (channels, rows): changes in place
  std::size_t channels, rows;
  Span<float> factor;  // (channels, channels), upper triangular
  std::size_t keep, group;
  Span<float> errors;       // (channels, rows)
  Span<std::uint8_t> kept;  // (channels, rows)
  template <typename Each>
  void fields(Each& each) {
    each("weights", weights), each("channels", channels), each("rows", rows), each("factor", factor);
    each("keep", keep), each("group", group), each("errors", errors), each("kept", kept);
  }
};

Napi::Value sparse_gpt_sweep(Call& call, const SweepArguments& a) {
  call.at_most("channels", a.channels, kMaxChannels);
  call.at_most("rows", a.rows, kMaxDimension);
  check_pattern(call, a.keep, a.group, a.channels);
  call.exactly("weights", a.weights, a.channels * a.rows);
  call.exactly("factor", a.factor, a.channels * a.channels);
  call.exactly("errors", a.errors, a.channels * a.rows);
  call.exactly("kept", a.kept, a.channels * a.rows);
  if (call.failed()) return call.nothing();
  return call.promise(
      (a.rows + kLanes - 1) / kLanes,
      [=](std::size_t chunk) {
        const std::size_t first = chunk * kLanes;
        const std::size_t count = std::min(kLanes, a.rows - first);
        Lanes w[kMaxChannels] = {}, lost[kMaxChannels];
        std::int32_t keeps[kMaxChannels][kLanes];
        for (std::size_t i = 0; i < a.channels; i++) std::copy_n(a.weights.data + i * a.rows + first, count, w[i]);
        sweep(w, lost, keeps, a.factor.data, a.channels, a.keep, a.group);
        for (std::size_t i = 0; i < a.channels; i++) {
          std::copy_n(w[i], count, a.weights.data + i * a.rows + first);
          std::copy_n(lost[i], count, a.errors.data + i * a.rows + first);
          std::copy_n(keeps[i], count, a.kept.data + i * a.rows + first);
        }
      });
}

}  // namespace

void register_sparse_gpt(Napi::Object exports) {
  add_kernel(exports, "sparseGptSweep", sparse_gpt_sweep);
}

}  // namespace esparse
