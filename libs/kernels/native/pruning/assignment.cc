// Linear sum assignment: to every row of a square matrix a column of its own, so that the sum of the chosen values is the
// largest.
//
// First an auction with falling steps (Bertsekas, Annals of Operations Research 14, 1988): rows bid for columns, whose prices
// rise. It ends near the best, and its prices are where the exact method begins: shortest augmenting paths with potentials
// (Jonker and Volgenant, Computing 38, 1987, in the plain form of Crouse, IEEE Trans. Aerosp. Electron. Syst. 52, 2016). The
// slack u[i] + v[j] - value(i, j) is never negative, and zero along the assignment. Each free row takes the path of least
// slack to a free column. Of equal columns the lowest is taken. One thread does all of it, so that the order of bids is the
// same everywhere.
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "runtime/kernel.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

// Beyond it the values alone would take 1 GiB, and a solution hours.
constexpr std::size_t kMaxSide = 1u << 14;
constexpr std::int32_t kNone = -1;
constexpr double kFar = std::numeric_limits<double>::infinity();

// A phase's bids raise a price by no less than its step: the first has a quarter of the range of the values, the next a quarter
// of that. At the last, a thousand-millionth, prices are so near the best ones that paths are a few steps short.
constexpr std::size_t kPhases = 15;
constexpr double kStepRatio = 4;
// Bids of a phase at most, for each row. Mostly it takes 1 to 5; more where columns are alike, and paths are shorter work then.
constexpr std::size_t kBidsPerRow = 16;
// Columns looked at together: enough running maxima to hide the time that one takes.
constexpr std::size_t kColumnsAtOnce = 32;

// The largest and the second largest of a row's values less the columns' prices.
struct Best {
  double first = -kFar, second = -kFar;
  void take(double worth) {
    const double less = worth < first ? worth : first;
    first = worth > first ? worth : first;
    second = less > second ? less : second;
  }
};

ESPARSE_SIMD_CLONES
Best two_best(const float* values, const double* v, std::size_t size) {
  double first[kColumnsAtOnce], second[kColumnsAtOnce];
  std::fill_n(first, kColumnsAtOnce, -kFar);
  std::fill_n(second, kColumnsAtOnce, -kFar);
  std::size_t j = 0;
  for (; j + kColumnsAtOnce <= size; j += kColumnsAtOnce) {
    for (std::size_t l = 0; l < kColumnsAtOnce; l++) {
      const double worth = static_cast<double>(values[j + l]) - v[j + l];
      const double less = worth < first[l] ? worth : first[l];
      first[l] = worth > first[l] ? worth : first[l];
      second[l] = less > second[l] ? less : second[l];
    }
  }
  Best best;
  for (; j < size; j++) best.take(static_cast<double>(values[j]) - v[j]);
  for (std::size_t l = 0; l < kColumnsAtOnce; l++) {
    best.take(first[l]);
    best.take(second[l]);
  }
  return best;
}

// The lowest column of this worth: there is one.
ESPARSE_SIMD_CLONES
std::size_t column_of_worth(double worth, const float* values, const double* v, std::size_t size) {
  std::size_t j = 0;
  for (; j + kColumnsAtOnce <= size; j += kColumnsAtOnce) {
    bool found = false;
    for (std::size_t l = 0; l < kColumnsAtOnce; l++) found |= static_cast<double>(values[j + l]) - v[j + l] == worth;
    if (found) break;
  }
  while (static_cast<double>(values[j]) - v[j] != worth) j++;
  return j;
}

// Offers every column a path that ends in this row, `base` long so far; returns the shortest of all paths to columns that
// are not reached yet. `v` is infinite and `length` too for a column that is.
ESPARSE_SIMD_CLONES
double offer(const float* values, const double* v, double base, std::int32_t row, std::size_t size, double* length,
             std::int32_t* from) {
  double best = kFar;
  for (std::size_t j = 0; j < size; j++) {
    const double through = base + (v[j] - static_cast<double>(values[j]));
    const bool shorter = through < length[j];
    length[j] = shorter ? through : length[j];
    from[j] = shorter ? row : from[j];
    best = length[j] < best ? length[j] : best;
  }
  return best;
}

class Assignment {
 public:
  Assignment(const float* values, std::size_t size, CancelFlag cancel)
      : cancel_(cancel),
        values_(values),
        size_(size),
        u_(size),
        v_(size),
        row_of_(size, kNone),
        column_of_(size, kNone) {}

  // Ends early, with columns that are worth nothing, once the flag is raised.
  const std::vector<std::int32_t>& solve() {
    bid();
    keep_tight();
    for (std::size_t i = 0; i < size_ && !cancel_.raised(); i++) {
      if (column_of_[i] == kNone) augment(static_cast<std::int32_t>(i));
    }
    return column_of_;
  }

 private:
  const float* row(std::size_t i) const { return values_ + i * size_; }

  void bid() {
    const auto [least, largest] = std::minmax_element(values_, values_ + size_ * size_);
    double step = static_cast<double>(*largest) - static_cast<double>(*least);
    if (step == 0) return;
    for (std::size_t phase = 0; phase < kPhases; phase++) bid(step /= kStepRatio);
  }

  // Each row without a column takes the one of most worth, for a price at which the second is nearly as good; who had it bids
  // next. Prices stay from phase to phase, columns do not.
  void bid(double step) {
    std::fill(row_of_.begin(), row_of_.end(), kNone);
    std::fill(column_of_.begin(), column_of_.end(), kNone);
    std::vector<std::size_t> waiting(size_);
    std::iota(waiting.rbegin(), waiting.rend(), 0);
    for (std::size_t bids = 0; !waiting.empty() && bids < kBidsPerRow * size_ && !cancel_.raised(); bids++) {
      const std::size_t i = waiting.back();
      waiting.pop_back();
      const Best best = two_best(row(i), v_.data(), size_);
      const std::size_t j = column_of_worth(best.first, row(i), v_.data(), size_);
      v_[j] += best.first - best.second + step;
      if (row_of_[j] != kNone) {
        column_of_[row_of_[j]] = kNone;
        waiting.push_back(static_cast<std::size_t>(row_of_[j]));
      }
      assign(i, j);
    }
  }

  // The least potentials of the rows, and what of the auction's outcome has no slack; then, where the slack is zero, what is free.
  void keep_tight() {
    for (std::size_t i = 0; i < size_ && !cancel_.raised(); i++) {
      u_[i] = two_best(row(i), v_.data(), size_).first;
      const std::int32_t j = column_of_[i];
      if (j == kNone || tight(i, static_cast<std::size_t>(j))) continue;
      row_of_[j] = column_of_[i] = kNone;
    }
    for (std::size_t i = 0; i < size_ && !cancel_.raised(); i++) {
      for (std::size_t j = 0; j < size_ && column_of_[i] == kNone; j++) {
        if (row_of_[j] == kNone && tight(i, j)) assign(i, j);
      }
    }
  }

  bool tight(std::size_t i, std::size_t j) const { return static_cast<double>(row(i)[j]) - v_[j] == u_[i]; }

  void assign(std::size_t i, std::size_t j) {
    row_of_[j] = static_cast<std::int32_t>(i);
    column_of_[i] = static_cast<std::int32_t>(j);
  }

  // Dijkstra's paths from a free row until one meets a free column; along it the assignment changes.
  void augment(std::int32_t free) {
    std::vector<double> length(size_, kFar), open = v_, reached;
    std::vector<std::int32_t> from(size_, kNone);
    std::vector<std::size_t> columns;
    double end = 0;
    std::size_t j = 0;
    for (std::int32_t i = free;; i = row_of_[j]) {
      if (cancel_.raised()) return;
      end = offer(row(i), open.data(), end + u_[i], i, size_, length.data(), from.data());
      j = static_cast<std::size_t>(std::find(length.begin(), length.end(), end) - length.begin());
      if (row_of_[j] == kNone) break;
      columns.push_back(j);
      reached.push_back(end);
      length[j] = open[j] = kFar;
    }
    u_[free] -= end;
    for (std::size_t k = 0; k < columns.size(); k++) {
      const double change = end - reached[k];
      v_[columns[k]] += change;
      u_[row_of_[columns[k]]] -= change;
    }
    for (std::int32_t column = static_cast<std::int32_t>(j);;) {
      const std::int32_t i = from[column];
      row_of_[column] = i;
      std::swap(column, column_of_[i]);
      if (i == free) return;
    }
  }

  CancelFlag cancel_;
  const float* values_;
  std::size_t size_;
  std::vector<double> u_, v_;
  std::vector<std::int32_t> row_of_, column_of_;
};

struct AssignArguments {
  Span<float> values;  // (size, size), finite: checked by the caller
  std::size_t size;
  Span<std::int32_t> out;  // (size): the column of each row
  CancelFlag cancel;
  template <typename Each>
  void fields(Each& each) {
    each("values", values), each("size", size), each("out", out), each("cancel", cancel);
  }
};

Napi::Value assign(Call& call, const AssignArguments& a) {
  call.at_most("size", a.size, kMaxSide);
  call.exactly("values", a.values, a.size * a.size);
  call.exactly("out", a.out, a.size);
  if (call.failed()) return call.nothing();
  return call.promise(
      1,
      [=](std::size_t) {
        Assignment assignment(a.values.data, a.size, a.cancel);
        const auto& columns = assignment.solve();
        std::copy(columns.begin(), columns.end(), a.out.data);
      });
}

}  // namespace

void register_assignment(Napi::Object exports) {
  add_kernel(exports, "assign", assign);
}

}  // namespace esparse
