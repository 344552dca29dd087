// Applies linears without Node, for instruction sets that only an emulator has here: `apply <instruction set>` reads cases
// from its standard input and writes their outputs to its standard output. src/inference/neon.long.test.ts makes the cases.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "inference/linear.h"

using namespace esparse;

namespace {

constexpr std::size_t kThreads = 2;

bool take(void* to, std::size_t bytes) { return std::fread(to, 1, bytes, stdin) == bytes; }

template <typename T>
std::vector<T> array(std::size_t count) {
  std::vector<T> values(count);
  if (!take(values.data(), count * sizeof(T))) std::exit(3);
  return values;
}

// Of a linear.
enum Kind { kDense, kPacked, kQuantized };
// Of its values.
enum Type { kBf16Values, kF16Values, kF32Values, kInt3Values, kInt4Values, kInt8Values };

// Little-endian, in this order; then weights, or values, scales, indices and permutation, whichever there are; bias, inputs.
struct Header {
  std::int32_t kind, type, keep, group, bits, shuffled, span, rows, cols, biased, tokens;
};

// Where the survivors of a linear stand, without what is read from the input.
PackedWeights shape_of(const Header& h) {
  PackedWeights w = {};
  w.rows = h.rows, w.cols = h.cols, w.keep = h.keep, w.group = h.group, w.bits = h.bits, w.f16 = h.type == kF16Values;
  return w;
}

// The order of the inputs: that of the columns where there is no permutation.
std::vector<std::uint32_t> order_of(const Header& h) {
  if (h.shuffled != 0) return array<std::uint32_t>(h.cols);
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(h.cols); i++) order.push_back(i);
  return order;
}

}  // namespace

int main(int, char** arguments) {
  const Kernels* set = kernels_named(arguments[1]);
  if (set == nullptr) return 2;
  const Compute with(*set, kThreads);
  Header h;
  while (take(&h, sizeof h)) {
    const std::size_t rows = h.rows, cols = h.cols, tokens = h.tokens;
    std::vector<float> y(tokens * rows);
    if (h.kind == kPacked) {
      PackedWeights w = shape_of(h);
      const auto values = array<std::uint16_t>(w.tiles() * w.groups() * w.group_values());
      const auto indices = array<std::uint8_t>(w.tiles() * w.groups() * w.group_bytes());
      w.order = order_of(h);
      const auto bias = array<float>(h.biased != 0 ? rows : 0);
      const auto x = array<float>(tokens * cols);
      w.values = values.data(), w.indices = indices.data(), w.bias = h.biased != 0 ? bias.data() : nullptr;
      if (first_wrong_group(w, kThreads) != kAllRight) return 4;
      apply_packed(with, w, x.data(), tokens, y.data());
    } else if (h.kind == kQuantized) {
      QuantizedWeights w = {};
      w.where = shape_of(h), w.span = h.span, w.bits = h.type == kInt8Values ? 8 : h.type == kInt4Values ? 4 : 3;
      const auto codes = array<std::uint8_t>(w.where.tiles() * w.code_bytes());
      const auto scales = array<std::uint16_t>(w.where.tiles() * w.spans() * kTileRows);
      const bool all = h.group == 1;
      const auto indices = array<std::uint8_t>(w.where.tiles() * w.index_bytes());
      w.where.order = order_of(h);
      const auto bias = array<float>(h.biased != 0 ? rows : 0);
      const auto x = array<float>(tokens * cols);
      w.codes = codes.data(), w.scales = scales.data(), w.where.indices = all ? nullptr : indices.data();
      w.where.bias = h.biased != 0 ? bias.data() : nullptr;
      if (first_wrong_group(w, kThreads) != kAllRight) return 4;
      apply_quantized(with, w, x.data(), tokens, y.data());
    } else {
      const auto weights = array<std::uint8_t>(rows * cols * (h.type == kF32Values ? 4 : 2));
      const auto bias = array<float>(h.biased != 0 ? rows : 0);
      const auto x = array<float>(tokens * cols);
      const DenseWeights w = {weights.data(), static_cast<DenseKind>(h.type), rows, cols,
                              h.biased != 0 ? bias.data() : nullptr};
      apply_dense(with, w, x.data(), tokens, y.data());
    }
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
  }
  return 0;
}
