// Linear sum assignment: to every row of a square matrix a column of its own, so that the sum of the chosen values is the
// largest.
//
// Shortest augmenting paths with potentials (Jonker and Volgenant, Computing 38, 1987, in the plain form of Crouse, IEEE
// Trans. Aerosp. Electron. Syst. 52, 2016). The slack u[i] + v[j] - value(i, j) is never negative, and zero along the
// assignment. Each free row takes the path of least slack to a free column. Of equal columns the lowest is taken.
#include <algorithm>
#include <limits>
#include <vector>

#include "promise_job.h"
#include "simd.h"

namespace esparse {
namespace {

// Beyond it the values alone would take 1 GiB, and a solution hours.
constexpr std::size_t kMaxSide = 1u << 14;
constexpr std::int32_t kNone = -1;
constexpr double kFar = std::numeric_limits<double>::infinity();

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
        v_(size, -kFar),
        row_of_(size, kNone),
        column_of_(size, kNone) {}

  // Ends early, with columns that are worth nothing, once the flag is raised.
  const std::vector<std::int32_t>& solve() {
    begin();
    for (std::size_t i = 0; i < size_ && !cancel_.raised(); i++) {
      if (column_of_[i] == kNone) augment(static_cast<std::int32_t>(i));
    }
    return column_of_;
  }

 private:
  const float* row(std::size_t i) const { return values_ + i * size_; }

  // The least potentials of the rows, then of the columns, and what can be assigned where the slack is zero.
  void begin() {
    for (std::size_t i = 0; i < size_; i++) {
      u_[i] = static_cast<double>(*std::max_element(row(i), row(i) + size_));
      for (std::size_t j = 0; j < size_; j++) v_[j] = std::max(v_[j], static_cast<double>(row(i)[j]) - u_[i]);
    }
    for (std::size_t i = 0; i < size_; i++) {
      for (std::size_t j = 0; j < size_; j++) {
        if (row_of_[j] != kNone || static_cast<double>(row(i)[j]) - u_[i] != v_[j]) continue;
        row_of_[j] = static_cast<std::int32_t>(i);
        column_of_[i] = static_cast<std::int32_t>(j);
        break;
      }
    }
  }

  // Dijkstra's paths from a free row until one meets a free column; along it the assignment changes.
  void augment(std::int32_t free) {
    std::vector<double> length(size_, kFar), open = v_, reached;
    std::vector<std::int32_t> from(size_, kNone);
    std::vector<std::size_t> columns;
    double end = 0;
    std::size_t j = 0;
    for (std::int32_t i = free;; i = row_of_[j]) {
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

// assign(values: Float32Array(size²), size, out: Int32Array(size), cancel: Int32Array(1)): Promise<void>. out[i] = the
// column of row i. The values are finite: checked by the caller.
Napi::Value assign(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t size = call.size(1, kMaxSide);
  const auto values = call.array<float>(0, size * size);
  const auto out = call.array<std::int32_t>(2, size);
  const CancelFlag cancel(call.array<std::int32_t>(3, 1));
  if (call.failed()) return info.Env().Undefined();
  return call.promise(
      1,
      [=](std::size_t) {
        Assignment assignment(values.data, size, cancel);
        const auto& columns = assignment.solve();
        std::copy(columns.begin(), columns.end(), out.data);
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_assignment(Napi::Env env, Napi::Object exports) {
  exports.Set("assign", Napi::Function::New(env, assign));
}

}  // namespace esparse
