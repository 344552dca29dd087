// How a decode linear gets its activations into shared memory: those that a kernel before it wrote, or the norm of the
// residual stream, which each CTA makes for itself.
#pragma once
#include "norm.cuh"
#include "weights.cuh"

namespace esparse {

// From one panel of a segment to the next, and from the first tile of one to its second where they are not one piece.
template <class Stream>
__device__ __forceinline__ std::size_t panel_bytes_of(const LinearArguments& args, const LinearSegment& segment) {
  return static_cast<std::size_t>(args.blocks) * Stream::kBlock * (segment.apart ? kPanelTiles : 1);
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

// The activations that a kernel before this one wrote, to `sets`; waits for it. `arrived` counts kSets copies a warp; calls
// `asked` when the activations are asked for.
template <class Weights, int kTokens, int kWarps, int kSets, class Asked>
__device__ __forceinline__ void fetch_activations(const LinearArguments& args, const LinearActivations* from,
                                                  const InputSlice& slice, std::uint8_t* sets, std::uint32_t arrived,
                                                  const Asked& asked) {
  constexpr int kBlock = kBlockActivations<Weights, kTokens>;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, set_bytes = args.plan.set_bytes;
  const std::size_t first_block = group_of<kTokens>() * args.blocks;  // of the group's activations
  __syncthreads();
  wait_for_producers();
  stamp(Moment::kReleased);
  // All warps in the same way: by the longest slice.
  if (kWarps == kSlices && (slice.plane_blocks + kSlices - 1) / kSlices * kBlock <= kLoadedSliceBytes) {
#pragma unroll
    for (int set = 0; set < kSets; set++) {
      load_slice(sets + set * set_bytes + (slice.first - slice.plane_first) * kBlock,
                 from[set].fragments + (first_block + slice.first) * kBlock, slice.blocks * kBlock, lane, asked);
    }
    __syncwarp();
    return;
  }
  if (kLanesCopy || lane == 0) {
    for (int set = 0; set < kSets; set++) {
      request_eighth(sets + set * set_bytes, from[set].fragments + (first_block + slice.plane_first) * kBlock,
                     slice.plane_blocks * kBlock, warp, arrived);
    }
  }
  asked();
  barrier_wait(arrived, 0);
}

// What a linear that norms must know besides the stream: requested before its weights, behind which it would wait for the
// memory.
template <class Weights, int kSets>
struct NormSources {
  static constexpr int kEarly = 2, kBlockChunks = Weights::kFormat.inputs / kChunk;
  uint4 early[kSets][kEarly];

  static __device__ __forceinline__ uint4 of(const LinearActivations& from, const InputSlice& slice, int chunk) {
    return __ldg(reinterpret_cast<const uint4*>(from.sources) + slice.first * kBlockChunks + chunk);
  }
  __device__ __forceinline__ void request(const LinearArguments& args, const LinearActivations* from,
                                          const InputSlice& slice, int lane) {
    prefetch_norm(args.norm);
#pragma unroll
    for (int set = 0; set < kSets; set++) {
#pragma unroll
      for (int i = 0; i < kEarly; i++) {
        const int chunk = i * kLanes + lane;
        if (chunk < slice.blocks * kBlockChunks) early[set][i] = of(from[set], slice, chunk);
      }
    }
  }
};

// The norm of the residual stream, each warp its own slice of it, to `sets`; waits for the kernel before, and calls `asked` when
// the stream is asked for.
template <class Weights, int kTokens, int kSets, class Asked>
__device__ __forceinline__ void norm_activations(const LinearArguments& args, const LinearActivations* from,
                                                 const NormSources<Weights, kSets>& sources, const InputSlice& slice,
                                                 std::uint8_t* sets, float* row, const Asked& asked) {
  using Sources = NormSources<Weights, kSets>;
  const int lane = threadIdx.x % kLanes, chunks = slice.blocks * Sources::kBlockChunks;
  std::uint8_t* const own = sets + slice.first * kBlockActivations<Weights, kTokens>;
  float* const squares = row + args.norm.channels;
  wait_for_producers();
  stamp(Moment::kReleased);
  for (int token = 0; token < kTokens; token++) {
    normalise<kLinearThreads>(args.norm, token, blockIdx.x == 0, row, squares, asked);
    float early[kSets][Sources::kEarly][kChunk];  // while the factor is made
#pragma unroll
    for (int set = 0; set < kSets; set++) {
#pragma unroll
      for (int i = 0; i < Sources::kEarly; i++) {
        if (i * kLanes + lane < chunks) gather_chunk(row, sources.early[set][i], early[set][i]);
      }
    }
    const float scale = norm_factor(args.norm, squares);
#pragma unroll
    for (int set = 0; set < kSets; set++) {
      const auto write = [&](int chunk, float (&x)[kChunk]) {
        scale_chunk(scale, x);
        write_chunk({own + set * args.plan.set_bytes, token, kTokens}, chunk / 4, chunk % 4, x);
      };
#pragma unroll
      for (int i = 0; i < Sources::kEarly; i++) {
        if (i * kLanes + lane < chunks) write(i * kLanes + lane, early[set][i]);
      }
      for (int chunk = Sources::kEarly * kLanes + lane; chunk < chunks; chunk += kLanes) {
        float x[kChunk];
        gather_chunk(row, Sources::of(from[set], slice, chunk), x);
        write(chunk, x);
      }
    }
    if (token + 1 < kTokens) __syncthreads();
  }
  asked();  // by a warp that has no part of the stream
  __syncwarp();
}

}  // namespace esparse
