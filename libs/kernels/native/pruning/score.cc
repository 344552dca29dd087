// Importance of each weight from one number per input channel, and its mean per channel.
#include <atomic>
#include <cmath>
#include <memory>

#include "runtime/half.h"
#include "runtime/kernel.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

// Weights per chunk (whole rows, at least one): about 1 MiB read, some hundred microseconds.
constexpr std::size_t kWeightsPerChunk = 1 << 19;
// Columns per chunk of the means: 1 KiB of every row, so that cache lines are read whole.
constexpr std::size_t kColumnsPerChunk = 256;

// One row; returns whether every score is finite.
template <typename Half>
inline bool score_row(const std::uint16_t* weights, const float* importance, float* out, std::size_t cols) {
  std::uint32_t not_finite = 0;
  for (std::size_t j = 0; j < cols; j++) {
    const float score = float_of(Half::widen(weights[j] & 0x7fffu)) * importance[j];
    out[j] = score;
    not_finite |= (bits_of(score) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  }
  return not_finite == 0;
}

ESPARSE_SIMD_CLONES
bool score_row_bf16(const std::uint16_t* weights, const float* importance, float* out, std::size_t cols) {
  return score_row<Bf16>(weights, importance, out, cols);
}

ESPARSE_SIMD_CLONES
bool score_row_f16(const std::uint16_t* weights, const float* importance, float* out, std::size_t cols) {
  return score_row<F16>(weights, importance, out, cols);
}

struct ScoreArguments {
  Dtype dtype;  // of the weights: bf16 or f16
  Span<std::uint16_t> weights;  // (rows, cols)
  std::size_t rows, cols;
  Span<float> importance;  // (cols)
  Span<float> out;         // (rows, cols)
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("weights", weights), each("rows", rows), each("cols", cols);
    each("importance", importance), each("out", out);
  }
};

// Resolves to whether all scores are finite.
Napi::Value score_by_channel(Call& call, const ScoreArguments& a) {
  call.exactly("weights", a.weights, a.rows * a.cols);
  call.exactly("importance", a.importance, a.cols);
  call.exactly("out", a.out, a.rows * a.cols);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.rows * a.cols + kWeightsPerChunk - 1) / kWeightsPerChunk;
  auto finite = std::make_shared<std::atomic<bool>>(true);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        const auto row = a.dtype == kBf16 ? score_row_bf16 : score_row_f16;
        in_range(a.rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            if (!row(a.weights.data + r * a.cols, a.importance.data, a.out.data + r * a.cols, a.cols)) *finite = false;
          }
        });
      },
      [finite](Napi::Env env) { return Napi::Boolean::New(env, *finite); });
}

ESPARSE_SIMD_CLONES
void add_row(const float* row, double* sums, std::size_t count) {
  for (std::size_t j = 0; j < count; j++) sums[j] += static_cast<double>(row[j]);
}

struct MeansArguments {
  Span<float> scores;  // (rows, cols)
  std::size_t rows, cols;
  Span<double> out;  // (cols), zeros
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores), each("rows", rows), each("cols", cols), each("out", out);
  }
};

Napi::Value channel_means(Call& call, const MeansArguments& a) {
  call.exactly("scores", a.scores, a.rows * a.cols);
  call.exactly("out", a.out, a.cols);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.cols + kColumnsPerChunk - 1) / kColumnsPerChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(a.cols, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = 0; r < a.rows; r++) {
            add_row(a.scores.data + r * a.cols + begin, a.out.data + begin, end - begin);
          }
          for (std::size_t j = begin; j < end; j++) a.out.data[j] /= static_cast<double>(a.rows);
        });
      });
}

// Whether all numbers are finite and not below zero.
ESPARSE_SIMD_CLONES
bool are_scores(const float* scores, std::size_t count) {
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint32_t bits = bits_of(scores[i]);
    // -0 is a score, too.
    wrong |= (bits & 0x7f800000u) == 0x7f800000u || (bits > 0x80000000u) ? 1u : 0u;
  }
  return wrong == 0;
}

struct ScoresArguments {
  Span<float> scores;
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores);
  }
};

// Resolves to whether all of them are finite numbers from 0.
Napi::Value check_scores(Call& call, const ScoresArguments& a) {
  return holds_of_all(call, a.scores, kWeightsPerChunk, are_scores);
}

}  // namespace

void register_score(Napi::Object exports) {
  add_kernel(exports, "scoreByChannel", score_by_channel);
  add_kernel(exports, "channelMeans", channel_means);
  add_kernel(exports, "checkScores", check_scores);
}

}  // namespace esparse
