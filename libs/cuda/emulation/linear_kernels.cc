// The decode linears' own kernels over emulated warps: a matrix is repacked, multiplied with activations of 1 to 64 tokens, and
// what comes out is given for each number of tokens.
//
//   linear_kernels sparse|dense|sparse8|sparse4|sparse4-fine|dense8|dense4 < input > output
//
// Input: i32 rows, cols (whole blocks), tokens, order (0 or 1), and of integers survivors of a row and of a span, vectors and
// spans; then values, scales (of integers) and indices (2:4) as the store has them; i32 [rows] where order is 1; activations
// f32 [tokens][cols], in shuffled order. Output: f32 [ways][tokens][rows], the planes added up, for every way in which so many
// tokens can be computed, of integers from digits that were made before, too. Exit 3: positions are no choice; 4: a scale is none; 5: what prefill would multiply is another number.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../kernels/digitise.cuh"
#include "../kernels/integer_weights.cuh"
#include "../kernels/linear_instances.cuh"
#include "../kernels/linear_wide_plan.h"
#include "../kernels/linear_widest.cuh"
#include "../kernels/repack.cuh"
#include "read_array.h"

namespace esparse {
alignas(128) thread_local std::uint8_t shared[256 * 1024];
alignas(16) thread_local float row[kMaxChannels];
}  // namespace esparse

namespace {

using namespace esparse;

struct Shape {
  int rows, cols, tokens, survivors, span, vectors, spans;
  int tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  int panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

// Memory as the device's begins, at a multiple of 256; four bytes of nothing known behind it.
std::uint8_t* device_array(std::size_t bytes) {
  auto* const memory = static_cast<std::uint8_t*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(memory, 0xff, bytes);
  return memory;
}

// As the norm and attention write them, of up to 64 tokens.
std::uint8_t* fragments_of(const std::vector<float>& x, int cols, int tokens, bool rows = false) {
  std::uint8_t* const out = device_array(activation_bytes(cols, tokens));
  for (int token = 0; token < tokens; token++) {
    for (int i = 0; i < cols; i++) {
      write_activation(token_place(out, cols, token, tokens, rows), i, x[static_cast<std::size_t>(token) * cols + i]);
    }
  }
  return out;
}

// The same as digits, by `write_digits`.
std::uint8_t* digits_as(const DigitOrder& order, const std::vector<float>& x, int cols, int tokens) {
  std::uint8_t* const out = device_array(digit_bytes(cols, tokens));
  run_grid({static_cast<unsigned>(cols / kDigitInputs), static_cast<unsigned>(tokens), 1}, {kLanes, 1, 1}, [&] {
    const int input = blockIdx.x * kDigitInputs + 2 * threadIdx.x, token = blockIdx.y;
    const float* const two = &x[static_cast<std::size_t>(token) * cols + input];
    write_digits(digit_place(out, cols, token, tokens), input, two[0], two[1], order);
  });
  return out;
}

template <class Weights>
void run(const Shape& shape, const std::uint8_t* packed, const std::vector<float>& x) {
  constexpr int kFewStages = 24 << 10, kStage = kLinearWarps * (kPanelTiles * Weights::kFormat.tile_bytes + 8);
  constexpr int kSms = 3, kShared = kLanesCopy ? kSharedOfAmpereCta : kSharedOfCta;
  const auto put = [&](LinearKernel kernel, LinearArguments& args, unsigned groups, unsigned threads = kLinearThreads) {
    std::vector<float> out(static_cast<std::size_t>(kSlices) * shape.tokens * shape.rows, NAN);
    args.out = out.data();
    run_grid({static_cast<unsigned>(args.plan.ctas), static_cast<unsigned>(args.plan.planes), groups}, {threads, 1, 1},
             [&] { kernel(args); });
    std::vector<float> sums;
    const Planes planes{out.data(), args.plan.planes, shape.tokens, shape.rows};
    for (int token = 0; token < shape.tokens; token++) {
      for (int r = 0; r < shape.rows; r++) sums.push_back(planes.sum(token, r));
    }
    std::fwrite(sums.data(), 4, sums.size(), stdout);
  };
  LinearArguments args{};
  args.activations[0] = {fragments_of(x, shape.cols, shape.tokens), nullptr};
  args.segments[0] = {packed, shape.panels(), 0, shape.rows, 0, false};
  args.segment_count = 1;
  args.blocks = shape.cols / Weights::kFormat.inputs;
  args.out_rows = shape.rows;
  const LinearProblem problem{Weights::kFormat, {shape.panels()}, 1, shape.cols, shape.tokens, 1, false, kShared};
  for (const int warps : {8, 4, 2, 1}) {
    for (const int ring : {std::max(kFewStages, kStage), 192 << 10}) {  // few stages, and as many as there may be
      if (!linear_exists(kernel_tokens(shape.tokens), warps)) continue;
      args.plan = plan_linear(problem, {warps, 1, ring}, kSms);
      place_segments(args, Weights::kFormat);
      put(linear_kernel<Weights>(shape.tokens, warps, Input::kFragments, Output::kPlanes), args, token_groups(shape.tokens));
    }
  }
  const auto put_wide = [&] {
    args.plan = plan_wide(problem, kSms);
    place_segments(args, Weights::kFormat);
    put(linear_wide_kernel<Weights>(wide_tokens(problem)), args, wide_groups(problem));
  };
  std::uint8_t* const rows_of_tokens = shape.tokens > kGroupTokens ? fragments_of(x, shape.cols, shape.tokens, true) : nullptr;
  const auto put_widest = [&](const WidestTuning& tuning) {
    args.plan = plan_widest_with(problem, tuning, kSms);
    place_segments(args, Weights::kFormat);
    std::vector<float> pending(static_cast<std::size_t>(args.plan.ctas) * args.plan.planes * kMostPending);
    args.pending = pending.data();
    args.activations[0] = {rows_of_tokens, nullptr};
    put(linear_widest_kernel<Weights>(shape.tokens, tuning.panels), args, 1, kWidestThreads);
  };
  if constexpr (!Weights::kScaled) {
    if (linear_is_wide(problem)) put_wide();
    if (!kLanesCopy && shape.tokens > kGroupTokens) {
      for (const int panels : {1, 2}) {
        for (const bool resident : {false, true}) put_widest({panels, 1, resident});
        for (const int slices : {2, 8}) put_widest({panels, slices, false});
      }
    }
  } else {
    constexpr DigitOrder order{Weights::kOrder.bits, Weights::kOrder.span(), Weights::kShuffled};
    args.activations[0] = {digits_as(order, x, shape.cols, shape.tokens), nullptr, true};
    LinearProblem of_digits = problem;
    of_digits.digits = true;
    const int warps = plain_warps(shape.tokens);
    args.plan = plan_linear(of_digits, {warps, 1, 192 << 10}, kSms);
    place_segments(args, Weights::kFormat);
    put(linear_kernel<Weights>(shape.tokens, warps, Input::kFragments, Output::kPlanes), args, token_groups(shape.tokens));
    if (!linear_is_wide(problem)) return;
    put_wide();
    // And where a kernel makes them of pairs.
    const int pieces = shape.cols / kDigitInputs * shape.tokens;
    const std::uint8_t* const from = fragments_of(x, shape.cols, shape.tokens);
    std::uint8_t* const made = device_array(digit_bytes(shape.cols, shape.tokens));
    run_grid({static_cast<unsigned>((pieces * kDigitLanes + kDigitiseThreads - 1) / kDigitiseThreads), 1, 1}, {kDigitiseThreads, 1, 1},
             [&] { digitise(from, made, pieces, kernel_tokens(shape.tokens), order); });
    args.activations[0].fragments = made;
    put_wide();
  }
}

// Whether the fragments of bf16 that prefill makes of a lane's integers are these numbers.
template <class Weights, int kAt = 0>
bool are_widened(const StoredIntegers& stored, const Weights& weights, int tile, int block, int lane) {
  if constexpr (kAt < kBlockPairs / kPairsAtOnce) {
    const Words4 fragment = weights.template fragment<kAt>();
    for (int i = 0; i < kPairsAtOnce; i++) {
      const PairPlace at = pair_place(stored.indices != nullptr, tile, block, kAt * kPairsAtOnce + i, lane);
      for (int half = 0; half < 2; half++) {
        if (emulation::element(fragment.word[i], half) != stored.number(at.row, at.survivor + half)) return false;
      }
    }
    return are_widened<Weights, kAt + 1>(stored, weights, tile, block, lane);
  }
  return true;
}

template <class Weights>
int integers(const Shape& shape, const RowOrder& rows, const std::vector<std::uint8_t>& codes,
             const std::vector<std::uint16_t>& scales, const std::vector<std::uint32_t>& indices,
             const std::vector<float>& x) {
  constexpr IntegerOrder order = Weights::kOrder;
  unsigned long long damaged = kAllRight, wrong = kAllRight;
  const auto threads = [](std::size_t count) { return Index3{static_cast<unsigned>((count + 255) / 256), 1, 1}; };
  run_grid(threads(indices.size()), {256, 1, 1}, [&] {
    if (blockIdx.x * 256 + threadIdx.x < indices.size()) {
      check_integer_positions(indices.data(), shape.rows, shape.survivors, &damaged);
    }
  });
  run_grid(threads(scales.size()), {256, 1, 1}, [&] { check_scales(scales.data(), shape.rows, shape.spans, &wrong); });
  if (damaged != kAllRight || wrong != kAllRight) {
    std::printf("%llu", damaged != kAllRight ? damaged : wrong);
    return damaged != kAllRight ? 3 : 4;
  }
  const StoredIntegers stored{codes.data(),    scales.data(), order.sparse ? indices.data() : nullptr, order.bits,
                              shape.survivors, shape.span,    shape.vectors, shape.spans, rows};
  const unsigned blocks = shape.cols / order.inputs(), tiles = shape.panels() * kPanelTiles;
  std::uint8_t* const packed = device_array(static_cast<std::size_t>(blocks) * tiles * order.tile_bytes());
  run_grid({blocks, tiles, 1}, {kLanes, 1, 1}, [&] { repack_integers(stored, order, packed, {0, 1}); });
  for (unsigned i = 0; i < blocks * tiles * kLanes; i++) {
    const int lane = i % kLanes, block = i / kLanes % blocks, tile = i / kLanes / blocks;
    Weights weights;
    weights.load(packed + tile_block_offset(tile, block, blocks, order.tile_bytes()), lane);
    if (!are_widened(stored, weights, tile, block, lane)) return 5;
  }
  run<Weights>(shape, packed, x);
  return 0;
}

}  // namespace

int main(int, char** argv) {
  const std::string kind = argv[1];
  const auto head = read_array<std::int32_t>(8);
  const Shape shape{head[0], head[1], head[2], head[4], head[5], head[6], head[7]};
  const bool sparse = kind.rfind("sparse", 0) == 0, of_integers = shape.vectors != 0;
  const std::size_t tiles = shape.tiles(), all = tiles * kTileRows * shape.cols;
  const auto codes = read_array<std::uint8_t>(tiles * shape.vectors * kCodeVector);
  const auto scales = read_array<std::uint16_t>(tiles * shape.spans * kTileRows);
  const auto values = read_array<std::uint16_t>(of_integers ? 0 : sparse ? all / 2 : static_cast<std::size_t>(shape.rows) * shape.cols);
  const auto indices = read_array<std::uint32_t>(
      !sparse ? 0 : of_integers ? tiles * kTileRows * ((shape.survivors + 15) / 16) : tiles * (shape.cols / kGroup) * kKeep);
  const auto order = read_array<std::int32_t>(head[3] != 0 ? shape.rows : 0);
  const auto x = read_array<float>(static_cast<std::size_t>(shape.tokens) * shape.cols);
  const RowOrder rows{head[3] != 0 ? order.data() : nullptr, shape.rows};
  if (kind == "sparse8") return integers<SparseInt8>(shape, rows, codes, scales, indices, x);
  if (kind == "sparse4") return integers<SparseInt4>(shape, rows, codes, scales, indices, x);
  if (kind == "sparse4-fine") return integers<SparseInt4Fine>(shape, rows, codes, scales, indices, x);
  if (kind == "dense8") return integers<DenseInt8>(shape, rows, codes, scales, indices, x);
  if (kind == "dense4") return integers<DenseInt4>(shape, rows, codes, scales, indices, x);
  const unsigned panel_tiles = shape.panels() * kPanelTiles;
  const Format format = sparse ? kSparseFormat : kDenseFormat;
  const unsigned blocks = shape.cols / format.inputs;
  std::uint8_t* const packed = device_array(static_cast<std::size_t>(blocks) * panel_tiles * format.tile_bytes);
  run_grid({blocks, panel_tiles, 1}, {kLanes, 1, 1}, [&] {
    if (sparse) repack_sparse(StoredSparse{values.data(), indices.data(), shape.cols / kGroup, rows}, packed, {0, 1});
    else repack_dense(StoredDense{values.data(), shape.cols, rows}, packed, {0, 1});
  });
  if (sparse) run<Sparse>(shape, packed, x);
  else run<Dense>(shape, packed, x);
}
