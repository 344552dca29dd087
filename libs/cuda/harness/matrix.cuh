// A linear with random weights: as the store has it, for the f64 reference, and repacked, for the kernels.
#pragma once
#include "../kernels/digitise.cuh"
#include "../kernels/encoding.h"
#include "../kernels/integer_weights.cuh"
#include "../kernels/linear.cuh"
#include "../kernels/linear_wide.cuh"
#include "../kernels/linear_wide_plan.h"
#include "../kernels/linear_widest.cuh"
#include "../kernels/repack.cuh"
#include <optional>

#include "support.cuh"

namespace harness {

using namespace esparse;

// Bits of the weights that the program is for: 0 (bf16), 8 or 4; not defined: all.
#ifndef ESPARSE_HARNESS_BITS
#define ESPARSE_HARNESS_BITS -1
#endif

// Every encoding of a linear, and the one of a head beside linears of another.
constexpr Encoding kEncodings[] = {Encoding::kSparse,         Encoding::kDense,     Encoding::kSparseInt8, Encoding::kSparseInt4,
                                   Encoding::kSparseInt4Fine, Encoding::kDenseInt8, Encoding::kDenseInt4};
constexpr Encoding head_of(Encoding encoding) {
  return bits_of(encoding) == 8 ? Encoding::kDenseInt8 : bits_of(encoding) == 4 ? Encoding::kDenseInt4 : Encoding::kDense;
}
constexpr const char* variant_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kSparse:
      return "2:4";
    case Encoding::kDense:
      return "dense";
    case Encoding::kSparseInt8:
      return "2:4 int8";
    case Encoding::kSparseInt4:
      return "2:4 int4";
    case Encoding::kSparseInt4Fine:
      return "2:4 int4/16";
    case Encoding::kDenseInt8:
      return "int8";
    default:
      return "int4";
  }
}

// Calls `of` with an object of the class of weights that kernels have for an encoding.
template <class Of>
auto with_weights(Encoding encoding, const Of& of) {
  switch (encoding) {
#if ESPARSE_HARNESS_BITS == 0
    case Encoding::kSparse:
      return of(Sparse{});
    default:
      return of(Dense{});
#elif ESPARSE_HARNESS_BITS == 8
    case Encoding::kSparseInt8:
      return of(SparseInt8{});
    default:
      return of(DenseInt8{});
#elif ESPARSE_HARNESS_BITS == 4
    case Encoding::kSparseInt4:
      return of(SparseInt4{});
    default:
      return of(DenseInt4{});
#else
    case Encoding::kSparse:
      return of(Sparse{});
    case Encoding::kDense:
      return of(Dense{});
    case Encoding::kSparseInt8:
      return of(SparseInt8{});
    case Encoding::kSparseInt4:
      return of(SparseInt4{});
    case Encoding::kSparseInt4Fine:
      return of(SparseInt4Fine{});
    case Encoding::kDenseInt8:
      return of(DenseInt8{});
    default:
      return of(DenseInt4{});
#endif
  }
}

struct Matrix {
  int rows = 0, cols = 0;
  Encoding encoding = Encoding::kDense;
  bool sparse() const { return is_sparse(encoding); }
  Device<std::uint16_t> values;  // bf16, or
  Device<std::uint32_t> codes, fields;  // integers and their positions
  Device<std::uint16_t> scales;
  Device<Words2> positions;               // 2:4 in bf16
  std::vector<std::int32_t> permutation;  // sparse: input at each shuffled place
  Device<std::int32_t> permutation_device;
  Device<std::uint8_t> packed;

  Format format() const { return format_of(encoding); }
  // Of integers, with as few inputs to a scale as the kernels have.
  StoredIntegers integers(const std::int32_t* order) const {
    const IntegerOrder of = order_of(encoding);
    const int survivors = sparse() ? cols / 2 : cols, span = sparse() ? of.span() / 2 : of.span();
    return {reinterpret_cast<const std::uint8_t*>(static_cast<std::uint32_t*>(codes)), scales,
            sparse() ? static_cast<std::uint32_t*>(fields) : nullptr, of.bits, survivors, span, survivors * of.bits / 32,
            survivors / span, {order, rows}};
  }
  // What only repacking and the reference need.
  void forget_stored() {
    values = {};
    positions = {};
    codes = {};
    fields = {};
    scales = {};
  }
  int tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  int panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  int blocks() const { return cols / format().inputs; }
  std::size_t packed_bytes() const {
    return static_cast<std::size_t>(panels()) * kPanelTiles * blocks() * format().tile_bytes;
  }
};

// Repacks into `to`; `order` (on the device, or null) is the order of the rows.
inline void repack(const Matrix& matrix, const std::int32_t* order, std::uint8_t* to, int tiles, TilePlaces places) {
  const dim3 grid(matrix.blocks(), tiles);
  const RowOrder rows{order, matrix.rows};
  if (bits_of(matrix.encoding) != 0) {
    const StoredIntegers stored = matrix.integers(order);
    Device<unsigned long long> wrong(1);
    const auto ctas = [](std::size_t count) { return static_cast<unsigned>((count + 255) / 256); };
    check_scales<<<ctas(matrix.scales.count()), 256>>>(matrix.scales, matrix.rows, stored.spans, wrong);
    if (matrix.sparse()) {
      check_integer_positions<<<ctas(matrix.fields.count()), 256>>>(matrix.fields, matrix.rows, stored.survivors, wrong);
    }
    if (wrong.host()[0] != kAllRight) std::printf("WRONG: positions or scale %llu\n", wrong.host()[0]);
    repack_integers<<<grid, kLanes>>>(stored, order_of(matrix.encoding), to, places);
  } else if (matrix.sparse()) {
    Device<unsigned long long> wrong(1);
    const std::size_t count = matrix.positions.count();
    check_positions<<<static_cast<unsigned>((count + 255) / 256), 256>>>(matrix.positions, count, wrong);
    if (wrong.host()[0] != kAllRight) std::printf("WRONG: positions of group %llu\n", wrong.host()[0]);
    const auto* indices = reinterpret_cast<const std::uint32_t*>(static_cast<Words2*>(matrix.positions));
    repack_sparse<<<grid, kLanes>>>(StoredSparse{matrix.values, indices, matrix.cols / kGroup, rows}, to, places);
  } else {
    repack_dense<<<grid, kLanes>>>(StoredDense{matrix.values, matrix.cols, rows}, to, places);
  }
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
}

inline void repack(Matrix& matrix) {
  matrix.packed = Device<std::uint8_t>(matrix.packed_bytes());
  repack(matrix, nullptr, matrix.packed, matrix.panels() * kPanelTiles, {0, 1});
}

// Gate and up, a tile of each in a panel.
inline Device<std::uint8_t> repack_pair(const Matrix& gate, const Matrix& up, const std::int32_t* order) {
  Device<std::uint8_t> packed(static_cast<std::size_t>(gate.tiles()) * kPanelTiles * gate.blocks() *
                              gate.format().tile_bytes);
  repack(gate, order, packed, gate.tiles(), {0, 2});
  repack(up, order, packed, up.tiles(), {1, 2});
  return packed;
}

// Weights such that outputs are as large as inputs.
inline Matrix random_matrix(int rows, int cols, Encoding encoding, std::uint64_t seed) {
  Matrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.encoding = encoding;
  const bool sparse = matrix.sparse();
  const std::size_t stored_rows = (rows + kTileRows - 1) / kTileRows * kTileRows, survivors = sparse ? cols / 2 : cols;
  const float range = std::sqrt(3.0f / survivors);
  if (bits_of(encoding) != 0) {
    const IntegerOrder order = order_of(encoding);
    matrix.codes = Device<std::uint32_t>(stored_rows * survivors * order.bits / 32);
    fill_words<<<1024, 256>>>(matrix.codes, matrix.codes.count(), seed);
    matrix.scales = Device<std::uint16_t>(stored_rows * (cols / order.span()));
    fill_scales<<<1024, 256>>>(matrix.scales, matrix.scales.count(), seed + 3, range / (1 << (order.bits - 1)));
    matrix.fields = Device<std::uint32_t>(sparse ? stored_rows * (survivors / 16) : 0);
    fill_fields<<<1024, 256>>>(matrix.fields, matrix.fields.count(), seed + 1);
  } else {
    matrix.values = Device<std::uint16_t>(sparse ? stored_rows * survivors : static_cast<std::size_t>(rows) * cols);
    fill_bf16<<<1024, 256>>>(matrix.values, matrix.values.count(), seed, range);
  }
  if (sparse) {
    if (encoding == Encoding::kSparse) {
      matrix.positions = Device<Words2>(stored_rows / kTileRows * (cols / kGroup));
      fill_positions<<<1024, 256>>>(matrix.positions, matrix.positions.count(), seed + 1);
    }
    matrix.permutation = random_permutation(cols, seed + 2);
    matrix.permutation_device = Device<std::int32_t>(matrix.permutation);
  }
  CHECK(cudaGetLastError());
  return matrix;
}

// What the norm needs to write a matrix's activations: the channel of each element, in fragment order.
inline std::vector<std::uint16_t> fragment_sources(const Matrix& matrix) {
  std::vector<std::uint16_t> out(matrix.cols);
  for (int i = 0; i < matrix.cols; i++) {
    const int place = chunk_input(i / kStepInputs, i / kChunk % 4, i % kChunk);
    out[i] = static_cast<std::uint16_t>(matrix.sparse() ? matrix.permutation[place] : place);
  }
  return out;
}

// The place of each channel in a matrix's shuffled order.
inline std::vector<std::uint16_t> inverse_permutation(const Matrix& matrix) {
  std::vector<std::uint16_t> out(matrix.cols);
  for (int i = 0; i < matrix.cols; i++) {
    out[matrix.sparse() ? matrix.permutation[i] : i] = static_cast<std::uint16_t>(i);
  }
  return out;
}

// The activations [tokens][cols] of a matrix in fragment order, made on the host.
inline std::vector<std::uint8_t> fragments_of(const Matrix& matrix, const std::vector<float>& x, int tokens, bool rows = false) {
  std::vector<std::uint8_t> out(activation_bytes(matrix.cols, tokens));
  for (int token = 0; token < tokens; token++) {
    const TokenPlace place = token_place(out.data(), matrix.cols, token, tokens, rows);
    for (int i = 0; i < matrix.cols; i++) {
      const int channel = matrix.sparse() ? matrix.permutation[i] : i;
      const float value = x[static_cast<std::size_t>(token) * matrix.cols + channel];
      const __nv_bfloat16 hi = __float2bfloat16_rn(value), lo = __float2bfloat16_rn(value - __bfloat162float(hi));
      const Parts at = parts_of(place, i);
      memcpy(at.hi, &hi, 2);
      memcpy(at.lo, &lo, 2);
    }
  }
  return out;
}

// Every way to launch a linear of some tokens.
inline std::vector<LinearTuning> tunings(int tokens) {
  std::vector<LinearTuning> out;
  for (const int warps : {8, 4, 2, 1}) {
    if (!linear_exists(kernel_tokens(tokens), warps)) continue;
    for (const int ring : {56, 96, 144, 208}) out.push_back({warps, 1, ring << 10});
    for (const int ring : {40, 56, 74, 96}) out.push_back({warps, 2, ring << 10});
  }
  return out;
}

// Stands for what the engine chooses (`chosen_tuning`).
constexpr LinearTuning kChosen{0, 0, 0};

// One that every linear can have.
inline LinearTuning plain_tuning(int tokens) { return {plain_warps(tokens), 1, 192 << 10}; }

inline int sm_count() {
  static const int count = [] {
    cudaDeviceProp properties;
    CHECK(cudaGetDeviceProperties(&properties, 0));
    return properties.multiProcessorCount;
  }();
  return count;
}

// Made before anything is captured.
inline const Device<float>& pending_sums() {
  static const Device<float> sums(pending_floats(sm_count()));
  return sums;
}

// Digits of what the segments of a linear of integers read.
inline std::uint8_t* digits_of_segment(int segment) {
  constexpr int kMostInputs = 32768;
  static const std::size_t bytes = digit_bytes(kMostInputs, kMostTokens);
  static const Device<std::uint8_t> digits(kMaxSegments * bytes);
  return digits + segment * bytes;
}

// A linear of up to three segments, or a pair.
struct LinearLaunch {
  Encoding encoding;
  int cols, tokens;
  Input input = Input::kFragments;
  Output output = Output::kPlanes;
  LinearArguments args{};
  bool late_splits = false;  // of a step in which o adds splits up
  std::optional<WidestTuning> widest_tuning;

  // A segment of plain outputs, after those before.
  void add(const Matrix& matrix, const std::uint8_t* weights, LinearActivations activations) {
    args.activations[args.segment_count] = activations;
    args.segments[args.segment_count++] = {weights, matrix.panels(), 0, matrix.rows, args.out_rows, false};
    args.out_rows += matrix.rows;
  }
  // Gate and up; `apart`: as two linears.
  void pair(const Matrix& gate, const std::uint8_t* weights, LinearActivations of_gate, LinearActivations of_up, bool apart) {
    args.activations[0] = of_gate;
    args.activations[1] = of_up;
    if (apart) {
      const int panels = gate.tiles() / kPanelTiles;
      args.segments[0] = {weights, panels, 0, gate.rows, 0, true};
      args.segments[1] = {weights + gate.format().tile_bytes, panels, 0, gate.rows, gate.rows, true};
      args.segment_count = 2;
      args.out_rows = 2 * gate.rows;
      return;
    }
    args.segments[0] = {weights, gate.tiles(), 0, gate.rows, 0, false};
    args.segment_count = 1;
    args.out_rows = 2 * gate.rows;
    output = Output::kPairedPlanes;
  }

  LinearProblem problem() const {
    LinearProblem problem{format_of(encoding), {}, args.segment_count, cols, tokens};
    for (int s = 0; s < args.segment_count; s++) problem.panels[s] = args.segments[s].panels;
    problem.sets = is_sparse(encoding) && output != Output::kPlanes ? 2 : 1;
    problem.normed = input == Input::kNormed;
    if (input == Input::kMerged) problem.merged = args.merge.heads << args.merge.dims_shift;
    problem.late_splits = late_splits;
    problem.hopper = true;
    problem.digits = args.activations[0].digits;
    return problem;
  }

  // Throws where there is no room. Returns the planes, where they are the output.
  Planes operator()(const Launcher& launch, LinearTuning tuning) {
    if (tuning.warps == 0 && linear_is_widest(problem())) return widest(launch);
    if (tuning.warps == 0 && linear_is_wide(problem())) return wide(launch);
    if (tuning.warps == 0) tuning = chosen_tuning(problem());
    args.plan = plan_linear(problem(), tuning, sm_count());
    args.blocks = cols / problem().format.inputs;
    place_segments(args, problem().format);
    const LinearKernel kernel = with_weights(encoding, [&](auto weights) {
      return linear_kernel<decltype(weights)>(tokens, tuning.warps, input, output);
    });
    if (kernel == nullptr) throw std::invalid_argument("no such kernel");
    launch(kernel, dim3(args.plan.ctas, args.plan.planes, token_groups(tokens)), kLinearThreads, args.plan.shared, args);
    return {args.out, args.plan.planes, tokens, args.out_rows};
  }

  // Makes digits of activations that are none yet.
  void digitise(const Launcher& launch) {
    const DigitOrder order = digits_of(encoding);
    const std::uint8_t* last = nullptr;
    std::uint8_t* made = nullptr;
    for (int i = 0; i < args.segment_count && order.bits != 0; i++) {
      LinearActivations& x = args.activations[i];
      if (x.digits) continue;
      if (x.fragments != last) {
        made = digits_of_segment(i);
        const int pieces = cols / kDigitInputs * tokens;
        launch(esparse::digitise, (pieces * kDigitLanes + kDigitiseThreads - 1) / kDigitiseThreads, kDigitiseThreads, 0, x.fragments,
               made, pieces, kernel_tokens(tokens), order);
      }
      last = x.fragments;
      x = {made, nullptr, true};
    }
  }

  Planes widest(const Launcher& launch) {
    args.plan = widest_tuning ? plan_widest_with(problem(), *widest_tuning, sm_count()) : plan_widest(problem(), sm_count());
    args.blocks = cols / problem().format.inputs;
    place_segments(args, problem().format);
    args.pending = pending_sums();
    const LinearKernel kernel =
        with_weights(encoding, [&](auto weights) { return linear_widest_kernel<decltype(weights)>(tokens, args.plan.panels); });
    launch(kernel, dim3(args.plan.ctas, args.plan.planes), kWidestThreads, args.plan.shared, args);
    return {args.out, args.plan.planes, tokens, args.out_rows};
  }

  Planes wide(const Launcher& launch) {
    digitise(launch);
    args.plan = plan_wide(problem(), sm_count());
    args.blocks = cols / problem().format.inputs;
    place_segments(args, problem().format);
    const LinearKernel kernel = with_weights(encoding, [&](auto weights) {
      return linear_wide_kernel<decltype(weights)>(wide_tokens(problem()));
    });
    launch(kernel, dim3(args.plan.ctas, args.plan.planes, wide_groups(problem())), kLinearThreads, args.plan.shared, args);
    return {args.out, args.plan.planes, tokens, args.out_rows};
  }
};

// The planes of [planes][count] added up, on the host.
inline std::vector<float> sum_of_planes(std::vector<float> planes, std::size_t count) {
  for (std::size_t left = planes.size() / count; left > 1; left /= 2) {
    for (std::size_t p = 0; p < left / 2; p++) {
      for (std::size_t i = 0; i < count; i++)
        planes[p * count + i] = planes[2 * p * count + i] + planes[(2 * p + 1) * count + i];
    }
  }
  planes.resize(count);
  return planes;
}

}  // namespace harness
