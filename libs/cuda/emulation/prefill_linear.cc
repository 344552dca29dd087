// The linear of prefill by products of a warp, its own kernel over emulated warps: a matrix is repacked, and multiplied with some
// tokens as two segments of a launch, of which the second has the activations with other signs.
//
//   prefill_linear sparse|dense rows|added|gated < input > output
//
// Input: i32 rows, cols (whole blocks), tokens, paired (0 or 1: the segments' tiles stand beside each other, as those of gate and
// up do); the weights as the store has them (sparse: values, indices; dense: row-major bf16); activations bf16 [tokens][cols],
// in shuffled order; what stands where outputs go, bf16 [tokens][2 rows]. Output: f32 [ways][tokens][2 rows], for every tile, and
// copies that are done as soon and as late as they can be.
#include <cstdio>
#include <string>

#include "../kernels/prefill_linear_mma.cuh"
#include "../kernels/repack.cuh"
#include "read_array.h"

namespace esparse {
alignas(128) thread_local std::uint8_t shared[256 * 1024];
}  // namespace esparse

namespace {

using namespace esparse;

using Bits = std::vector<std::uint16_t>;

struct Shape {
  int rows, cols, tokens;
};

template <class Weights>
void run(int index, PrefillOutput output, const Shape& shape, const std::uint8_t* (&weights)[2], TilePlaces (&places)[2], const Bits (&x)[2], const Bits& before) {
  const MmaTile& tile = kMmaTiles[index];
  if (kMmaCtas * (tile.shared(Weights::kShuffled) + 1024) > kSharedOfAmpereCta + 1024) std::exit(3);
  PrefillArguments args{};
  args.segment_count = 2;
  const int row_tiles = (shape.rows + tile.rows() - 1) / tile.rows();
  for (int s = 0; s < 2; s++) {
    args.segments[s] = {weights[s], places[s], shape.rows, s * row_tiles, s * shape.rows};
    args.rows[s] = x[s].data();
  }
  args.blocks = shape.cols / Weights::kFormat.inputs;
  args.tokens = shape.tokens;
  args.out_rows = 2 * shape.rows;
  args.together = 2;
  args.output = output;
  for (const bool late : {false, true}) {
    Bits out = before;
    std::vector<float> sums(before.size());
    for (std::size_t i = 0; i < sums.size(); i++) sums[i] = bf16_value(before[i]);
    args.out = out.data();
    args.added = sums.data();
    copies_are_late = late;
    const unsigned token_tiles = (shape.tokens + tile.tokens() - 1) / tile.tokens();
    std::memset(shared, 0xff, sizeof shared);
    run_grid({2 * row_tiles * token_tiles, 1, 1}, {kMmaThreads, 1, 1},
             [&] { mma_kernel<Weights>(index)(args); });
    if (output != PrefillOutput::kAdded) {
      for (std::size_t i = 0; i < sums.size(); i++) sums[i] = bf16_value(out[i]);
    }
    std::fwrite(sums.data(), 4, sums.size(), stdout);
  }
}

template <class Weights>
void run_tiles(PrefillOutput output, const Shape& shape, bool paired, const Bits& values, const std::vector<std::uint32_t>& indices, const Bits& x,
               const Bits& before) {
  const int blocks = shape.cols / Weights::kFormat.inputs, tiles = (shape.rows + kTileRows - 1) / kTileRows;
  const int all_tiles = (tiles + 1) / 2 * 2;
  const std::size_t bytes = static_cast<std::size_t>(all_tiles) * blocks * Weights::kFormat.tile_bytes;
  std::vector<Words4> packed((2 * bytes + 15) / 16);
  auto* const to = reinterpret_cast<std::uint8_t*>(packed.data());
  const std::uint8_t* weights[2] = {to, paired ? to : to + bytes};
  TilePlaces places[2] = {{0, paired ? 2 : 1}, {paired ? 1 : 0, paired ? 2 : 1}};
  const RowOrder rows{nullptr, shape.rows};
  for (int s = 0; s < 2; s++) {
    run_grid({static_cast<unsigned>(blocks), static_cast<unsigned>(paired ? tiles : all_tiles), 1}, {kLanes, 1, 1}, [&] {
      auto* const at = const_cast<std::uint8_t*>(weights[s]);
      if constexpr (Weights::kShuffled) {
        repack_sparse(StoredSparse{values.data(), indices.data(), shape.cols / kGroup, rows}, at, places[s]);
      } else {
        repack_dense(StoredDense{values.data(), shape.cols, rows}, at, places[s]);
      }
    });
  }
  Bits both[2] = {x, x};
  for (std::uint16_t& bits : both[1]) bits ^= 0x8000;
  for (int tile = 0; tile < 3; tile++) run<Weights>(tile, output, shape, weights, places, both, before);
}

}  // namespace

int main(int, char** argv) {
  const bool sparse = argv[1] == std::string("sparse");
  const auto head = read_array<std::int32_t>(4);
  const Shape shape{head[0], head[1], head[2]};
  const std::size_t stored = (static_cast<std::size_t>(shape.rows) + kTileRows - 1) / kTileRows * kTileRows * shape.cols;
  const auto values = read_array<std::uint16_t>(sparse ? stored / 2 : static_cast<std::size_t>(shape.rows) * shape.cols);
  const auto indices = read_array<std::uint32_t>(sparse ? stored / kTileRows / kGroup * kKeep : 0);
  const auto x = read_array<std::uint16_t>(static_cast<std::size_t>(shape.tokens) * shape.cols);
  const auto before = read_array<std::uint16_t>(static_cast<std::size_t>(shape.tokens) * 2 * shape.rows);
  const std::string what = argv[2];
  const PrefillOutput output = what == "rows"    ? PrefillOutput::kRows
                               : what == "added" ? PrefillOutput::kAdded
                                                 : PrefillOutput::kGated;
  if (sparse) run_tiles<Sparse>(output, shape, head[3] != 0, values, indices, x, before);
  else run_tiles<Dense>(output, shape, head[3] != 0, values, indices, x, before);
}
