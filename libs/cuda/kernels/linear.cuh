// The linear of decode: y = W x for 1 to 16 tokens, or for groups of 16, W in 2:4 or dense bf16, x as hi + lo, sums in f32.
//
// Reading W is all that takes time. Each of a CTA's eight warps streams its slice of the inputs of one panel after
// another through a ring of its own, filled by bulk copies that begin before the kernel may read its activations; so
// the memory is busy while the kernel before ends, and the main loop has no barrier of the CTA. But few of them
// (`LinearPlan::ahead`): all that the kernels before still read, and the activations, would wait behind them.
//
// Grid (CTAs, planes, groups of tokens). A CTA belongs to one segment (q, k or v, say: rows with weights and activations of their own)
// and one plane of the inputs; `kWarps` of its warps share a panel, and add up their sums through shared memory.
//
// Four things are done on the way that would cost a kernel of their own, some 2 us each, or reads of the kernel behind it:
// - Input::kNormed: the activations are the norm of the residual stream, made by each CTA for itself.
// - Input::kMerged: they are what attention gives, whose splits each CTA adds up for itself.
// - Output::kPairedPlanes, kSwiglu: gate and up lie tile by tile beside each other in a panel; where a CTA sums whole
//   rows, it writes silu(gate) * up as the activations of down.
// - `LinearArguments::stream`: outputs of one token are added to the residual stream.
#pragma once
#include "digits.cuh"
#include "linear_input.cuh"
#include "linear_output.cuh"

namespace esparse {

// sums += a block of both tiles times its activations, of which there are kSets, `set_bytes` apart.
template <class Weights, int kTokens, int kSets, int kStep = 0>
__device__ __forceinline__ void multiply_block(float (&sums)[kPanelTiles][(kTokens + 3) / 4][4],
                                               const Weights (&weights)[kPanelTiles], const std::uint8_t* x,
                                               int set_bytes, int lane) {
  if constexpr (kStep < Weights::kSteps) {
    constexpr int kStepOfBlock = kBlockColumns<Weights, kTokens> / Weights::kSteps;
    using Columns = typename Weights::Columns;
    static_assert(kPanelTiles == 2);
    const decltype(weights[0].template step<kStep>()) steps[] = {weights[0].template step<kStep>(),
                                                                 weights[1].template step<kStep>()};
    multiply_step<Weights>(sums, steps, [&](Columns (&columns)[kPanelTiles], int eight) {
      columns[0] = Columns::template load<kTokens>(x + kStep * kStepOfBlock, eight, lane);
      columns[1] = kSets == 1 ? columns[0] : Columns::template load<kTokens>(x + set_bytes + kStep * kStepOfBlock, eight, lane);
    });
    multiply_block<Weights, kTokens, kSets, kStep + 1>(sums, weights, x, set_bytes, lane);
  }
}

// CTAs that an SM's registers must have room for.
template <class Weights>
constexpr int linear_ctas(int tokens, int warps) {
  if (tokens <= 4 || (tokens == 8 && !Weights::kScaled)) return 2;
  return tokens == 8 || warps == 1 ? Weights::kFormat.ctas : 1;
}

template <class Weights, int kTokens, int kWarps, Input kInput, Output kOutput>
__global__ void __launch_bounds__(kLinearThreads, linear_ctas<Weights>(kTokens, kWarps))
    linear(const __grid_constant__ LinearArguments args) {
  constexpr bool kPaired = kOutput != Output::kPlanes;
  using Stream = WeightStream<Weights, (kTokens < kGroupTokens), !kPaired && kInput == Input::kFragments>;
  const int at_once = Stream::kMostAtOnce == 1 ? 1 : args.plan.stage_blocks;
  constexpr int kSets = kPaired && Weights::kShuffled ? 2 : 1;
  constexpr int kGroups = kLinearWarps / kWarps, kEights = (kTokens + 3) / 4;
  static_assert(kInput == Input::kFragments || (kWarps == kSlices && kTokens == 1), "a CTA norms one token, all of its row");
  static_assert(kOutput != Output::kSwiglu || kWarps == kSlices, "only whole sums can be activated");
  extern __shared__ __align__(128) std::uint8_t shared[];
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, group = warp / kWarps;
  const InputSlice slice = input_slice<kWarps>(args.blocks, blockIdx.y, warp);
  const LinearPlan& plan = args.plan;
  begin_timeline(args.segments[0].weights);

  int s = 0;
  while (s + 1 < args.segment_count && static_cast<int>(blockIdx.x) >= args.segments[s + 1].first_cta) s++;
  const LinearSegment& segment = args.segments[s];
  const int first_panel = (blockIdx.x - segment.first_cta) * kGroups + group, panel_step = segment.ctas * kGroups;
  int panels = plan.rounds;  // of this warp: fewer, where these are not all there
#pragma unroll 1
  while (panels > 0 && first_panel + (panels - 1) * panel_step >= segment.panels) panels--;

  const std::uint32_t barriers = shared_address(shared + plan.barriers), depth = plan.depth;
  const std::uint8_t* const ring = shared + warp * depth * at_once * Stream::kBlock;
  Stream stream{segment.weights + static_cast<std::uint64_t>(static_cast<std::uint32_t>(first_panel)) * segment.panel_bytes +
                    slice.first * Stream::kBlock,
                segment.step_bytes - slice.blocks * Stream::kBlock,
                shared_address(ring),
                barriers + warp * depth * 8,
                slice.blocks,
                0,
                panels * slice.blocks,
                gridDim.z == 1,
                kTokens == 1 && plan.releases_late,
                tiles_apart<Stream>(args, segment),
                at_once};
  const std::uint32_t arrived = barriers + kLinearWarps * depth * 8;  // the activations
  std::uint8_t* const sets = shared + plan.activations;
  SliceSources<Weights, kSets> sources;
  TokenNorm<kLinearThreads> token_norm;
  if constexpr (kInput == Input::kNormed) token_norm.request(args.norm);
  if constexpr (kInput != Input::kFragments) sources.request(args.activations + s, slice, sets, plan.set_bytes, lane);
  if (lane == 0) {
#pragma unroll 1
    for (int i = 0; i < depth; i++) barrier_init(stream.barriers + i * 8, kCopyArrivals);
    if (warp == 0) barrier_init(arrived, kLinearWarps * kSets * kCopyArrivals);
    barrier_init_fence();
  }
  __syncwarp();
  int asked = 0;  // stages
#pragma unroll 1
  for (; asked < plan.ahead; asked++) {
    if (asked >= plan.pace && stream.left > 0) barrier_wait(stream.barriers + (asked - plan.pace) * 8, 0);
    stream.request(asked);
  }
  const auto ask_for_rest = [&] {
#pragma unroll 1
    for (; asked < plan.depth; asked++) stream.request(asked);
  };
  stamp(Moment::kRequested);

  const bool digits = Weights::kScaled && kInput == Input::kFragments && args.activations[s].digits;
  const int given_block = given_block_bytes<Weights, kTokens>(digits);
  if constexpr (kInput == Input::kNormed) {
    norm_activations<Weights, kSets>(args, sources, token_norm, reinterpret_cast<float*>(shared + plan.row), ask_for_rest);
  } else if constexpr (kInput == Input::kMerged) {
    merge_activations<Weights>(args, sources, reinterpret_cast<float*>(shared + plan.row), ask_for_rest);
  } else {
    fetch_activations<Weights, kTokens, kWarps, kSets>(args, args.activations + s, given_block, slice, sets, arrived, ask_for_rest);
  }
  stamp(Moment::kReady);
  if (kTokens == 1 && plan.releases_late) release_dependents();

  std::uint8_t* const own = sets + (slice.first - slice.plane_first) * given_block;
  if constexpr (Weights::kScaled) {
    if (!digits) {
      // Groups of warps have slices in common, and share the work: a piece's digits stand where some of those before it stood.
      constexpr DigitOrder kOrder = Weights::kDigits;
      constexpr int kAtOnce = kGroups * kWarpPieces, kBlockPieces = Weights::kSteps * kTokens;
      static_assert(kAtOnce % kTokens == 0);
      const auto meet = [] {
        if constexpr (kGroups == 1) __syncwarp();
        else __syncthreads();
      };
      const int pieces = slice.blocks * kBlockPieces;
      const int most = kGroups == 1 ? pieces : (slice.plane_blocks + kWarps - 1) / kWarps * kBlockPieces;  // of the warps that meet
#pragma unroll 1
      for (int set = 0; set < kSets; set++) {
        std::uint8_t* const at = own + set * plan.set_bytes;
#pragma unroll 1
        for (int first = 0; first < most; first += kAtOnce) {
          make_digits(at, at, first + group * kWarpPieces, pieces, kTokens, kOrder, meet);
        }
      }
      meet();
    }
  }
  std::uint32_t stage = 0, parity = 0;
  for (int round = 0; round < plan.rounds; round++) {
    float sums[kPanelTiles][kEights][4] = {};
    const int panel = first_panel + round * panel_step;
    const int count = panel < segment.panels ? slice.blocks : 0;
    float base = 0;  // of the output that the thread will write
    if constexpr (kTokens == 1 && kOutput == Output::kPlanes && kInput != Input::kNormed) base = stream_at(args, segment, panel);
    for (int block = 0; block < count; block += at_once) {
      barrier_wait(stream.barriers + stage * 8, parity);
      const auto load = [&](Weights (&weights)[kPanelTiles], int i) {
#pragma unroll
        for (int tile = 0; tile < kPanelTiles; tile++) {
          weights[tile].load(ring + (stage * at_once + i) * Stream::kBlock + tile * Weights::kFormat.tile_bytes, lane);
        }
      };
      const auto multiply = [&](const Weights (&weights)[kPanelTiles], int i) {
        multiply_block<Weights, kTokens, kSets>(sums, weights, own + (block + i) * kBlockColumns<Weights, kTokens>, plan.set_bytes, lane);
      };
      if (Weights::kScaled && kTokens <= 4 && at_once == 2 && block + 1 < count) {
        Weights first[kPanelTiles], second[kPanelTiles];
        load(first, 0);
        load(second, 1);
        multiply(first, 0);
        multiply(second, 1);
      } else {
#pragma unroll 1
        for (int i = 0; i < min(at_once, count - block); i++) {
          Weights weights[kPanelTiles];
          load(weights, i);
          multiply(weights, i);
        }
      }
      __syncwarp();
      stream.request(stage);
      if (++stage == depth) {
        stage = 0;
        parity ^= 1;
      }
    }

    stamp(Moment::kSummed);
    float* const parts =
        reinterpret_cast<float*>(shared + plan.partials) + round % 2 * (kLinearWarps * kPanelRows * kTokens);
    finish_round<kTokens, kWarps, kOutput>(args, segment, panel, panel - group, sums, parts, base);
  }
  end_timeline();
}

template <class Weights, int kTokens, int kWarps, Input kInput, Output kOutput>
constexpr LinearKernel linear_variant() {
  constexpr bool kWhole = kWarps == kSlices, kNorms = kTokens <= kNormedTokens, kPlain = kOutput == Output::kPlanes;
  constexpr bool kExists = linear_exists(kTokens, kWarps) && (kPlain || kWhole == (kOutput == Output::kSwiglu)) &&
                           (kInput == Input::kNormed ? kNorms : kPlain || !kNorms) &&
                           (kOutput != Output::kPairedPlanes || !Weights::kShuffled) &&
                           (kInput != Input::kMerged || (kTokens == 1 && kPlain));
  if constexpr (kExists)
    return linear<Weights, kTokens, kWarps, kInput, kOutput>;
  else
    return nullptr;
}

template <class Weights, int kTokens, int kWarps>
LinearKernel linear_kernel_of(Input input, Output output) {
  constexpr auto kFragments = Input::kFragments, kNormed = Input::kNormed;
  if (input == Input::kMerged) {
    return output == Output::kPlanes ? linear_variant<Weights, kTokens, kWarps, Input::kMerged, Output::kPlanes>() : nullptr;
  }
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
  switch (kernel_tokens(tokens)) {
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
