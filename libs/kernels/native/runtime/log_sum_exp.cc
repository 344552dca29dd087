// log Σ e^x of rows of logits. See src/runtime/log-sum-exp.ts.
#include <algorithm>
#include <limits>

#include "exponential.h"
#include "kernel.h"
#include "natural_log.h"
#include "simd.h"

namespace esparse {
namespace {

// Logits per chunk (whole rows, at least one): some ten microseconds.
constexpr std::size_t kLogitsPerChunk = 1 << 16;
// Partial sums of a row.
constexpr std::size_t kLanes = 16;
// Terms that are computed before they are added, the last ones beside zeros: a whole number of lanes.
constexpr std::size_t kPart = 256;

ESPARSE_SIMD_CLONES
double log_sum_exp_row(const float* row, std::size_t cols) {
  const std::size_t whole = cols - cols % kLanes;
  float most[kLanes];
  double sums[kLanes];
  for (std::size_t l = 0; l < kLanes; l++) most[l] = -std::numeric_limits<float>::infinity(), sums[l] = 0;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; l++) most[l] = row[i + l] > most[l] ? row[i + l] : most[l];
  }
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t l = 0; l < kLanes; l++) largest = most[l] > largest ? most[l] : largest;
  for (std::size_t i = whole; i < cols; i++) largest = row[i] > largest ? row[i] : largest;
  const double from = largest;
  for (std::size_t begin = 0; begin < cols; begin += kPart) {
    const std::size_t count = std::min(kPart, cols - begin);
    double terms[kPart] = {};
    for (std::size_t i = 0; i < count; i++) terms[i] = exponential(static_cast<double>(row[begin + i]) - from);
    for (std::size_t i = 0; i < kPart; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; l++) sums[l] += terms[i + l];
    }
  }
  double sum = 0;
  for (std::size_t l = 0; l < kLanes; l++) sum += sums[l];
  // The largest logit alone gives 1.
  return sum >= 1 ? from + natural_log(sum) : std::numeric_limits<double>::quiet_NaN();
}

struct LogSumExpArguments {
  Span<float> logits;  // (rows, cols)
  std::size_t rows, cols;
  Span<double> out;  // (rows)
  template <typename Each>
  void fields(Each& each) {
    each("logits", logits), each("rows", rows), each("cols", cols), each("out", out);
  }
};

Napi::Value log_sum_exp(Call& call, const LogSumExpArguments& a) {
  call.exactly("logits", a.logits, a.rows * a.cols);
  call.exactly("out", a.out, a.rows);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.rows * a.cols + kLogitsPerChunk - 1) / kLogitsPerChunk;
  return call.promise(chunks, [=](std::size_t chunk) {
    in_range(a.rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; r++) a.out.data[r] = log_sum_exp_row(a.logits.data + r * a.cols, a.cols);
    });
  });
}

}  // namespace

void register_log_sum_exp(Napi::Object exports) {
  add_kernel(exports, "logSumExp", log_sum_exp);
}

}  // namespace esparse
