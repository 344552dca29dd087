// The kernels of a decode step, and those of prefill by products of a warp, on the processor, for a driver without a GPU (`driver.cc`): their own source, by their names in
// the PTX. Compiled with `-include cuda.h`.
#include "../kernels/activation.cuh"
#include "../kernels/attention_walk.cuh"
#include "../kernels/attention_prefill_mma.cuh"
#include "../kernels/digitise.cuh"
#include "../kernels/experts.cuh"
#include "../kernels/integer_weights.cuh"
#include "../kernels/join.cuh"
#include "../kernels/linear.cuh"
#include "../kernels/linear_wide.cuh"
#include "../kernels/linear_widest.cuh"
#include "../kernels/norm.cuh"
#include "../kernels/norm_heads.cuh"
#include "../kernels/prefill_linear_mma.cuh"
#include "../kernels/prefill_norm.cuh"
#include "../kernels/repack.cuh"
#include "../kernels/sample.cuh"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "../native/kernel_names.h"

namespace esparse {

// What kernels have of shared memory that is asked for at a launch, each by the name that it gives it.
constexpr std::size_t kMostShared = 228 << 10;
alignas(128) thread_local std::uint8_t attention_memory[kMostShared];
alignas(128) thread_local std::uint8_t shared[kMostShared];
alignas(128) thread_local std::uint64_t words[kMostShared / 8];
alignas(128) thread_local float row[kMostShared / 4];
alignas(128) thread_local std::uint16_t natural[kMostShared / 2];

namespace {

using Runner = std::function<std::function<void()>(void** arguments)>;

// Takes what the driver was given: a pointer to each argument, whose values are kept for a kernel of a graph.
template <class... Parameters, std::size_t... kAt>
Runner runner_of(void (*kernel)(Parameters...), std::index_sequence<kAt...>) {
  return [kernel](void** arguments) -> std::function<void()> {
    const std::tuple<std::remove_cv_t<Parameters>...> values(*static_cast<Parameters*>(arguments[kAt])...);
    return [kernel, values] { std::apply(kernel, values); };
  };
}
template <class... Parameters>
Runner runner_of(void (*kernel)(Parameters...)) {
  return runner_of(kernel, std::index_sequence_for<Parameters...>());
}

template <class Weights>
void add_linears(std::map<std::string, Runner>& to, Encoding encoding) {
  for (const int tokens : {1, 2, 4, 8, 16}) {
    for (const int warps : {1, 2, 4, 8}) {
      for (const Input input : {Input::kFragments, Input::kNormed, Input::kMerged}) {
        for (const Output output : {Output::kPlanes, Output::kPairedPlanes, Output::kSwiglu}) {
          const LinearKernel kernel = linear_kernel<Weights>(tokens, warps, input, output);
          if (kernel != nullptr) to[linear_name(encoding, tokens, warps, input, output)] = runner_of(kernel);
        }
      }
    }
  }
  for (const int tokens : {32, 64}) {
    const LinearKernel kernel = linear_wide_kernel<Weights>(tokens);
    if (kernel != nullptr) to[linear_wide_name(encoding, tokens)] = runner_of(kernel);
  }
  for (const int tokens : {32, 64}) {
    for (const int panels : {1, 2}) {
      const LinearKernel kernel = linear_widest_kernel<Weights>(tokens, panels);
      if (kernel != nullptr) to[linear_widest_name(encoding, tokens, panels)] = runner_of(kernel);
    }
  }
}

template <class Weights>
void add_prefill_linears(std::map<std::string, Runner>& to) {
  for (int tile = 0; tile < 3; tile++) {
    to[prefill_linear_mma_name(Weights::kShuffled, kMmaTiles[tile])] = runner_of(mma_kernel<Weights>(tile));
  }
}

std::map<std::string, Runner> all_runners() {
  std::map<std::string, Runner> all = {
      {kEmbed, runner_of(embed)},
      {kEmbedIntegers, runner_of(embed_integers)},
      {kNorm, runner_of(norm)},
      {kJoin, runner_of(join)},
      {kNormHeads, runner_of(norm_heads)},
      {kScoreExperts, runner_of(score_experts)},
      {kRoute, runner_of(route)},
      {kGatherRows, runner_of(gather_rows)},
      {kCombineExperts, runner_of(combine_experts)},
      {expert_linear_name(Encoding::kSparse), runner_of(expert_linear<Sparse>)},
      {expert_linear_name(Encoding::kDense), runner_of(expert_linear<Dense>)},
      {activate_experts_name(Activation::kSilu), runner_of(activate_experts<Activation::kSilu>)},
      {activate_experts_name(Activation::kGelu), runner_of(activate_experts<Activation::kGelu>)},
      {activate_experts_name(Activation::kClamped), runner_of(activate_experts<Activation::kClamped>)},
      {kSwigluKernel, runner_of(swiglu)},
      {kDigitise, runner_of(digitise)},
      {activate_sums_name(Activation::kSilu), runner_of(activate_sums<Activation::kSilu>)},
      {activate_sums_name(Activation::kGelu), runner_of(activate_sums<Activation::kGelu>)},
      {activate_sums_name(Activation::kRelu), runner_of(activate_sums<Activation::kRelu>)},
      {kArgmaxParts, runner_of(argmax_parts)},
      {kArgmax, runner_of(argmax)},
      {kCheckPositions, runner_of(check_positions)},
      {kCheckIntegerPositions, runner_of(check_integer_positions)},
      {kCheckScales, runner_of(check_scales)},
      {kRepackIntegers, runner_of(repack_integers)},
      {kRepackSparse, runner_of(repack_sparse)},
      {kRepackDense, runner_of(repack_dense)},
  };
  add_linears<Sparse>(all, Encoding::kSparse);
  add_linears<Dense>(all, Encoding::kDense);
  add_linears<SparseInt8>(all, Encoding::kSparseInt8);
  add_linears<SparseInt4>(all, Encoding::kSparseInt4);
  add_linears<SparseInt4Fine>(all, Encoding::kSparseInt4Fine);
  add_linears<DenseInt8>(all, Encoding::kDenseInt8);
  add_linears<DenseInt4>(all, Encoding::kDenseInt4);
  for (const int dims : {64, 128, 256}) {
    for (int slots = 0; slots <= kMostSlots; slots++) {
      const AttentionKernel kernel = attention_kernel(dims, slots);
      if (kernel != nullptr) all[attend_splits_name(dims, slots)] = runner_of(kernel);
    }
  }
  for (const int dims : {64, 128}) all[attend_heads_name(dims)] = runner_of(walk_kernel(dims));
  all[append_positions_name(64)] = runner_of(append_positions<64>);
  all[append_positions_name(128)] = runner_of(append_positions<128>);
  all[append_positions_name(256)] = runner_of(append_positions<256>);
  for (const int dims : {64, 128}) {
    all[append_name(dims)] = runner_of(append_kernel(dims));
    all[attend_chunk_mma_name(dims)] = runner_of(mma_attention_kernel(dims));
  }
  all[kNormRows] = runner_of(norm_rows);
  all[kShuffle] = runner_of(shuffle);
  add_prefill_linears<Sparse>(all);
  add_prefill_linears<Dense>(all);
  return all;
}

// Memory behind what a block may use.
struct Guard {
  std::uint8_t *begin, *end;
};
using Guards = std::array<Guard, 5>;
constexpr std::uint8_t kUntouched = 0xa5;

Guards guards_behind(unsigned shared_bytes) {
  constexpr std::size_t kGuardBytes = 16 << 10;
  const std::size_t begin = std::min<std::size_t>(shared_bytes, kMostShared), end = std::min(begin + kGuardBytes, kMostShared);
  const auto behind = [&](void* memory) {
    std::uint8_t* const bytes = static_cast<std::uint8_t*>(memory);
    return Guard{bytes + begin, bytes + end};
  };
  return {behind(attention_memory), behind(shared), behind(words), behind(row), behind(natural)};
}

}  // namespace
}  // namespace esparse

// A kernel with its arguments, to be run at once or as a part of a graph; nothing where there is no such kernel. What it writes
// behind the shared memory that its launch asks for ends the process: on a GPU it is another block's, or nobody's.
std::function<void()> emulated_kernel(const char* name, const unsigned* grid, const unsigned* block, unsigned shared_bytes,
                                      void** arguments) {
  using namespace esparse;
  static const std::map<std::string, Runner> runners = all_runners();
  const auto found = runners.find(name);
  if (found == runners.end()) return nullptr;
  const Index3 blocks{grid[0], grid[1], grid[2]}, threads{block[0], block[1], block[2]};
  return [blocks, threads, shared_bytes, name = found->first, body = found->second(arguments)] {
    const Guards guards = guards_behind(shared_bytes);
    for (const Guard& guard : guards) std::fill(guard.begin, guard.end, kUntouched);
    run_grid(blocks, threads, body);
    for (const Guard& guard : guards) {
      const std::uint8_t* const touched = std::find_if(guard.begin, guard.end, [](std::uint8_t byte) { return byte != kUntouched; });
      if (touched == guard.end) continue;
      std::fprintf(stderr, "emulated kernel: %s has %u bytes of shared memory and writes the one at %u\n", name.c_str(),
                   shared_bytes, shared_bytes + static_cast<unsigned>(touched - guard.begin));
      std::_Exit(98);
    }
  };
}
