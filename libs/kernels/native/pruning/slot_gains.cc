// What a group would gain with another channel in one of its slots, for every group and every channel in these slots: the
// matrix of a linear sum assignment (RIA, arXiv 2402.17946). The formulas are those of swap_search.cc.
#include <algorithm>
#include <limits>

#include "largest.h"
#include "max_plus.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

// Groups of a chunk: no fewer than this many, or its threads would do little but read, since each chunk reads all scores.
constexpr std::size_t kFewestGroups = 64;
// And no more, so that their sums are a few MiB.
constexpr std::size_t kMostGroups = 512;
// Columns of a panel: with 64 rows they fit a second-level cache, and so do not the columns of a wide linear.
constexpr std::size_t kWidth = 256;
// Floats between two rows of a panel: not a power of two, or its columns would share a few cache sets.
constexpr std::size_t kStride = kWidth + 16;

// The channels of a few groups: the one in each group's slot, and the others.
class Slots {
 public:
  Slots(const Shuffled& shape, const std::uint32_t* slots, std::size_t first, std::size_t end)
      : keep_(shape.keep), count_(end - first), others_(shape.group - 1) {
    for (std::size_t g = first; g < end; g++) {
      auto others = others_.begin();
      for (std::size_t p = g * shape.group; p < (g + 1) * shape.group; p++) {
        if (p != slots[g]) (others++)->push_back(shape.order[p]);
      }
    }
  }

  // t[g * kPartialRows] = the keep-th largest of this row's scores of the g-th group, that in the slot left out.
  void thresholds(const float* row, float* t) const {
    for (std::size_t first = 0; first < count_; first += kGroupsAtOnce) {
      const std::size_t count = std::min(kGroupsAtOnce, count_ - first);
      Lanes top[kMaxGroup];
      std::fill(&top[0][0], &top[0][0] + keep_ * kGroupsAtOnce, -std::numeric_limits<float>::infinity());
      for (const auto& channels : others_) {
        Lanes values = {};
        for (std::size_t g = 0; g < count; g++) values[g] = row[channels[first + g]];
        insert(top, keep_, values);
      }
      for (std::size_t g = 0; g < count; g++) t[(first + g) * kPartialRows] = top[keep_ - 1][g];
    }
  }

 private:
  std::size_t keep_, count_;
  std::vector<std::vector<std::uint32_t>> others_;  // [group - 1][groups]
};

// The rows from `first` up to `end` of the matrix, a row a group; `slots[g]` is the position of g's slot.
void measure(const Shuffled& shape, const float* scores, const std::uint32_t* slots, std::size_t first,
             std::size_t end, CancelFlag cancel, float* out) {
  const std::size_t groups = shape.groups();
  const std::size_t count = end - first;
  const std::size_t filled = (count + kMaxPlusPositions - 1) / kMaxPlusPositions * kMaxPlusPositions;
  const Slots own(shape, slots, first, end);
  std::vector<std::uint32_t> offered(groups);
  for (std::size_t g = 0; g < groups; g++) offered[g] = shape.order[slots[g]];
  std::vector<float> t(filled * kPartialRows);
  // Whole panels, of kPartialRows rows each, and of each group a row of that width, the padding included.
  const std::size_t padded = (groups + kWidth - 1) / kWidth * kWidth;
  std::vector<float> panels(padded / kWidth * kPartialRows * kStride);
  std::vector<double> sums(filled * padded);
  std::vector<double*> d(filled);
  const auto panel = [&](std::size_t b0) { return panels.data() + b0 / kWidth * kPartialRows * kStride; };
  for (std::size_t r0 = 0; r0 < shape.rows; r0 += kPartialRows) {
    if (cancel.raised()) return;
    const std::size_t rows = std::min(kPartialRows, shape.rows - r0);
    // All that is taken of a row is taken while it is in the first-level cache.
    for (std::size_t r = 0; r < rows; r++) {
      const float* x = scores + (r0 + r) * shape.cols;
      own.thresholds(x, t.data() + r);
      for (std::size_t b0 = 0; b0 < groups; b0 += kWidth) {
        float* to = panel(b0) + r * kStride;
        const std::size_t width = std::min(kWidth, groups - b0);
        for (std::size_t b = 0; b < width; b++) to[b] = x[offered[b0 + b]];
      }
    }
    for (std::size_t b0 = 0; b0 < groups; b0 += kWidth) {
      const std::size_t width = std::min(kWidth, groups - b0);
      const std::size_t steps = (width + kMaxPlusStep - 1) / kMaxPlusStep * kMaxPlusStep;
      for (std::size_t i = 0; i < filled; i += kMaxPlusPositions) {
        for (std::size_t p = i; p < i + kMaxPlusPositions; p++) d[p] = sums.data() + p * padded + b0;
        max_plus(panel(b0), kStride, rows, steps, t.data() + i * kPartialRows, d.data() + i);
      }
    }
  }
  for (std::size_t i = 0; i < count; i++) {
    const double* sum = sums.data() + i * padded;
    const double own_sum = sum[first + i];
    float* to = out + (first + i) * groups;
    for (std::size_t b = 0; b < groups; b++) to[b] = static_cast<float>(sum[b] - own_sum);
  }
}

struct SlotGainsArguments : ShuffledArguments {
  Span<float> scores;        // (rows, cols)
  Span<std::int32_t> slots;  // (groups): slots[g] is a position of group g
  Span<float> out;           // (groups, groups): out[g][h] = D[slots[g]][h's channel] - D[slots[g]][g's own]
  CancelFlag cancel;
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores), ShuffledArguments::fields(each);
    each("slots", slots), each("out", out), each("cancel", cancel);
  }
};

Napi::Value slot_gains(Call& call, const SlotGainsArguments& a) {
  const auto shape = checked(call, a);
  if (call.failed()) return call.nothing();
  const std::size_t groups = shape->groups();
  const auto scores = a.scores, out = a.out;
  const auto slots = a.slots;
  const auto cancel = a.cancel;
  call.exactly("scores", scores, a.rows * a.cols);
  call.exactly("slots", slots, groups);
  call.exactly("out", out, groups * groups);
  if (call.failed()) return call.nothing();
  auto places = std::make_shared<std::vector<std::uint32_t>>();
  for (std::size_t g = 0; g < groups; g++) {
    const std::int32_t place = slots.data[g];
    if (place < 0 || static_cast<std::size_t>(place) / shape->group != g) {
      call.refuse("slots", "position " + std::to_string(place) + " is not in group " + std::to_string(g));
      return call.nothing();
    }
    places->push_back(static_cast<std::uint32_t>(place));
  }
  const auto chunks_of = [=](std::size_t most) { return (groups + most - 1) / most; };
  const std::size_t chunks = std::max(chunks_of(kMostGroups), std::min(job_threads(), chunks_of(kFewestGroups)));
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(groups, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          measure(*shape, scores.data, places->data(), begin, end, cancel, out.data);
        });
      });
}

}  // namespace

void register_slot_gains(Napi::Object exports) {
  add_kernel(exports, "slotGains", slot_gains);
}

}  // namespace esparse
