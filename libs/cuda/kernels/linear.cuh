// The linear of decode: y = W x for 1 to 16 tokens, W in 2:4 or dense bf16, x as hi + lo, sums in f32.
//
// Reading W is all that takes time. Each of a CTA's eight warps streams its slice of the inputs of one panel after
// another through a ring of its own, filled by bulk copies that begin before the kernel may read its activations; so
// the memory is busy while the kernel before ends, and the main loop has no barrier of the CTA.
//
// Grid (CTAs, planes). A CTA belongs to one segment (q, k or v, say: rows with weights and activations of their own)
// and one plane of the inputs; `kWarps` of its warps share a panel, and add up their sums through shared memory.
//
// Three things are done on the way that would cost a kernel of their own, some 2 us each:
// - Input::kNormed: the activations are the norm of the residual stream, made by each CTA for itself.
// - Output::kPairedPlanes, kSwiglu: gate and up lie tile by tile beside each other in a panel; where a CTA sums whole
//   rows, it writes silu(gate) * up as the activations of down.
#pragma once
#include "norm.cuh"
#include "swiglu.cuh"
#include "weights.cuh"

namespace esparse {

enum class Input { kFragments, kNormed };
enum class Output { kPlanes, kPairedPlanes, kSwiglu };

struct LinearSegment {
  const std::uint8_t* weights;
  int panels;
  int first_cta;
  int rows, first_row;  // of the outputs
};

// Where activations come from: one array a segment, or, where the tiles of a panel have their own, one a tile.
struct LinearActivations {
  const std::uint8_t* fragments;  // Input::kFragments
  const std::uint16_t* sources;   // Input::kNormed: the channel of each element, in fragment order
};

struct LinearArguments {
  LinearSegment segments[kMaxSegments];
  LinearActivations activations[kMaxSegments];
  int segment_count;
  int blocks;  // along the inputs
  LinearPlan plan;
  NormInput norm;  // Input::kNormed
  float* out;      // planes: [planes][tokens][out_rows]; of pairs, gate's rows before up's
  int out_rows;
  std::uint8_t* fragments;  // Output::kSwiglu
};

// A lane's part of eight columns of a step; columns beyond the tokens' are zeros.
template <int kColumns>
__device__ __forceinline__ Words4 load_columns(const std::uint8_t* step, int eight, int lane) {
  const bool inside = kColumns % 8 == 0 || lane / 4 + eight * 8 < kColumns;
  return inside ? *reinterpret_cast<const Words4*>(step + eight * kStepBytes + lane * 16) : Words4{};
}

// sums += a block of both tiles times its activations, of which there are kSets, `set_bytes` apart.
template <class Weights, int kTokens, int kSets, int kStep = 0>
__device__ __forceinline__ void multiply_block(float (&sums)[kPanelTiles][(kTokens + 3) / 4][4],
                                               const Weights (&weights)[kPanelTiles], const std::uint8_t* x,
                                               int set_bytes, int lane) {
  if constexpr (kStep < Weights::kSteps) {
    constexpr int kColumns = kTokens * kColumnsPerToken;
#pragma unroll
    for (int eight = 0; eight < (kTokens + 3) / 4; eight++) {
      Words4 columns[kSets];
#pragma unroll
      for (int set = 0; set < kSets; set++) {
        columns[set] = load_columns<kColumns>(x + set * set_bytes + kStep * kColumns * 4 * kChunkBytes, eight, lane);
      }
#pragma unroll
      for (int tile = 0; tile < kPanelTiles; tile++) {
        weights[tile].template multiply<kStep>(sums[tile][eight], columns[kSets == 1 ? 0 : tile]);
      }
    }
    multiply_block<Weights, kTokens, kSets, kStep + 1>(sums, weights, x, set_bytes, lane);
  }
}

// A warp's slice of the activations, by plain loads: sooner there than by the copy engine (0.7 instead of 1.1 us) as
// long as they are few.
constexpr int kLoadedSliceBytes = 4096;

__device__ __forceinline__ void load_slice(std::uint8_t* to, const std::uint8_t* from, int bytes, int lane) {
  constexpr int kLoads = kLoadedSliceBytes / 16 / kLanes;
  uint4 loaded[kLoads];
#pragma unroll
  for (int i = 0; i < kLoads; i++) {
    if ((i * kLanes + lane) * 16 < bytes) loaded[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i * kLanes + lane);
  }
#pragma unroll
  for (int i = 0; i < kLoads; i++) {
    if ((i * kLanes + lane) * 16 < bytes) reinterpret_cast<uint4*>(to)[i * kLanes + lane] = loaded[i];
  }
}

// A warp's eighth of a set of activations, by the copy engine.
__device__ __forceinline__ void request_eighth(std::uint8_t* to, const std::uint8_t* from, int bytes, int warp,
                                               std::uint32_t arrived) {
  const int chunks = bytes / 16, begin = chunks * warp / kLinearWarps * 16,
            end = chunks * (warp + 1) / kLinearWarps * 16;
  barrier_expect(arrived, end - begin);
  if (end > begin) bulk_copy(shared_address(to) + begin, from + begin, end - begin, arrived);
}

template <class Weights, int kTokens, int kWarps, Input kInput, Output kOutput>
__global__ void __launch_bounds__(kLinearThreads, kTokens > 8 ? 1 : 2)
    linear(const __grid_constant__ LinearArguments args) {
  using Stream = WeightStream<Weights>;
  constexpr bool kPaired = kOutput != Output::kPlanes;
  constexpr int kSets = kPaired && Weights::kShuffled ? 2 : 1;
  constexpr int kGroups = kLinearWarps / kWarps, kEights = (kTokens + 3) / 4;
  constexpr int kBlockChunks = Weights::kFormat.inputs / kChunk;
  constexpr int kBlockActivations = kBlockChunks * kTokens * kColumnsPerToken * kChunkBytes;
  static_assert(kInput == Input::kFragments || kWarps == kSlices, "a CTA norms what it needs of a row: all");
  static_assert(kOutput != Output::kSwiglu || kWarps == kSlices, "only whole sums can be activated");
  extern __shared__ __align__(128) std::uint8_t shared[];
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, group = warp / kWarps;
  const int plane = blockIdx.y, slice = plane * kWarps + warp % kWarps;
  const LinearPlan& plan = args.plan;

  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_cta) s++;
  const LinearSegment& segment = args.segments[s];
  const int ctas = (s + 1 < args.segment_count ? args.segments[s + 1].first_cta : gridDim.x) - segment.first_cta;
  const int first_panel = (blockIdx.x - segment.first_cta) * kGroups + group, panel_step = ctas * kGroups;
  const int first = slice_first(slice, args.blocks), blocks = slice_first(slice + 1, args.blocks) - first;
  const int plane_first = slice_first(plane * kWarps, args.blocks);
  const int panels = first_panel < segment.panels ? (segment.panels - 1 - first_panel) / panel_step + 1 : 0;

  const std::uint32_t barriers = shared_address(shared + plan.barriers), depth = plan.depth;
  const std::uint8_t* const ring = shared + warp * depth * Stream::kStage;
  Stream stream{segment.weights + (static_cast<std::size_t>(first_panel) * args.blocks + first) * Stream::kStage,
                static_cast<std::size_t>(panel_step) * args.blocks * Stream::kStage,
                shared_address(ring),
                barriers + warp * depth * 8,
                blocks,
                0,
                panels * blocks,
                false};
  const std::uint32_t arrived = barriers + kLinearWarps * depth * 8;  // the activations
  if (lane == 0) {
    for (int i = 0; i < depth; i++) barrier_init(stream.barriers + i * 8, 1);
    if (warp == 0) barrier_init(arrived, kLinearWarps * kSets);
    barrier_init_fence();
  }
  __syncwarp();
  for (int i = 0; i < depth; i++) stream.request(i, lane);

  std::uint8_t* const sets = shared + plan.activations;
  std::uint8_t* const own = sets + (first - plane_first) * kBlockActivations;
  if constexpr (kInput == Input::kNormed) {
    constexpr int kEarly = 2;
    const int chunks = blocks * kBlockChunks;
    const auto sources_of = [&](int set, int chunk) {
      return __ldg(reinterpret_cast<const uint4*>(args.activations[s + set].sources) + first * kBlockChunks + chunk);
    };
    uint4 early[kSets][kEarly];  // known before the wait
#pragma unroll
    for (int set = 0; set < kSets; set++) {
#pragma unroll
      for (int i = 0; i < kEarly; i++) {
        if (i * kLanes + lane < chunks) early[set][i] = sources_of(set, i * kLanes + lane);
      }
    }
    prefetch_norm(args.norm);
    wait_for_producers();
    float* const row = reinterpret_cast<float*>(shared + plan.row);
    float* const squares = row + args.norm.channels;
    for (int token = 0; token < kTokens; token++) {
      const float scale = normalise<kLinearThreads>(args.norm, token, blockIdx.x == 0, row, squares);
#pragma unroll
      for (int set = 0; set < kSets; set++) {
        const auto write = [&](int chunk, const uint4& sources) {
          float x[kChunk];
          gather_chunk(row, scale, sources, x);
          write_chunk(own + set * plan.set_bytes, chunk / 4, chunk % 4, token, kTokens, x);
        };
#pragma unroll
        for (int i = 0; i < kEarly; i++) {
          if (i * kLanes + lane < chunks) write(i * kLanes + lane, early[set][i]);
        }
        for (int chunk = kEarly * kLanes + lane; chunk < chunks; chunk += kLanes) write(chunk, sources_of(set, chunk));
      }
      if (token + 1 < kTokens) __syncthreads();
    }
    __syncwarp();
  } else {
    __syncthreads();
    wait_for_producers();
    if (kWarps == kSlices && blocks * kBlockActivations <= kLoadedSliceBytes) {
#pragma unroll
      for (int set = 0; set < kSets; set++) {
        load_slice(own + set * plan.set_bytes, args.activations[s + set].fragments + first * kBlockActivations,
                   blocks * kBlockActivations, lane);
      }
      __syncwarp();
    } else {
      const int bytes = (slice_first(plane * kWarps + kWarps, args.blocks) - plane_first) * kBlockActivations;
      if (lane == 0) {
        for (int set = 0; set < kSets; set++) {
          request_eighth(sets + set * plan.set_bytes,
                         args.activations[s + set].fragments + plane_first * kBlockActivations, bytes, warp, arrived);
        }
      }
      barrier_wait(arrived, 0);
    }
  }

  // Where an output goes: row `within` of a panel is a row of the segment, or of gate (the first tile) or up.
  const auto store = [&](int token, int panel, int within, float sum) {
    const int tile = within / kTileRows;
    const int row = kPaired ? panel * kTileRows + within % kTileRows : panel * kPanelRows + within;
    if (row >= segment.rows) return;
    const int first_row = kPaired ? tile * segment.rows : segment.first_row;
    args.out[(static_cast<std::size_t>(plane) * kTokens + token) * args.out_rows + first_row + row] = sum;
  };
  std::uint32_t stage = 0, parity = 0;
  for (int round = 0; round < plan.rounds; round++) {
    float sums[kPanelTiles][kEights][4] = {};
    const int panel = first_panel + round * panel_step;
    const int count = panel < segment.panels ? blocks : 0;
    for (int block = 0; block < count; block++) {
      barrier_wait(stream.barriers + stage * 8, parity);
      Weights weights[kPanelTiles];
#pragma unroll
      for (int tile = 0; tile < kPanelTiles; tile++) {
        weights[tile].load(ring + stage * Stream::kStage + tile * Weights::kFormat.tile_bytes, lane);
      }
      multiply_block<Weights, kTokens, kSets>(sums, weights, own + block * kBlockActivations, plan.set_bytes, lane);
      __syncwarp();
      stream.request(stage, lane);
      if (++stage == depth) {
        stage = 0;
        parity ^= 1;
      }
    }

    // Column 2 token is hi, 2 token + 1 lo: a lane's first and second sum, and its third and fourth eight rows below.
    float* const parts =
        reinterpret_cast<float*>(shared + plan.partials) + round % 2 * (kLinearWarps * kPanelRows * kTokens);
#pragma unroll
    for (int tile = 0; tile < kPanelTiles; tile++) {
#pragma unroll
      for (int eight = 0; eight < kEights; eight++) {
        const int token = eight * 4 + lane % 4;
        if (token >= kTokens) continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const float sum = sums[tile][eight][2 * half] + sums[tile][eight][2 * half + 1];
          const int within = tile * kTileRows + half * 8 + lane / 4;
          if constexpr (kWarps > 1) {
            parts[(warp * kTokens + token) * kPanelRows + within] = sum;
          } else if (panel < segment.panels) {
            store(token, panel, within, sum);
          }
        }
      }
    }
    if constexpr (kWarps > 1) {
      __syncthreads();
      constexpr int kPanelOutputs = kTokens * kPanelRows;
      if constexpr (kOutput == Output::kSwiglu) {
        for (int i = threadIdx.x; i < kTokens * kTileRows; i += kLinearThreads) {
          const int token = i / kTileRows, input = panel * kTileRows + i % kTileRows;
          const float* part = parts + token * kPanelRows + i % kTileRows;
          const float gate = tree_sum<kWarps>(part, kPanelOutputs);
          const float up = tree_sum<kWarps>(part + kTileRows, kPanelOutputs);
          if (input < segment.rows) write_activation(args.fragments, input, token, kTokens, swiglu_of(gate, up));
        }
      } else {
        for (int i = threadIdx.x; i < kGroups * kPanelOutputs; i += kLinearThreads) {
          const int of = i / kPanelOutputs, output = i % kPanelOutputs;
          const int of_panel = first_panel - group + of + round * panel_step;
          const float sum = tree_sum<kWarps>(parts + of * kWarps * kPanelOutputs + output, kPanelOutputs);
          if (of_panel < segment.panels) store(output / kPanelRows, of_panel, output % kPanelRows, sum);
        }
      }
    }
  }
}

using LinearKernel = void (*)(LinearArguments);

template <class Weights, int kTokens, int kWarps, Input kInput, Output kOutput>
constexpr LinearKernel linear_variant() {
  constexpr bool kWhole = kWarps == kSlices, kNorms = kTokens <= kNormedTokens, kPlain = kOutput == Output::kPlanes;
  constexpr bool kExists = linear_exists(kTokens, kWarps) && (kPlain || kWhole == (kOutput == Output::kSwiglu)) &&
                           (kInput == Input::kNormed ? kNorms : kPlain || !kNorms);
  if constexpr (kExists)
    return linear<Weights, kTokens, kWarps, kInput, kOutput>;
  else
    return nullptr;
}

template <class Weights, int kTokens, int kWarps>
LinearKernel linear_kernel_of(Input input, Output output) {
  constexpr auto kFragments = Input::kFragments, kNormed = Input::kNormed;
  const bool normed = input == Input::kNormed;
  switch (output) {
    case Output::kPlanes:
      return normed ? linear_variant<Weights, kTokens, kWarps, kNormed, Output::kPlanes>()
                    : linear_variant<Weights, kTokens, kWarps, kFragments, Output::kPlanes>();
    case Output::kPairedPlanes:
      return normed ? nullptr : linear_variant<Weights, kTokens, kWarps, kFragments, Output::kPairedPlanes>();
    default:
      return normed ? linear_variant<Weights, kTokens, kWarps, kNormed, Output::kSwiglu>()
                    : linear_variant<Weights, kTokens, kWarps, kFragments, Output::kSwiglu>();
  }
}

template <class Weights, int kTokens>
LinearKernel linear_kernel_for(int warps, Input input, Output output) {
  switch (warps) {
    case 1:
      return linear_kernel_of<Weights, kTokens, 1>(input, output);
    case 2:
      return linear_kernel_of<Weights, kTokens, 2>(input, output);
    case 4:
      return linear_kernel_of<Weights, kTokens, 4>(input, output);
    case 8:
      return linear_kernel_of<Weights, kTokens, 8>(input, output);
    default:
      return nullptr;
  }
}

// The kernel of a variant, or null where there is none.
template <class Weights>
LinearKernel linear_kernel(int tokens, int warps, Input input, Output output) {
  switch (tokens) {
    case 1:
      return linear_kernel_for<Weights, 1>(warps, input, output);
    case 2:
      return linear_kernel_for<Weights, 2>(warps, input, output);
    case 4:
      return linear_kernel_for<Weights, 4>(warps, input, output);
    case 8:
      return linear_kernel_for<Weights, 8>(warps, input, output);
    case 16:
      return linear_kernel_for<Weights, 16>(warps, input, output);
    default:
      return nullptr;
  }
}

}  // namespace esparse
