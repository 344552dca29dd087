// The inner loop of SparseGPT (Frantar and Alistarh, arXiv 2301.00774, algorithm 1): channel after channel, what a row
// loses with a pruned weight is spread over the channels that follow, by the factor of the inverse Hessian.
#include <algorithm>
#include <cstdint>

#include "runtime/promise_job.h"
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

// sparseGptSweep(weights: Float32Array(channels * rows), channels, rows, factor: Float32Array(channels²), keep, group,
// errors: Float32Array(channels * rows), kept: Uint8Array(channels * rows)): Promise<void>. Matrices have a row a channel;
// `factor` is upper triangular. `weights` changes in place.
Napi::Value sparse_gpt_sweep(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t channels = call.size(1, kMaxChannels);
  const std::size_t rows = call.size(2, kMaxDimension);
  const auto weights = call.array<float>(0, channels * rows);
  const auto factor = call.array<float>(3, channels * channels);
  const std::size_t keep = call.size(4);
  const std::size_t group = call.size(5, kMaxGroup);
  const auto errors = call.array<float>(6, channels * rows);
  const auto kept = call.array<std::uint8_t>(7, channels * rows);
  if (!call.failed() && (keep < 1 || keep >= group || channels % group != 0)) {
    Napi::RangeError::New(info.Env(), "no N:M pattern that divides the channels").ThrowAsJavaScriptException();
  }
  if (call.failed()) return info.Env().Undefined();
  return call.promise(
      (rows + kLanes - 1) / kLanes,
      [=](std::size_t chunk) {
        const std::size_t first = chunk * kLanes;
        const std::size_t count = std::min(kLanes, rows - first);
        Lanes w[kMaxChannels] = {}, lost[kMaxChannels];
        std::int32_t keeps[kMaxChannels][kLanes];
        for (std::size_t i = 0; i < channels; i++) std::copy_n(weights.data + i * rows + first, count, w[i]);
        sweep(w, lost, keeps, factor.data, channels, keep, group);
        for (std::size_t i = 0; i < channels; i++) {
          std::copy_n(w[i], count, weights.data + i * rows + first);
          std::copy_n(lost[i], count, errors.data + i * rows + first);
          std::copy_n(keeps[i], count, kept.data + i * rows + first);
        }
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_sparse_gpt(Napi::Env env, Napi::Object exports) {
  exports.Set("sparseGptSweep", Napi::Function::New(env, sparse_gpt_sweep));
}

}  // namespace esparse
