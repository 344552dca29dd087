// One step of the mask's descent over a block of columns: see src/pruning/group-descent-reference.ts for what it computes.
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/shuffled.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr std::size_t kRows = 16;

struct Problem {
  std::size_t width, keep, group, choices;
  const std::int32_t* places;  // (choices, keep): the ways to keep N of M, as positions in the group
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

struct GroupDescentArguments {
  std::size_t rows, width, keep, group;
  Span<std::int32_t> places;  // (choices, keep)
  Span<double> inverses;      // (groups, choices, keep, keep)
  Span<float> hessian;        // (width, width)
  Span<float> weights;        // (rows, width)
  Span<float> gradient;       // (rows, width)
  template <typename Each>
  void fields(Each& each) {
    each("rows", rows), each("width", width), each("keep", keep), each("group", group), each("places", places);
    each("inverses", inverses), each("hessian", hessian), each("weights", weights), each("gradient", gradient);
  }
};

Napi::Value group_descent(Call& call, const GroupDescentArguments& a) {
  call.at_most("width", a.width, 1 << 16);
  check_pattern(call, a.keep, a.group, a.width);
  if (call.failed()) return call.nothing();
  const std::size_t choices = a.places.length / a.keep;
  const Problem p{a.width, a.keep, a.group, choices, a.places.data, a.inverses.data, a.hessian.data};
  call.exactly("inverses", a.inverses, p.width / p.group * choices * p.keep * p.keep);
  call.exactly("hessian", a.hessian, p.width * p.width);
  call.exactly("weights", a.weights, a.rows * p.width);
  call.exactly("gradient", a.gradient, a.rows * p.width);
  if (call.failed()) return call.nothing();
  const auto rows = a.rows;
  const auto weights = a.weights, gradient = a.gradient;
  const std::size_t chunks = (rows + kRows - 1) / kRows;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            descend_row(p, weights.data + r * p.width, gradient.data + r * p.width);
          }
        });
      });
}

}  // namespace

void register_group_descent(Napi::Object exports) {
  add_kernel(exports, "groupDescent", group_descent);
}

}  // namespace esparse
