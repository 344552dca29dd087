// Local block shuffle: greedy best-first swaps of two channels of different groups, within blocks.
//
// Let t[p][r] be the keep-th largest score at row r among the OTHER channels of p's group. With channel b in
// the place of p's, the group's kept score is A[p] + D[p][b], where D[p][b] = sum over r of
// max(x[r][b], t[p][r]) and A[p] does not depend on b. So the gain of swapping the channels of p and q is
//   (D[p][chan q] - D[p][chan p]) + (D[q][chan p] - D[q][chan q]).
// D is one max-plus product at the start; after a swap only the rows of the two groups change.
#include <algorithm>
#include <limits>

#include "max_plus.h"
#include "runtime/shuffled.h"
#include "thresholds.h"

namespace esparse {
namespace {

constexpr std::size_t kMaxBlock = 256;
// Floats between two rows of the panel: not a power of two, or its columns would share a few cache sets.
constexpr std::size_t kStride = kMaxBlock + 16;
constexpr std::size_t kNoPartner = kMaxBlock;

class BlockSearch {
 public:
  // The columns order[0 .. width) of `scores`.
  BlockSearch(const Shuffled& shape, const float* scores, const std::uint32_t* order, std::size_t width,
              CancelFlag cancel)
      : cancel_(cancel),
        keep_(shape.keep),
        group_(shape.group),
        rows_(shape.rows),
        width_(width),
        padded_((width + kMaxPlusStep - 1) / kMaxPlusStep * kMaxPlusStep),
        panel_(new float[shape.rows * kStride]),
        d_(width * kMaxBlock) {
    for (std::size_t r = 0; r < rows_; r++) {
      float* to = panel_.get() + r * kStride;
      const float* from = scores + r * shape.cols;
      for (std::size_t slot = 0; slot < width; slot++) to[slot] = from[order[slot]];
      std::fill(to + width, to + kStride, 0.0f);
    }
    for (std::size_t p = 0; p < width; p++) slot_[p] = p;
  }

  // Swaps until no swap gains more than `tolerance` (relative) or `max_swaps` were made; returns their number.
  // Ends early, with an order that is worth nothing, once the flag is raised.
  std::size_t run(double tolerance, std::size_t max_swaps) {
    std::vector<std::size_t> all(width_ / group_);
    for (std::size_t g = 0; g < all.size(); g++) all[g] = g;
    measure(all.data(), all.size());
    for (std::size_t p = 0; p < width_; p++) find_partner(p);
    for (std::size_t swaps = 0; swaps < max_swaps; swaps++) {
      if (cancel_.raised()) return swaps;
      const std::size_t p =
          static_cast<std::size_t>(std::max_element(gain_, gain_ + width_) - gain_);
      const std::size_t q = partner_[p];
      if (q == kNoPartner || !(gain_[p] > tolerance * (own(p) + own(q)))) return swaps;
      std::swap(slot_[p], slot_[q]);
      const std::size_t touched[2] = {p / group_, q / group_};
      measure(touched, 2);
      refresh_partners(touched[0], touched[1]);
    }
    return max_swaps;
  }

  // The place, in the order that was given, of the channel now at position p.
  std::size_t slot(std::size_t p) const { return slot_[p]; }

 private:
  double* row(std::size_t p) { return d_.data() + p * kMaxBlock; }
  double own(std::size_t p) { return row(p)[slot_[p]]; }

  // Computes D for every position of the given groups.
  void measure(const std::size_t* groups, std::size_t count) {
    std::vector<std::size_t> positions;
    for (std::size_t i = 0; i < count; i++) {
      for (std::size_t m = 0; m < group_; m++) positions.push_back(groups[i] * group_ + m);
    }
    const std::size_t spare = (kMaxPlusPositions - positions.size() % kMaxPlusPositions) % kMaxPlusPositions;
    std::vector<float> t((positions.size() + spare) * kPartialRows);
    std::vector<double*> d;
    for (const std::size_t p : positions) {
      std::fill(row(p), row(p) + kMaxBlock, 0.0);
      d.push_back(row(p));
    }
    for (std::size_t i = 0; i < spare; i++) d.push_back(spare_);
    for (std::size_t first = 0; first < rows_; first += kPartialRows) {
      if (cancel_.raised()) return;
      const std::size_t rows = std::min(kPartialRows, rows_ - first);
      const float* x = panel_.get() + first * kStride;
      for (std::size_t i = 0; i < count; i++) {
        Rows values[kMaxGroup] = {};
        for (std::size_t m = 0; m < group_; m++) {
          const float* column = x + slot_[groups[i] * group_ + m];
          for (std::size_t r = 0; r < rows; r++) values[m][r] = column[r * kStride];
        }
        thresholds(values, keep_, group_, reinterpret_cast<Rows*>(t.data() + i * group_ * kPartialRows));
      }
      for (std::size_t i = 0; i < d.size(); i += kMaxPlusPositions) {
        max_plus(x, kStride, rows, padded_, t.data() + i * kPartialRows, d.data() + i);
      }
    }
  }

  double gain(std::size_t p, std::size_t q) {
    const std::size_t a = slot_[p], b = slot_[q];
    return (row(p)[b] - row(p)[a]) + (row(q)[a] - row(q)[b]);
  }

  // Keeps the better of p's partner and q (a position after p), the lower of equals.
  void offer(std::size_t p, std::size_t q) {
    const double value = gain(p, q);
    if (value > gain_[p] || (value == gain_[p] && q < partner_[p])) {
      gain_[p] = value;
      partner_[p] = q;
    }
  }

  // The best partner of p among the positions of later groups.
  void find_partner(std::size_t p) {
    gain_[p] = -std::numeric_limits<double>::infinity();
    partner_[p] = kNoPartner;
    for (std::size_t q = (p / group_ + 1) * group_; q < width_; q++) offer(p, q);
  }

  void refresh_partners(std::size_t a, std::size_t b) {
    for (std::size_t p = 0; p < width_; p++) {
      const std::size_t g = p / group_, with = partner_[p] / group_;
      if (g == a || g == b || with == a || with == b) {
        find_partner(p);
        continue;
      }
      for (const std::size_t other : {a, b}) {
        if (other <= g) continue;
        for (std::size_t m = 0; m < group_; m++) offer(p, other * group_ + m);
      }
    }
  }

  CancelFlag cancel_;
  std::size_t keep_, group_, rows_, width_, padded_;
  std::unique_ptr<float[]> panel_;  // [rows][kStride], columns in the order given
  std::vector<double> d_;           // D[position][slot]
  std::size_t slot_[kMaxBlock];
  double gain_[kMaxBlock];          // the best gain of p with a position after it, and which
  std::size_t partner_[kMaxBlock];
  double spare_[kMaxBlock] = {};    // D of the positions that fill up the last max_plus
};

struct SwapSearchArguments : ShuffledArguments {
  Span<float> scores;  // (rows, cols)
  std::size_t block_size;
  double tolerance;
  std::size_t max_swaps;
  Span<std::int32_t> out;  // (cols): the new permutation
  CancelFlag cancel;
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores), ShuffledArguments::fields(each), each("blockSize", block_size);
    each("tolerance", tolerance), each("maxSwaps", max_swaps), each("out", out), each("cancel", cancel);
  }
};

// Resolves to the swaps made.
Napi::Value swap_search(Call& call, const SwapSearchArguments& a) {
  const auto shape = checked(call, a);
  const auto scores = a.scores;
  const auto out = a.out;
  const auto cancel = a.cancel;
  const std::size_t block = a.block_size, max_swaps = a.max_swaps;
  const double tolerance = a.tolerance;
  call.exactly("scores", scores, a.rows * a.cols);
  call.exactly("out", out, a.cols);
  if (!call.failed() && (block == 0 || block > kMaxBlock || block % shape->group != 0)) {
    call.refuse("blockSize", "it is no multiple of the group up to " + std::to_string(kMaxBlock));
  }
  if (call.failed()) return call.nothing();
  const std::size_t blocks = (shape->cols + block - 1) / block;
  auto swaps = std::make_shared<std::vector<std::size_t>>(blocks);
  return call.promise(
      blocks,
      [=](std::size_t index) {
        if (cancel.raised()) return;
        const std::size_t first = index * block;
        const std::size_t width = std::min(block, shape->cols - first);
        const std::uint32_t* order = shape->order.data() + first;
        BlockSearch search(*shape, scores.data, order, width, cancel);
        (*swaps)[index] = search.run(tolerance, max_swaps);
        for (std::size_t p = 0; p < width; p++) {
          out.data[first + p] = static_cast<std::int32_t>(order[search.slot(p)]);
        }
      },
      [swaps](Napi::Env env) {
        double total = 0;
        for (const std::size_t count : *swaps) total += static_cast<double>(count);
        return Napi::Number::New(env, total);
      });
}

}  // namespace

void register_swap_search(Napi::Object exports) {
  add_kernel(exports, "swapSearch", swap_search);
}

}  // namespace esparse
