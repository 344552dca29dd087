// The sum of the scores that survive an N:M mask, for columns in a shuffled order.
#include <algorithm>
#include <limits>
#include <numeric>

#include "largest.h"

namespace esparse {
namespace {

// Rows per chunk: enough for a chunk to outweigh its dispatch at a few hundred columns.
constexpr std::size_t kRowsPerChunk = 32;

// columns[m * groups + g] = the channel at position m of group g.
double row_score(const Shuffled& shape, const std::uint32_t* columns, const float* row) {
  const std::size_t groups = shape.groups();
  double sum = 0;
  for (std::size_t first = 0; first < groups; first += kGroupsAtOnce) {
    const std::size_t count = std::min(kGroupsAtOnce, groups - first);
    Lanes top[kMaxGroup];
    std::fill(&top[0][0], &top[0][0] + shape.keep * kGroupsAtOnce, -std::numeric_limits<float>::infinity());
    for (std::size_t m = 0; m < shape.group; m++) {
      Lanes values = {};
      for (std::size_t g = 0; g < count; g++) values[g] = row[columns[m * groups + first + g]];
      insert(top, shape.keep, values);
    }
    for (std::size_t g = 0; g < count; g++) {
      double kept = 0;
      for (std::size_t s = 0; s < shape.keep; s++) kept += static_cast<double>(top[s][g]);
      sum += kept;
    }
  }
  return sum;
}

struct KeptScoreArguments : ShuffledArguments {
  Span<float> scores;  // (rows, cols)
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores), ShuffledArguments::fields(each);
  }
};

// Resolves to a sum in f64: a group's scores in descending order, then groups in order, then rows in order.
Napi::Value kept_score(Call& call, const KeptScoreArguments& a) {
  const auto shape = checked(call, a);
  const auto scores = a.scores;
  call.exactly("scores", scores, a.rows * a.cols);
  if (call.failed()) return call.nothing();
  const std::size_t groups = shape->groups();
  auto columns = std::make_shared<std::vector<std::uint32_t>>(shape->cols);
  for (std::size_t i = 0; i < shape->cols; i++) {
    (*columns)[i % shape->group * groups + i / shape->group] = shape->order[i];
  }
  auto sums = std::make_shared<std::vector<double>>(shape->rows);
  const std::size_t chunks = (shape->rows + kRowsPerChunk - 1) / kRowsPerChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(shape->rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            (*sums)[r] = row_score(*shape, columns->data(), scores.data + r * shape->cols);
          }
        });
      },
      [sums](Napi::Env env) {
        return Napi::Number::New(env, std::accumulate(sums->begin(), sums->end(), 0.0));
      });
}

}  // namespace

void register_kept_score(Napi::Object exports) {
  add_kernel(exports, "keptScore", kept_score);
}

}  // namespace esparse
