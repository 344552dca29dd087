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

// Little-endian, in this order; then values or weights, indices, permutation, bias, inputs.
struct Header {
  std::int32_t packed, kind, rows, cols, keep, group, bits, shuffled, biased, tokens;
};

}  // namespace

int main(int, char** arguments) {
  const Kernels* set = kernels_named(arguments[1]);
  if (set == nullptr) return 2;
  const Compute with(*set, kThreads);
  Header h;
  while (take(&h, sizeof h)) {
    const std::size_t rows = h.rows, cols = h.cols, tokens = h.tokens;
    std::vector<float> y(tokens * rows);
    if (h.packed != 0) {
      PackedWeights w = {};
      w.rows = rows, w.cols = cols, w.keep = h.keep, w.group = h.group, w.bits = h.bits, w.f16 = h.kind != 0;
      const auto values = array<std::uint16_t>(w.tiles() * w.groups() * w.group_values());
      const auto indices = array<std::uint8_t>(w.tiles() * w.groups() * w.group_bytes());
      w.order = array<std::uint32_t>(h.shuffled != 0 ? cols : 0);
      for (std::uint32_t i = 0; h.shuffled == 0 && i < cols; i++) w.order.push_back(i);
      const auto bias = array<float>(h.biased != 0 ? rows : 0);
      const auto x = array<float>(tokens * cols);
      w.values = values.data(), w.indices = indices.data(), w.bias = h.biased != 0 ? bias.data() : nullptr;
      if (first_wrong_group(w, kThreads) != kAllRight) return 4;
      apply_packed(with, w, x.data(), tokens, y.data());
    } else {
      const auto weights = array<std::uint8_t>(rows * cols * (h.kind == kDenseF32 ? 4 : 2));
      const auto bias = array<float>(h.biased != 0 ? rows : 0);
      const auto x = array<float>(tokens * cols);
      const DenseWeights w = {weights.data(), static_cast<DenseKind>(h.kind), rows, cols,
                              h.biased != 0 ? bias.data() : nullptr};
      apply_dense(with, w, x.data(), tokens, y.data());
    }
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
  }
  return 0;
}
