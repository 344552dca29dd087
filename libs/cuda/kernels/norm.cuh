// The residual stream: embedding, and RMSNorm, which first adds the linear before it to the stream. What reads the norm
// has its activations written in an order of its own. A single token is normed by that reader itself (`linear.cuh`).
#pragma once
#include "digits.cuh"

namespace esparse {

// Brings what no kernel of the step writes into the L2, before the wait.
__device__ __forceinline__ void prefetch_norm(const NormInput& in) {
  for (int c = 32 * threadIdx.x; c < in.channels; c += 32 * blockDim.x) prefetch(in.weight + c);
}

__device__ __forceinline__ float square_of(const float4& x) {
  return fmaf(x.x, x.x, __fmul_rn(x.y, x.y)) + fmaf(x.z, x.z, __fmul_rn(x.w, x.w));
}

__device__ __forceinline__ float4 times(const float4& x, const float4& weight) {
  return make_float4(x.x * weight.x, x.y * weight.y, x.z * weight.z, x.w * weight.w);
}

// What a row is divided by, inverted, of the squares of its runs, which are added up by one warp's tree.
__device__ __forceinline__ float factor_of(const NormInput& in, const float* squares) {
  const int runs = in.channels / kNormRun;
  float square = 0;
#pragma unroll 1
  for (int run = threadIdx.x % kLanes; run < runs; run += kLanes) square += squares[run];
  return rsqrtf(fmaf(sum_of_lanes(square), in.share, in.epsilon));
}

// The norm of a token, by all kThreads of a CTA: leaves channel times weight in `row` (shared) and returns the factor
// that is still missing. `update`: writes the sum to `updated`. Squares are added up by runs of 128 channels: the same bits for any
// number of threads.
template <int kThreads>
__device__ __forceinline__ float normalise(const NormInput& in, int token, bool update, float* row, float* squares) {
  constexpr int kAtOnce = kThreads >= 1024 ? 1 : 4;
  const std::size_t at = static_cast<std::size_t>(token) * in.channels;
  const int lane = threadIdx.x % kLanes;
  for (int first = 4 * threadIdx.x; first < in.channels; first += kAtOnce * 4 * kThreads) {
    float4 x[kAtOnce], added[kAtOnce], weight[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const int c = first + i * 4 * kThreads;
      if (c >= in.channels) break;
      weight[i] = __ldg(reinterpret_cast<const float4*>(in.weight + c));
      x[i] = __ldcg(reinterpret_cast<const float4*>(in.residual + at + c));
      if (in.added.data != nullptr) added[i] = in.added.sum<float4>(token, c);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const int c = first + i * 4 * kThreads;
      if (c >= in.channels) break;
      if (in.added.data != nullptr) x[i] = add(x[i], added[i]);
      if (update && in.added.data != nullptr) *reinterpret_cast<float4*>(in.updated + at + c) = x[i];
      const float square = sum_of_lanes(square_of(x[i]));
      if (lane == 0) squares[c / kNormRun] = square;
      *reinterpret_cast<float4*>(row + c) = times(x[i], weight[i]);
    }
  }
  __syncthreads();
  return factor_of(in, squares);
}

// The same of one token, to which nothing is added, for a linear that norms it by itself: it knows the weights of the first channels
// before it waits. What it waits for, and what it does, is as little as can be: that is what one token waits for.
template <int kThreads>
struct TokenNorm {
  static constexpr int kStep = 4 * kThreads, kEarly = 4, kFew = 2;
  float4 weight[kEarly];

  __device__ __forceinline__ void request(const NormInput& in) {
#pragma unroll
    for (int i = 0; i < kEarly; i++) {
      const int c = i * kStep + 4 * threadIdx.x;
      if (c < in.channels) weight[i] = __ldg(reinterpret_cast<const float4*>(in.weight + c));
    }
    for (int c = kEarly * kStep + 32 * threadIdx.x; c < in.channels; c += 32 * kThreads) prefetch(in.weight + c);
  }
  // The first kCount steps; calls `asked` when they are asked for.
  template <int kCount, class Asked>
  __device__ __forceinline__ void begin(const NormInput& in, float* row, float* squares, const Asked& asked) const {
    float4 x[kCount];
    float square[kCount];
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      const int c = i * kStep + 4 * threadIdx.x;
      x[i] = c < in.channels ? __ldcg(reinterpret_cast<const float4*>(in.residual + c)) : float4{};
    }
    asked();
#pragma unroll
    for (int i = 0; i < kCount; i++) square[i] = square_of(x[i]);
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
#pragma unroll
      for (int i = 0; i < kCount; i++) square[i] += __shfl_xor_sync(~0u, square[i], distance);
    }
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      const int c = i * kStep + 4 * threadIdx.x;
      if (c >= in.channels) continue;
      if (threadIdx.x % kLanes == 0) squares[c / kNormRun] = square[i];
      *reinterpret_cast<float4*>(row + c) = times(x[i], weight[i]);
    }
  }
  // As `normalise`.
  template <class Asked>
  __device__ __forceinline__ float normalise(const NormInput& in, float* row, float* squares, const Asked& asked) const {
    if (in.channels <= kFew * kStep) begin<kFew>(in, row, squares, asked);
    else begin<kEarly>(in, row, squares, asked);
#pragma unroll 1
    for (int c = kEarly * kStep + 4 * threadIdx.x; c < in.channels; c += kStep) {
      const float4 of = __ldg(reinterpret_cast<const float4*>(in.weight + c));
      const float4 x = __ldcg(reinterpret_cast<const float4*>(in.residual + c));
      const float square = sum_of_lanes(square_of(x));
      if (threadIdx.x % kLanes == 0) squares[c / kNormRun] = square;
      *reinterpret_cast<float4*>(row + c) = times(x, of);
    }
    __syncthreads();
    return factor_of(in, squares);
  }
};

// Eight channels of a normed row.
__device__ __forceinline__ void gather_chunk(const float* row, float scale, const uint4& sources, float (&x)[kChunk]) {
  const auto* source = reinterpret_cast<const std::uint16_t*>(&sources);
#pragma unroll
  for (int i = 0; i < kChunk; i++) x[i] = __fmul_rn(row[source[i]], scale);
}

// Grid (tokens, CTAs of each: `norm_ctas`); shared memory: 4 B a channel.
__global__ void __launch_bounds__(kNormThreads) norm(const __grid_constant__ NormArguments args) {
  constexpr int kEarlyChunks = 2;
  extern __shared__ __align__(16) float row[];
  __shared__ float squares[kMaxNormRuns];
  const int token = blockIdx.x, thread = threadIdx.x, chunks = args.input.channels / kChunk;
  const bool digits = args.digits.bits != 0;
  release_dependents();
  begin_timeline(args.input.weight);
  const int readers = args.reader_count / static_cast<int>(gridDim.y), first_reader = blockIdx.y * readers;
  const auto reader_of = [&](int chunk) -> const auto& { return args.readers[first_reader + chunk / chunks]; };
  const auto sources_of = [&](int chunk) {
    return __ldg(reinterpret_cast<const uint4*>(reader_of(chunk).sources) + chunk % chunks);
  };
  // The chunks that a thread makes: of digits two of the same 64 inputs, and those of another thread where there are none for it.
  const int all = chunks * readers;
  const auto chunk_of = [&](int i) {
    if (!digits) return thread + i * kNormThreads;
    const int at = thread + i / 2 * kNormThreads, of = 2 * at < all ? at : all / 2 - 4 + thread % 4;
    return of / 4 * 8 + i % 2 * 4 + of % 4;
  };
  uint4 early[kEarlyChunks];  // known before the wait
#pragma unroll
  for (int i = 0; i < kEarlyChunks; i++) {
    if (chunk_of(i) < all) early[i] = sources_of(chunk_of(i));
  }
  prefetch_norm(args.input);
  stamp(Moment::kRequested);
  wait_for_producers();
  stamp(Moment::kReleased);

  const float scale = normalise<kNormThreads>(args.input, token, blockIdx.y == 0, row, squares);
  stamp(Moment::kReady);
  if (digits) {
    const auto write = [&](int chunk, const uint4& first, const uint4& second) {
      DigitPiece piece;
#pragma unroll
      for (int step = 0; step < 2; step++) {
        float x[kChunk];
        Words4 hi, lo;
        gather_chunk(row, scale, step == 0 ? first : second, x);
        split_chunk(x, hi, lo);
        piece.take(step, hi, lo);
      }
      const TokenPlace to = digit_place(reader_of(chunk).fragments, args.input.channels, token, args.tokens);
      std::uint8_t* const inputs = to.fragments + chunk % chunks / 8 * digit_bytes(kDigitInputs, to.tokens);
      piece.write(inputs, to.token, to.tokens, args.digits, [] { return true; });
    };
    const int warp_first = thread / kLanes * kLanes;
    if (2 * warp_first < all) write(chunk_of(0), early[0], early[1]);
    for (int i = 2; 2 * warp_first + i * kNormThreads < all; i += 2) {
      write(chunk_of(i), sources_of(chunk_of(i)), sources_of(chunk_of(i + 1)));
    }
    end_timeline();
    return;
  }
  const auto write = [&](int chunk, const uint4& sources) {
    float x[kChunk];
    gather_chunk(row, scale, sources, x);
    const TokenPlace to = token_place(reader_of(chunk).fragments, args.input.channels, token, args.tokens, args.digits.rows);
    write_chunk(to, chunk % chunks / 4, chunk % 4, x);
  };
#pragma unroll
  for (int i = 0; i < kEarlyChunks; i++) {
    if (chunk_of(i) < all) write(chunk_of(i), early[i]);
  }
  for (int i = kEarlyChunks; chunk_of(i) < all; i++) write(chunk_of(i), sources_of(chunk_of(i)));
  end_timeline();
}

// residual[token] = table[ids[token]], bf16 widened; channels from `counted` on, which the table lacks, are zeros. Where there
// is a table of positions, its row is added. Grid (tokens).
__global__ void embed(const std::int32_t* ids, const std::uint16_t* table, float* residual, int channels, int counted,
                      float factor, const std::int32_t* positions, const std::uint16_t* of_positions) {
  release_dependents();
  wait_for_producers();
  const std::size_t token = blockIdx.x;
  const std::size_t position = of_positions == nullptr ? 0 : max(positions[token], 0);
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float x = c < counted ? factor * bf16_value(table[static_cast<std::size_t>(ids[token]) * counted + c]) : 0;
    if (of_positions != nullptr && c < counted) x += bf16_value(of_positions[position * counted + c]);
    residual[token * channels + c] = x;
  }
}

}  // namespace esparse
