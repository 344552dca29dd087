// One step of the mask's descent over a block of columns: see src/group-descent-reference.ts for what it computes.
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/promise_job.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr std::size_t kRows = 16;
constexpr std::size_t kMaxGroup = 16;

struct Problem {
  std::size_t width, keep, group, choices;
  const std::int32_t* places;  // (choices, keep)
  const double* inverses;      // (groups, choices, keep, keep)
  const float* hessian;        // (width, width)
};

// The best weights of one group: x maximises the gain rhs_S · x, x = (A_S)^-1 rhs_S.
void best_choice(const Problem& p, std::size_t q, const double* rhs, double* best) {
  double most = -std::numeric_limits<double>::infinity();
  const double* inverse = p.inverses + q * p.choices * p.keep * p.keep;
  for (std::size_t a = 0; a < p.group; a++) best[a] = 0;
  for (std::size_t k = 0; k < p.choices; k++, inverse += p.keep * p.keep) {
    const std::int32_t* places = p.places + k * p.keep;
    double x[kMaxGroup];
    double gain = 0;
    for (std::size_t i = 0; i < p.keep; i++) {
      double sum = 0;
      for (std::size_t j = 0; j < p.keep; j++) sum += inverse[i * p.keep + j] * rhs[places[j]];
      x[i] = sum;
      gain += sum * rhs[places[i]];
    }
    if (!(gain > most)) continue;
    most = gain;
    for (std::size_t a = 0; a < p.group; a++) best[a] = 0;
    for (std::size_t i = 0; i < p.keep; i++) best[places[i]] = x[i];
  }
}

ESPARSE_SIMD_CLONES
void descend_row(const Problem& p, float* weights, float* gradient) {
  for (std::size_t q = 0, c = 0; c < p.width; q++, c += p.group) {
    double rhs[kMaxGroup];
    double best[kMaxGroup];
    for (std::size_t a = 0; a < p.group; a++) {
      double sum = -static_cast<double>(gradient[c + a]);
      for (std::size_t b = 0; b < p.group; b++) {
        sum += static_cast<double>(weights[c + b]) * static_cast<double>(p.hessian[(c + b) * p.width + c + a]);
      }
      rhs[a] = sum;
    }
    best_choice(p, q, rhs, best);
    for (std::size_t a = 0; a < p.group; a++) {
      const float next = static_cast<float>(best[a]);
      const float step = next - weights[c + a];
      weights[c + a] = next;
      if (step == 0) continue;
      const float* row = p.hessian + (c + a) * p.width;
      for (std::size_t j = 0; j < p.width; j++) gradient[j] += step * row[j];
    }
  }
}

// groupDescent(rows, width, keep, group, places: Int32Array, inverses: Float64Array, hessian: Float32Array,
//              weights: Float32Array, gradient: Float32Array): Promise<void>
Napi::Value group_descent(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t rows = call.size(0);
  Problem p{};
  p.width = call.size(1, 1 << 16);
  p.keep = call.size(2, kMaxGroup);
  p.group = call.size(3, kMaxGroup);
  const auto places = call.array<std::int32_t>(4);
  if (call.failed()) return info.Env().Undefined();
  p.choices = places.length / p.keep;
  const auto inverses = call.array<double>(5, p.width / p.group * p.choices * p.keep * p.keep);
  const auto hessian = call.array<float>(6, p.width * p.width);
  const auto weights = call.array<float>(7, rows * p.width);
  const auto gradient = call.array<float>(8, rows * p.width);
  if (call.failed()) return info.Env().Undefined();
  p.places = places.data;
  p.inverses = inverses.data;
  p.hessian = hessian.data;
  const std::size_t chunks = (rows + kRows - 1) / kRows;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            descend_row(p, weights.data + r * p.width, gradient.data + r * p.width);
          }
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_group_descent(Napi::Env env, Napi::Object exports) {
  exports.Set("groupDescent", Napi::Function::New(env, group_descent));
}

}  // namespace esparse
