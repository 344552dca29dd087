// A mixture of experts. Each token is sent to some of them; pairs of a token and an expert are sorted to their experts, four at
// most to a group, whose weights are read once. A pair's bits depend neither on its group nor on its place there.
#pragma once
#include "activation.cuh"
#include "linear.cuh"

namespace esparse {

// What the router says of each expert. Grid (experts / warps of a CTA, rounded up; tokens): a warp an expert.
__global__ void __launch_bounds__(kScoreThreads) score_experts(const __grid_constant__ RouteArguments args) {
  const int expert = blockIdx.x * (kScoreThreads / kLanes) + threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const int token = blockIdx.y;
  release_dependents();
  if (expert >= args.experts) return;
  const float* const weight = args.weight + static_cast<std::size_t>(expert) * args.channels;
  const float* const row = args.rows + static_cast<std::size_t>(token) * args.channels;
  wait_for_producers();
  float sum = 0;
  for (int c = 4 * lane; c < args.channels; c += 4 * kLanes) {
    const float4 w = __ldg(reinterpret_cast<const float4*>(weight + c)), x = __ldcg(reinterpret_cast<const float4*>(row + c));
    sum = fmaf(w.x, x.x, fmaf(w.y, x.y, fmaf(w.z, x.z, fmaf(w.w, x.w, sum))));
  }
  sum = sum_of_lanes(sum);
  if (lane == 0) args.scores[token * args.experts + expert] = args.bias == nullptr ? sum : sum + args.bias[expert];
}

// A score and its expert as a number that is the greater the better; of equal scores the first expert's.
__device__ __forceinline__ unsigned long long score_key(float score, int expert) {
  const std::uint32_t bits = __float_as_uint(score);
  const std::uint32_t ordered = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<unsigned long long>(ordered) << 32 | static_cast<std::uint32_t>(~expert);
}

// The experts of a token and their shares, in the order of their numbers. By a warp.
__device__ __forceinline__ void choose_experts(const RouteArguments& args, int token, std::int32_t* chosen) {
  const int lane = threadIdx.x % kLanes;
  const float* const scores = args.scores + token * args.experts;
  std::uint32_t taken = 0;  // of the experts lane, lane + 32 and so on
  float greatest = -INFINITY, own_score = 0, sum = 0;
  int own = -1;  // of lane n, the n-th
  for (int n = 0; n < args.top; n++) {
    unsigned long long best = 0;
    for (int i = 0; i * kLanes + lane < args.experts; i++) {
      if ((taken >> i & 1) != 0) continue;
      const unsigned long long key = score_key(__ldcg(scores + i * kLanes + lane), i * kLanes + lane);
      best = key > best ? key : best;
    }
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      const unsigned long long other = __shfl_xor_sync(~0u, best, distance);
      best = other > best ? other : best;
    }
    const int expert = static_cast<int>(~static_cast<std::uint32_t>(best));
    const float score = __ldcg(scores + expert);
    if (n == 0) greatest = score;
    if (expert % kLanes == lane) taken |= 1u << (expert / kLanes);
    if (n == lane) {
      own = expert;
      own_score = score;
    }
    if (args.normalise) sum += expf(score - greatest);
  }
  if (!args.normalise) {
    for (int expert = lane; expert < args.experts; expert += kLanes) sum += expf(__ldcg(scores + expert) - greatest);
    sum = sum_of_lanes(sum);
  }
  int rank = 0;
  for (int n = 0; n < args.top; n++) rank += __shfl_sync(~0u, own, n) < own ? 1 : 0;
  if (lane >= args.top) return;
  chosen[token * args.top + rank] = own;
  args.shares[token * args.top + rank] = expf(own_score - greatest) / sum;
}

// Sends tokens to experts and sorts the pairs. One CTA.
__global__ void __launch_bounds__(kRouteThreads) route(const __grid_constant__ RouteArguments args) {
  __shared__ std::int32_t chosen[kMostPairs];
  __shared__ std::int32_t counts[kMostExperts];
  release_dependents();
  wait_for_producers();
  const int pairs = args.tokens * args.top, warp = threadIdx.x / kLanes, thread = threadIdx.x;
  for (int token = warp; token < args.tokens; token += kRouteThreads / kLanes) {
    if (args.positions[token] >= 0) {
      choose_experts(args, token, chosen);
    } else if (thread % kLanes < args.top) {
      chosen[token * args.top + thread % kLanes] = -1;  // no token
    }
  }
  for (int i = thread; i < args.groups; i += kRouteThreads) args.expert_of[i] = -1;
  for (int i = thread; i < args.groups * kGroupPairs; i += kRouteThreads) args.token_of[i] = -1;
  for (int e = thread; e < args.experts; e += kRouteThreads) counts[e] = 0;
  __syncthreads();
  for (int pair = thread; pair < pairs; pair += kRouteThreads) {
    if (chosen[pair] >= 0) atomicAdd(counts + chosen[pair], 1);
  }
  __syncthreads();
  for (int pair = thread; pair < pairs; pair += kRouteThreads) {
    const int expert = chosen[pair];
    int slot = -1;
    if (expert >= 0) {
      int group = 0, before = 0;
      for (int e = 0; e < expert; e++) group += (counts[e] + kGroupPairs - 1) / kGroupPairs;
      for (int other = 0; other < pair; other++) before += chosen[other] == expert ? 1 : 0;
      group += before / kGroupPairs;
      slot = group * kGroupPairs + before % kGroupPairs;
      args.token_of[slot] = pair / args.top;
      args.expert_of[group] = expert;
    }
    args.slot_of[pair] = slot;
  }
}

// The rows of a group's tokens as activations, in the order of its expert's inputs. Grid (groups, sets of activations).
__global__ void __launch_bounds__(kGatherThreads) gather_rows(const __grid_constant__ GatherArguments args) {
  const int group = blockIdx.x, set = blockIdx.y, chunks = args.channels / kChunk;
  release_dependents();
  wait_for_producers();
  const int expert = args.expert_of[group];
  if (expert < 0) return;
  const std::uint16_t* const sources = args.sources[set] + expert * args.source_stride;
  std::uint8_t* const to =
      args.fragments + (static_cast<std::size_t>(group) * gridDim.y + set) * activation_bytes(args.channels, kGroupPairs);
  for (int i = threadIdx.x; i < kGroupPairs * chunks; i += kGatherThreads) {
    const int within = i / chunks, chunk = i % chunks, token = args.token_of[group * kGroupPairs + within];
    if (token < 0) continue;
    float x[kChunk];
    gather_chunk(args.rows + static_cast<std::size_t>(token) * args.channels,
                 __ldg(reinterpret_cast<const uint4*>(sources) + chunk), x);
    write_chunk({to, within, kGroupPairs}, chunk / 4, chunk % 4, x);
  }
}

// One or two linears of experts over groups of pairs: the sums of `linear.cuh`, in the same order. Grid (panels of all linears,
// groups): a CTA makes a panel of a group, a warp a slice of its inputs.
template <class Weights>
__global__ void __launch_bounds__(kLinearThreads, 2) expert_linear(const __grid_constant__ ExpertLinearArguments args) {
  constexpr int kOutputs = kGroupPairs * kPanelRows, kStage = kPanelTiles * Weights::kFormat.tile_bytes;
  __shared__ float parts[kLinearWarps * kOutputs];
  const int group = blockIdx.y, of = blockIdx.x / args.panels, panel = blockIdx.x % args.panels;
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const InputSlice slice = input_slice<kLinearWarps>(args.blocks, 0, warp);
  release_dependents();
  wait_for_producers();
  const int expert = args.expert_of[group];
  if (expert < 0) return;
  constexpr int kBlock = kBlockActivations<Weights, kGroupPairs>;
  const std::size_t set = args.sets == 1 ? group : group * 2 + of;
  const std::uint8_t* x = args.fragments + (set * args.blocks + slice.first) * kBlock;
  const std::uint8_t* from = args.weights[of] + expert * args.stride + (static_cast<std::size_t>(panel) * args.blocks + slice.first) * kStage;
  float sums[kPanelTiles][1][4] = {};
#pragma unroll 2
  for (int block = 0; block < slice.blocks; block++) {
    Weights weights[kPanelTiles];
#pragma unroll
    for (int tile = 0; tile < kPanelTiles; tile++) weights[tile].load(from + tile * Weights::kFormat.tile_bytes, lane);
    multiply_block<Weights, kGroupPairs, 1>(sums, weights, x, 0, lane);
    from += kStage;
    x += kBlock;
  }
#pragma unroll
  for (int tile = 0; tile < kPanelTiles; tile++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int within = tile * kTileRows + half * 8 + lane / 4;
      parts[(warp * kGroupPairs + lane % 4) * kPanelRows + within] = sums[tile][0][2 * half] + sums[tile][0][2 * half + 1];
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < kOutputs; i += kLinearThreads) {
    const int row = panel * kPanelRows + i % kPanelRows;
    if (row >= args.rows) continue;
    const std::size_t slot = group * kGroupPairs + i / kPanelRows;
    args.out[slot * args.out_rows + of * args.rows + row] = tree_sum<kLinearWarps>(parts + i, kOutputs);
  }
}

// From the sums of gate and up to the activations of down. Grid (inputs / 2 / kSwigluThreads, rounded up; slots).
template <Activation kActivation>
__global__ void __launch_bounds__(kSwigluThreads) activate_experts(const __grid_constant__ ActivateExpertsArguments args) {
  const int input = 2 * (blockIdx.x * kSwigluThreads + threadIdx.x), slot = blockIdx.y, group = slot / kGroupPairs;
  release_dependents();
  wait_for_producers();
  if (input >= args.inputs || args.token_of[slot] < 0) return;
  const std::size_t row = static_cast<std::size_t>(slot) * 2 * args.inputs;
  const std::size_t bias = static_cast<std::size_t>(args.expert_of[group]) * 2 * args.inputs;
  const auto two_of = [&](int at) {
    const float2 two = __ldcg(reinterpret_cast<const float2*>(args.sums + row + at));
    return args.bias == nullptr ? two : add(two, __ldg(reinterpret_cast<const float2*>(args.bias + bias + at)));
  };
  const float2 gate = two_of(input), up = two_of(args.inputs + input);
  const auto gated = [&](float of_gate, float of_up) {
    if constexpr (kActivation == Activation::kClamped) {
      const float most = fminf(of_gate, args.limit), within = fmaxf(fminf(of_up, args.limit), -args.limit);
      return (within + 1) * (most / (1 + expf(-args.alpha * most)));
    } else {
      return activation_of<kActivation>(of_gate) * of_up;
    }
  };
  std::uint8_t* const to = args.fragments + group * activation_bytes(args.inputs, kGroupPairs);
  write_pair({to, slot % kGroupPairs, kGroupPairs}, input, gated(gate.x, up.x), gated(gate.y, up.y));
}

// What a token's experts give, in the order of their numbers, each with its share. Grid (tokens).
__global__ void __launch_bounds__(kGatherThreads) combine_experts(const __grid_constant__ CombineArguments args) {
  const int token = blockIdx.x;
  release_dependents();
  wait_for_producers();
  for (int c = 4 * threadIdx.x; c < args.channels; c += 4 * kGatherThreads) {
    float4 sum{};
    for (int n = 0; n < args.top; n++) {
      const int slot = args.slot_of[token * args.top + n];
      if (slot < 0) break;
      float4 x = __ldcg(reinterpret_cast<const float4*>(args.given + static_cast<std::size_t>(slot) * args.channels + c));
      if (args.bias != nullptr) {
        const std::size_t expert = args.expert_of[slot / kGroupPairs];
        x = add(x, __ldg(reinterpret_cast<const float4*>(args.bias + expert * args.channels + c)));
      }
      const float share = args.shares[token * args.top + n];
      sum = make_float4(fmaf(share, x.x, sum.x), fmaf(share, x.y, sum.y), fmaf(share, x.z, sum.z), fmaf(share, x.w, sum.w));
    }
    *reinterpret_cast<float4*>(args.out + static_cast<std::size_t>(token) * args.channels + c) = sum;
  }
}

}  // namespace esparse
