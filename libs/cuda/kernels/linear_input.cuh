// How a decode linear gets its activations into shared memory: those that a kernel before it wrote, or the norm of the
// residual stream, which each CTA makes for itself.
#pragma once
#include "attention_merge.cuh"
#include "norm.cuh"
#include "weights.cuh"

namespace esparse {

// From one panel of a segment to the next, and from the first tile of one to its second where they are not one piece.
template <class Stream>
__device__ __forceinline__ std::size_t panel_bytes_of(const LinearArguments& args, const LinearSegment& segment) {
  return static_cast<std::size_t>(args.blocks) * Stream::kBlock * (Stream::kMayBeApart && segment.apart ? kPanelTiles : 1);
}
template <class Stream>
__device__ __forceinline__ std::size_t tiles_apart(const LinearArguments& args, const LinearSegment& segment) {
  return segment.apart ? static_cast<std::size_t>(args.blocks) * Stream::kBlock : 0;
}

// The blocks of inputs that a warp multiplies, and those of its plane.
struct InputSlice {
  int first, blocks;
  int plane_first, plane_blocks;
};

template <int kWarps>
__device__ __forceinline__ InputSlice input_slice(int blocks, int plane, int warp) {
  const int slice = plane * kWarps + warp % kWarps;
  const int first = slice_first(slice, blocks), plane_first = slice_first(plane * kWarps, blocks);
  return {first, slice_first(slice + 1, blocks) - first, plane_first,
          slice_first(plane * kWarps + kWarps, blocks) - plane_first};
}

// Bytes of a block's activations.
template <class Weights, int kTokens>
constexpr int kBlockActivations = Weights::kFormat.inputs * kTokens * kColumnsPerToken * 2;

// The same as linears multiply them: digits, of integers.
template <class Weights, int kTokens>
constexpr int kBlockColumns = Weights::kScaled ? digit_bytes(Weights::kFormat.inputs, kTokens) : kBlockActivations<Weights, kTokens>;

// Bytes of a block's activations as a kernel before wrote them: of integers `digits`, or not.
template <class Weights, int kTokens>
__device__ __forceinline__ int given_block_bytes(bool digits) {
  return digits ? kBlockColumns<Weights, kTokens> : kBlockActivations<Weights, kTokens>;
}

// Which group of tokens a CTA is of.
template <int kTokens>
__device__ __forceinline__ int group_of() {
  return kTokens == kGroupTokens ? blockIdx.z : 0;
}

// A warp's slice of the activations, by plain loads: sooner there than by the copy engine (0.7 instead of 1.1 us) as
// long as they are few.
constexpr int kLoadedSliceBytes = 4096;

template <class Asked>
__device__ __forceinline__ void load_slice(std::uint8_t* to, const std::uint8_t* from, int bytes, int lane,
                                           const Asked& asked) {
  constexpr int kLoads = kLoadedSliceBytes / 16 / kLanes;
  uint4 loaded[kLoads];
#pragma unroll
  for (int i = 0; i < kLoads; i++) {
    if ((i * kLanes + lane) * 16 < bytes) loaded[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i * kLanes + lane);
  }
  asked();
#pragma unroll
  for (int i = 0; i < kLoads; i++) {
    if ((i * kLanes + lane) * 16 < bytes) reinterpret_cast<uint4*>(to)[i * kLanes + lane] = loaded[i];
  }
}

// A warp's eighth of a set of activations.
__device__ __forceinline__ void request_eighth(std::uint8_t* to, const std::uint8_t* from, int bytes, int warp,
                                               std::uint32_t arrived) {
  const int chunks = bytes / 16, begin = chunks * warp / kLinearWarps * 16,
            end = chunks * (warp + 1) / kLinearWarps * 16;
  barrier_expect(arrived, end - begin);
  if (end > begin) bulk_copy(shared_address(to) + begin, from + begin, end - begin, arrived);
  copies_asked_for(arrived);
}

// The activations that a kernel before this one wrote, `block_bytes` a block, to `sets`; waits for it. `arrived` counts kSets
// copies a warp; calls `asked` when the activations are asked for.
template <class Weights, int kTokens, int kWarps, int kSets, class Asked>
__device__ __forceinline__ void fetch_activations(const LinearArguments& args, const LinearActivations* from,
                                                  int block_bytes, const InputSlice& slice, std::uint8_t* sets,
                                                  std::uint32_t arrived, const Asked& asked) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, set_bytes = args.plan.set_bytes;
  const std::size_t first_block = group_of<kTokens>() * args.blocks;  // of the group's activations
  __syncthreads();
  wait_for_producers();
  stamp(Moment::kReleased);
  // All warps in the same way: by the longest slice.
  if (kWarps == kSlices && (slice.plane_blocks + kSlices - 1) / kSlices * block_bytes <= kLoadedSliceBytes) {
#pragma unroll
    for (int set = 0; set < kSets; set++) {
      load_slice(sets + set * set_bytes + (slice.first - slice.plane_first) * block_bytes,
                 from[set].fragments + (first_block + slice.first) * block_bytes, slice.blocks * block_bytes, lane, asked);
    }
    __syncwarp();
    return;
  }
  if (kLanesCopy || lane == 0) {
    for (int set = 0; set < kSets; set++) {
      request_eighth(sets + set * set_bytes, from[set].fragments + (first_block + slice.plane_first) * block_bytes,
                     slice.plane_blocks * block_bytes, warp, arrived);
    }
  }
  asked();
  barrier_wait(arrived, 0);
}

// The channels that a warp's activations of one token are, chunk by chunk, in the order of each of kSets: requested before the
// weights, behind which they would wait for the memory.
template <class Weights, int kSets>
struct SliceSources {
  static constexpr int kEarly = 2, kBlockChunks = Weights::kFormat.inputs / kChunk;
  const LinearActivations* from;
  std::uint8_t* own;  // the warp's activations, of the first set
  int first, chunks, set_bytes;
  uint4 early[kSets][kEarly];

  __device__ __forceinline__ uint4 of(int set, int chunk) const {
    return __ldg(reinterpret_cast<const uint4*>(from[set].sources) + first + chunk);
  }
  __device__ __forceinline__ void request(const LinearActivations* activations, const InputSlice& slice, std::uint8_t* sets,
                                          int bytes_of_set, int lane) {
    from = activations;
    own = sets + slice.first * kBlockActivations<Weights, 1>;
    first = slice.first * kBlockChunks;
    chunks = slice.blocks * kBlockChunks;
    set_bytes = bytes_of_set;
#pragma unroll
    for (int set = 0; set < kSets; set++) {
#pragma unroll
      for (int i = 0; i < kEarly; i++) {
        if (i * kLanes + lane < chunks) early[set][i] = of(set, i * kLanes + lane);
      }
    }
  }
  // The activations: channels of a row in shared memory, times `factor`.
  __device__ __forceinline__ void gather(const float* row, float factor, int lane) const {
#pragma unroll 1  // less code to fetch
    for (int set = 0; set < kSets; set++) {
      uint4 of_set[kEarly];
#pragma unroll
      for (int i = 0; i < kEarly; i++) {
        of_set[i] = set == 0 ? early[0][i] : early[kSets - 1][i];
        if (kSets > 1) keep(of_set[i]);
      }
      const auto write = [&](int chunk, const uint4& sources) {
        float x[kChunk];
        gather_chunk(row, factor, sources, x);
        write_chunk({own + set * set_bytes, 0, 1}, chunk / 4, chunk % 4, x);
      };
#pragma unroll
      for (int i = 0; i < kEarly; i++) {
        if (i * kLanes + lane < chunks) write(i * kLanes + lane, of_set[i]);
      }
#pragma unroll 1
      for (int chunk = kEarly * kLanes + lane; chunk < chunks; chunk += kLanes) write(chunk, of(set, chunk));
    }
    __syncwarp();
  }
};

// The norm of the residual stream of one token, each warp its own slice of it; waits for the kernel before, and calls `asked`
// when the stream is asked for.
template <class Weights, int kSets, class Asked>
__device__ __forceinline__ void norm_activations(const LinearArguments& args, const SliceSources<Weights, kSets>& sources,
                                                 const TokenNorm<kLinearThreads>& norm, float* row, const Asked& asked) {
  wait_for_producers();
  stamp(Moment::kReleased);
  const float factor = norm.normalise(args.norm, row, row + args.norm.channels, asked);
  sources.gather(row, factor, threadIdx.x % kLanes);
}

// What attention gives of one token, its splits added up as attention would, each warp its own slice of it; waits for the kernel
// before, and calls `asked` when the first splits are asked for.
template <class Weights, class Asked>
__device__ __forceinline__ void merge_activations(const LinearArguments& args, const SliceSources<Weights, 1>& sources, float* row,
                                                  const Asked& asked) {
  constexpr int kAtOnce = 2, kStep = 4 * kLinearThreads;
  const MergeInput& in = args.merge;
  const int dims = 1 << in.dims_shift, outputs = in.heads << in.dims_shift;
  const int position = in.positions[0];  // -1: no token, zeros
  const SplitRange splits = position < 0 ? SplitRange{0, 0} : splits_of(position, in.window);
  wait_for_producers();
  stamp(Moment::kReleased);
#pragma unroll 1
  for (int from = 0; from < outputs; from += kAtOnce * kStep) {
    // Outputs that are not there are the last ones once more, and not kept.
    const auto place_of = [&](int i) { return from + 4 * static_cast<int>(threadIdx.x) + i * kStep; };
    const auto head_of = [&](int at) { return min(at, outputs - 4) >> in.dims_shift; };
    Attended sums[kAtOnce];
    int split = splits.first;
#pragma unroll 1
    do {
      LoadedSplits some[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        const int at = min(place_of(i), outputs - 4), part = head_of(at) * in.splits + split;
        some[i].load_some(in.weights + part, in.outputs + (part << in.dims_shift) + (at & (dims - 1)), dims, splits.end - split);
      }
      asked();
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) add_parts(sums[i], some[i].weights, some[i].outputs);
    } while ((split += kMergedAtOnce) < splits.end);
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const int at = place_of(i);
      const float whole = position < 0 ? 0 : whole_of(sums[i], in.sinks == nullptr ? nullptr : in.sinks + head_of(at));
      const float4& x = sums[i].outputs;
      if (at < outputs) *reinterpret_cast<float4*>(row + at) = make_float4(x.x * whole, x.y * whole, x.z * whole, x.w * whole);
    }
  }
  // Inputs that fill o up are channels behind the others.
  const int inputs = args.blocks * Weights::kFormat.inputs;
  if (outputs + threadIdx.x < inputs) row[outputs + threadIdx.x] = 0;
  __syncthreads();
  sources.gather(row, 1, threadIdx.x % kLanes);
}

}  // namespace esparse
