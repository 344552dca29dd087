// A linear with random weights: as the store has it, for the f64 reference, and repacked, for the kernels.
#pragma once
#include "../kernels/linear.cuh"
#include "../kernels/linear_wide.cuh"
#include "../kernels/repack.cuh"
#include "support.cuh"

namespace harness {

using namespace esparse;

struct Matrix {
  int rows = 0, cols = 0;
  bool sparse = false;
  Device<std::uint16_t> values;
  Device<Words2> positions;               // sparse
  std::vector<std::int32_t> permutation;  // sparse: input at each shuffled place
  Device<std::int32_t> permutation_device;
  Device<std::uint8_t> packed;

  const Format& format() const { return sparse ? kSparseFormat : kDenseFormat; }
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
  if (matrix.sparse) {
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
inline Matrix random_matrix(int rows, int cols, bool sparse, std::uint64_t seed) {
  Matrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.sparse = sparse;
  const std::size_t stored_rows = (rows + kTileRows - 1) / kTileRows * kTileRows;
  const float range = std::sqrt(3.0f / (sparse ? cols / 2 : cols));
  matrix.values = Device<std::uint16_t>(sparse ? stored_rows * cols / 2 : static_cast<std::size_t>(rows) * cols);
  fill_bf16<<<1024, 256>>>(matrix.values, matrix.values.count(), seed, range);
  if (sparse) {
    matrix.positions = Device<Words2>(stored_rows / kTileRows * (cols / kGroup));
    fill_positions<<<1024, 256>>>(matrix.positions, matrix.positions.count(), seed + 1);
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
    out[i] = static_cast<std::uint16_t>(matrix.sparse ? matrix.permutation[place] : place);
  }
  return out;
}

// The place of each channel in a matrix's shuffled order.
inline std::vector<std::uint16_t> inverse_permutation(const Matrix& matrix) {
  std::vector<std::uint16_t> out(matrix.cols);
  for (int i = 0; i < matrix.cols; i++) {
    out[matrix.sparse ? matrix.permutation[i] : i] = static_cast<std::uint16_t>(i);
  }
  return out;
}

// The activations [tokens][cols] of a matrix in fragment order, made on the host.
inline std::vector<std::uint8_t> fragments_of(const Matrix& matrix, const std::vector<float>& x, int tokens) {
  std::vector<std::uint8_t> out(activation_bytes(matrix.cols, tokens));
  for (int token = 0; token < tokens; token++) {
    const TokenPlace place = token_place(out.data(), matrix.cols, token, tokens);
    for (int i = 0; i < matrix.cols; i++) {
      const int channel = matrix.sparse ? matrix.permutation[i] : i;
      const float value = x[static_cast<std::size_t>(token) * matrix.cols + channel];
      const __nv_bfloat16 hi = __float2bfloat16_rn(value), lo = __float2bfloat16_rn(value - __bfloat162float(hi));
      std::uint8_t* const at = place.fragments + activation_offset(i, place.token, place.tokens);
      memcpy(at, &hi, 2);
      memcpy(at + kLoOffset, &lo, 2);
    }
  }
  return out;
}

// Every way to launch a linear of some tokens.
inline std::vector<LinearTuning> tunings(int tokens) {
  std::vector<LinearTuning> out;
  for (const int warps : {8, 4, 2, 1}) {
    if (!linear_exists(kernel_tokens(tokens), warps)) continue;
    for (const int ring : {96, 144, 208}) out.push_back({warps, 1, ring << 10});
    for (const int ring : {56, 74, 96}) out.push_back({warps, 2, ring << 10});
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

// A linear of up to three segments, or a pair.
struct LinearLaunch {
  bool sparse;
  int cols, tokens;
  Input input = Input::kFragments;
  Output output = Output::kPlanes;
  LinearArguments args{};

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
    LinearProblem problem{sparse ? kSparseFormat : kDenseFormat, {}, args.segment_count, cols, tokens};
    for (int s = 0; s < args.segment_count; s++) problem.panels[s] = args.segments[s].panels;
    problem.sets = sparse && output != Output::kPlanes ? 2 : 1;
    problem.normed = input == Input::kNormed;
    return problem;
  }

  // Throws where there is no room. Returns the planes, where they are the output.
  Planes operator()(const Launcher& launch, LinearTuning tuning) {
    if (tuning.warps == 0 && linear_is_wide(problem())) return wide(launch);
    if (tuning.warps == 0) tuning = chosen_tuning(problem());
    args.plan = plan_linear(problem(), tuning, sm_count());
    for (int s = 0; s < args.segment_count; s++) args.segments[s].first_cta = args.plan.first_cta[s];
    args.blocks = cols / problem().format.inputs;
    const LinearKernel kernel = sparse ? linear_kernel<Sparse>(tokens, tuning.warps, input, output)
                                       : linear_kernel<Dense>(tokens, tuning.warps, input, output);
    if (kernel == nullptr) throw std::invalid_argument("no such kernel");
    launch(kernel, dim3(args.plan.ctas, args.plan.planes, token_groups(tokens)), kLinearThreads, args.plan.shared, args);
    return {args.out, args.plan.planes, tokens, args.out_rows};
  }

  Planes wide(const Launcher& launch) {
    args.plan = plan_wide(problem(), sm_count());
    for (int s = 0; s < args.segment_count; s++) args.segments[s].first_cta = args.plan.first_cta[s];
    args.blocks = cols / problem().format.inputs;
    const LinearKernel kernel = sparse ? linear_wide_kernel<Sparse>(tokens) : linear_wide_kernel<Dense>(tokens);
    launch(kernel, dim3(args.plan.ctas, args.plan.planes), kLinearThreads, args.plan.shared, args);
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
