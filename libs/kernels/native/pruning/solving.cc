// What goes into solving for weights, and what comes of it, number by number: see src/pruning/solving.ts.
#include <cmath>

#include "runtime/half.h"
#include "runtime/kernel.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr std::size_t kChunk = 1 << 18;
inline std::size_t chunks_of(std::size_t count) { return (count + kChunk - 1) / kChunk; }

struct SpreadMaskArguments {
  Span<std::uint8_t> mask;  // (rows, bytes), in the shuffled order
  std::size_t rows, cols;
  Span<std::int32_t> permutation;  // (cols)
  Span<float> out;                 // (rows, cols), in the original order
  template <typename Each>
  void fields(Each& each) {
    each("mask", mask), each("rows", rows), each("cols", cols), each("permutation", permutation), each("out", out);
  }
};

Napi::Value spread_mask(Call& call, const SpreadMaskArguments& a) {
  const std::size_t row_bytes = (a.cols + 7) / 8;
  call.exactly("mask", a.mask, a.rows * row_bytes);
  call.exactly("permutation", a.permutation, a.cols);
  call.exactly("out", a.out, a.rows * a.cols);
  for (std::size_t i = 0; i < a.permutation.length && !call.failed(); i++) {
    if (static_cast<std::size_t>(a.permutation.data[i]) >= a.cols) call.refuse("permutation", "it names no channel");
  }
  if (call.failed()) return call.nothing();
  const std::size_t chunks = chunks_of(a.rows * a.cols);
  return call.promise(chunks, [=](std::size_t chunk) {
    in_range(a.rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; r++) {
        const std::uint8_t* bits = a.mask.data + r * row_bytes;
        float* to = a.out.data + r * a.cols;
        for (std::size_t i = 0; i < a.cols; i++) to[a.permutation.data[i]] = static_cast<float>((bits[i / 8] >> i % 8) & 1);
      }
    });
  });
}

ESPARSE_SIMD_CLONES
void magnitudes_of(const float* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = std::fabs(from[i]);
}

struct MagnitudesArguments {
  Span<float> from, to;
  template <typename Each>
  void fields(Each& each) {
    each("from", from), each("to", to);
  }
};

Napi::Value magnitudes(Call& call, const MagnitudesArguments& a) {
  call.exactly("to", a.to, a.from.length);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = chunks_of(a.from.length);
  return call.promise(chunks, [=](std::size_t chunk) {
    in_range(a.from.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
      magnitudes_of(a.from.data + begin, a.to.data + begin, end - begin);
    });
  });
}

// Whole numbers below 2^53: no NaN, either.
ESPARSE_SIMD_CLONES
bool all_whole(const double* values, std::size_t count) {
  int wrong = 0;
  for (std::size_t i = 0; i < count; i++) {
    const double size = std::fabs(values[i]);
    // From 2^52 on all are whole.
    const double rounded = (size + 4503599627370496.0) - 4503599627370496.0;
    const bool is_whole = size <= 9007199254740991.0 && (size >= 4503599627370496.0 || rounded == size);
    wrong |= is_whole ? 0 : 1;
  }
  return wrong == 0;
}

struct AreWholeArguments {
  Span<double> values;
  template <typename Each>
  void fields(Each& each) {
    each("values", values);
  }
};

Napi::Value are_whole(Call& call, const AreWholeArguments& a) {
  return holds_of_all(call, a.values, kChunk, all_whole);
}

struct SumsToMatrixArguments {
  Span<double> sums;  // of a tile, (rows, cols): their low digits, then the high ones
  std::size_t rows, cols;
  double part;             // what a high digit is worth
  std::size_t transposed;  // whether `out` is (cols, rows)
  Span<float> out;
  template <typename Each>
  void fields(Each& each) {
    each("sums", sums), each("rows", rows), each("cols", cols), each("part", part);
    each("transposed", transposed), each("out", out);
  }
};

Napi::Value sums_to_matrix(Call& call, const SumsToMatrixArguments& a) {
  const std::size_t size = a.rows * a.cols;
  call.exactly("sums", a.sums, 2 * size);
  call.exactly("out", a.out, size);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = chunks_of(size);
  const std::size_t lines = a.transposed != 0 ? a.cols : a.rows, width = a.transposed != 0 ? a.rows : a.cols;
  return call.promise(chunks, [=](std::size_t chunk) {
    in_range(lines, chunks, chunk, [&](std::size_t begin, std::size_t end) {
      for (std::size_t line = begin; line < end; line++) {
        float* to = a.out.data + line * width;
        for (std::size_t i = 0; i < width; i++) {
          const std::size_t at = a.transposed != 0 ? i * a.cols + line : line * a.cols + i;
          to[i] = static_cast<float>(a.sums.data[at] + a.sums.data[size + at] * a.part);
        }
      }
    });
  });
}

}  // namespace

void register_solving(Napi::Object exports) {
  add_kernel(exports, "spreadMask", spread_mask);
  add_kernel(exports, "magnitudes", magnitudes);
  add_kernel(exports, "areWhole", are_whole);
  add_kernel(exports, "sumsToMatrix", sums_to_matrix);
}

}  // namespace esparse
