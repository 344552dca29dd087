// Importance of each weight from one number per input channel, and its mean per channel.
#include <atomic>
#include <cmath>
#include <memory>

#include "runtime/half.h"
#include "runtime/promise_job.h"
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

// scoreByChannel(kind: 0 bf16 | 1 f16, weights, rows, cols, importance, out): Promise<boolean>, all finite
Napi::Value score_by_channel(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t kind = call.size(0);
  const std::size_t rows = call.size(2), cols = call.size(3);
  const auto weights = call.array<std::uint16_t>(1, rows * cols);
  const auto importance = call.array<float>(4, cols);
  const auto out = call.array<float>(5, rows * cols);
  if (call.failed()) return info.Env().Undefined();
  const std::size_t chunks = (rows * cols + kWeightsPerChunk - 1) / kWeightsPerChunk;
  auto finite = std::make_shared<std::atomic<bool>>(true);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        const auto row = kind == 0 ? score_row_bf16 : score_row_f16;
        in_range(rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            if (!row(weights.data + r * cols, importance.data, out.data + r * cols, cols)) *finite = false;
          }
        });
      },
      [finite](Napi::Env env) { return Napi::Boolean::New(env, *finite); });
}

ESPARSE_SIMD_CLONES
void add_row(const float* row, double* sums, std::size_t count) {
  for (std::size_t j = 0; j < count; j++) sums[j] += static_cast<double>(row[j]);
}

// channelMeans(scores, rows, cols, out: Float64Array, zeros): Promise<void>. Rows are added in order.
Napi::Value channel_means(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t rows = call.size(1), cols = call.size(2);
  const auto scores = call.array<float>(0, rows * cols);
  const auto out = call.array<double>(3, cols);
  if (call.failed()) return info.Env().Undefined();
  const std::size_t chunks = (cols + kColumnsPerChunk - 1) / kColumnsPerChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(cols, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = 0; r < rows; r++) {
            add_row(scores.data + r * cols + begin, out.data + begin, end - begin);
          }
          for (std::size_t j = begin; j < end; j++) out.data[j] /= static_cast<double>(rows);
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_score(Napi::Env env, Napi::Object exports) {
  exports.Set("scoreByChannel", Napi::Function::New(env, score_by_channel));
  exports.Set("channelMeans", Napi::Function::New(env, channel_means));
}

}  // namespace esparse
