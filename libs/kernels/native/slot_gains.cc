// What a group would gain with another channel in one of its slots, for every group and every channel in these slots: the
// matrix of a linear sum assignment (RIA, arXiv 2402.17946). The formulas are those of swap_search.cc.
#include <algorithm>

#include "max_plus.h"
#include "shuffled.h"
#include "thresholds.h"

namespace esparse {
namespace {

// Groups of a chunk: the columns are gathered once for all of them.
constexpr std::size_t kGroupsOfChunk = 64;
// Columns gathered at once: with 64 rows they fit a second-level cache, and so do not the columns of a wide linear.
constexpr std::size_t kWidth = 256;
// Floats between two rows of the panel: not a power of two, or its columns would share a few cache sets.
constexpr std::size_t kStride = kWidth + 16;

// The rows from `first` up to `end` of the matrix, a row a group; `slots[g]` is the position of g's slot.
void measure(const Shuffled& shape, const float* scores, const std::uint32_t* slots, std::size_t first,
             std::size_t end, CancelFlag cancel, float* out) {
  const std::size_t groups = shape.groups();
  const std::size_t count = end - first;
  const std::size_t filled = (count + kMaxPlusPositions - 1) / kMaxPlusPositions * kMaxPlusPositions;
  std::vector<float> t(filled * kPartialRows);
  std::vector<float> panel(kPartialRows * kStride);
  // Of each group a row of whole panels, the padding included.
  const std::size_t padded = (groups + kWidth - 1) / kWidth * kWidth;
  std::vector<double> sums(filled * padded);
  std::vector<double*> d(filled);
  for (std::size_t r0 = 0; r0 < shape.rows; r0 += kPartialRows) {
    if (cancel.raised()) return;
    const std::size_t rows = std::min(kPartialRows, shape.rows - r0);
    const float* x = scores + r0 * shape.cols;
    for (std::size_t i = 0; i < count; i++) {
      Rows values[kMaxGroup] = {}, all[kMaxGroup];
      const std::size_t begin = (first + i) * shape.group;
      for (std::size_t m = 0; m < shape.group; m++) {
        const float* column = x + shape.order[begin + m];
        for (std::size_t r = 0; r < rows; r++) values[m][r] = column[r * shape.cols];
      }
      thresholds(values, shape.keep, shape.group, all);
      std::copy_n(all[slots[first + i] - begin], kPartialRows, t.data() + i * kPartialRows);
    }
    for (std::size_t b0 = 0; b0 < groups; b0 += kWidth) {
      const std::size_t width = std::min(kWidth, groups - b0);
      const std::size_t steps = (width + kMaxPlusStep - 1) / kMaxPlusStep * kMaxPlusStep;
      for (std::size_t r = 0; r < rows; r++) {
        const float* from = x + r * shape.cols;
        float* to = panel.data() + r * kStride;
        for (std::size_t b = 0; b < width; b++) to[b] = from[shape.order[slots[b0 + b]]];
      }
      for (std::size_t i = 0; i < filled; i += kMaxPlusPositions) {
        for (std::size_t p = i; p < i + kMaxPlusPositions; p++) d[p] = sums.data() + p * padded + b0;
        max_plus(panel.data(), kStride, rows, steps, t.data() + i * kPartialRows, d.data() + i);
      }
    }
  }
  for (std::size_t i = 0; i < count; i++) {
    const double* sum = sums.data() + i * padded;
    const double own = sum[first + i];
    float* to = out + (first + i) * groups;
    for (std::size_t b = 0; b < groups; b++) to[b] = static_cast<float>(sum[b] - own);
  }
}

// slotGains(scores, rows, cols, permutation, keep, group, slots: Int32Array(groups), out: Float32Array(groups²),
// cancel: Int32Array(1)): Promise<void>. slots[g] is a position of group g. out[g][h] = D[slots[g]][h's channel] - D[slots[g]][g's own].
Napi::Value slot_gains(const Napi::CallbackInfo& info) {
  Call call(info);
  const auto shape = take_shuffled(call, info.Env(), 1);
  const auto scores = call.array<float>(0, shape->rows * shape->cols);
  if (call.failed()) return info.Env().Undefined();
  const std::size_t groups = shape->groups();
  const auto slots = call.array<std::int32_t>(6, groups);
  const auto out = call.array<float>(7, groups * groups);
  const CancelFlag cancel(call.array<std::int32_t>(8, 1));
  if (call.failed()) return info.Env().Undefined();
  auto places = std::make_shared<std::vector<std::uint32_t>>();
  for (std::size_t g = 0; g < groups; g++) {
    const std::int32_t place = slots.data[g];
    if (place < 0 || static_cast<std::size_t>(place) / shape->group != g) {
      Napi::RangeError::New(info.Env(), "a slot is not in its group").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    places->push_back(static_cast<std::uint32_t>(place));
  }
  const std::size_t chunks = (groups + kGroupsOfChunk - 1) / kGroupsOfChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(groups, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          measure(*shape, scores.data, places->data(), begin, end, cancel, out.data);
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_slot_gains(Napi::Env env, Napi::Object exports) {
  exports.Set("slotGains", Napi::Function::New(env, slot_gains));
}

}  // namespace esparse
