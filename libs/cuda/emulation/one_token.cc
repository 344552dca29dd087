// What a linear of one token makes by itself has the bits of the kernels that it stands for: the norm of the residual stream, sums
// with it, and the splits of attention, added up. By the kernels' own source over emulated warps.
//
//   one_token INPUTS         of the norm; and what a linear adds to the stream
//   one_token INPUTS DIMS POSITION OUTPUTS   of attention: OUTPUTS of the inputs are those of heads, the rest fills up
//
// Exits with 1 where they are not the same.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "../kernels/linear.cuh"
#include "../kernels/norm.cuh"

namespace esparse {
alignas(128) thread_local std::uint8_t shared[256 * 1024];
alignas(16) thread_local float row[kMaxChannels];
}  // namespace esparse

namespace {

using namespace esparse;
using Weights = Dense;
constexpr int kPanels = 3, kRows = kPanels * kPanelRows, kSms = 132;

std::mt19937 source(7);
float uniform(float range) { return std::uniform_real_distribution<float>(-range, range)(source); }
std::vector<float> random_row(int count) {
  std::vector<float> out(count);
  for (float& x : out) x = uniform(2);
  return out;
}

struct Case {
  int inputs;
  std::uint8_t *weights, *fragments;
  std::vector<std::uint16_t> sources;

  explicit Case(int inputs) : inputs(inputs), sources(inputs) {
    const std::size_t bytes = static_cast<std::size_t>(kRows) * inputs * 2;
    weights = static_cast<std::uint8_t*>(std::aligned_alloc(256, bytes));
    fragments = static_cast<std::uint8_t*>(std::aligned_alloc(256, activation_bytes(inputs, 1)));
    for (std::size_t i = 0; i < bytes / 2; i++) reinterpret_cast<std::uint16_t*>(weights)[i] = bf16_bits(uniform(1));
    std::iota(sources.begin(), sources.end(), 0);
    std::shuffle(sources.begin(), sources.end(), source);
  }

  template <Input kInput>
  std::vector<float> outputs(LinearArguments args) const {
    LinearProblem problem{Weights::kFormat, {kPanels}, 1, inputs, 1};
    problem.normed = kInput == Input::kNormed;
    if (kInput == Input::kMerged) problem.merged = args.merge.heads << args.merge.dims_shift;
    std::vector<float> out(kRows, NAN);
    args.activations[0] = {fragments, sources.data()};
    args.segments[0] = {weights, kPanels, 0, kRows, 0, false};
    args.segment_count = 1;
    args.blocks = inputs / Weights::kFormat.inputs;
    args.out_rows = kRows;
    args.out = out.data();
    args.plan = plan_linear(problem, chosen_tuning(problem), kSms);
    place_segments(args, Weights::kFormat);
    std::memset(shared, 0xff, sizeof shared);
    run_grid({static_cast<unsigned>(args.plan.ctas), 1, 1}, {kLinearThreads, 1, 1},
             [&] { linear<Weights, 1, kSlices, kInput, Output::kPlanes>(args); });
    return out;
  }
};

bool same(const std::vector<float>& a, const std::vector<float>& b) { return std::memcmp(a.data(), b.data(), a.size() * 4) == 0; }

bool norms(const Case& of) {
  const std::vector<float> residual = random_row(of.inputs), weight = random_row(of.inputs);
  LinearArguments args{};
  args.norm = {residual.data(), nullptr, {}, weight.data(), 1e-5f, of.inputs, of.inputs, 1.0f / of.inputs};
  const NormArguments norm_args{args.norm, 1, {{of.sources.data(), of.fragments}}, 1, {}};
  run_grid({1, 1, 1}, {kNormThreads, 1, 1}, [&] { norm(norm_args); });
  return same(of.outputs<Input::kNormed>(args), of.outputs<Input::kFragments>(args));
}

bool adds(const Case& of) {
  for (int i = 0; i < of.inputs; i++) write_activation({of.fragments, 0, 1}, i, uniform(1));
  const std::vector<float> stream = random_row(kRows);
  LinearArguments args{};
  std::vector<float> expected = of.outputs<Input::kFragments>(args);
  for (int i = 0; i < kRows; i++) expected[i] = stream[i] + expected[i];
  args.stream = stream.data();
  return same(of.outputs<Input::kFragments>(args), expected);
}

bool merges(const Case& of, int dims, int position, int outputs) {
  const int heads = outputs / dims, used = position < 0 ? 0 : position / kSplitPositions + 1, splits = used + 3;
  int shift = 0;
  while (1 << shift < dims) shift++;
  std::vector<float> parts(static_cast<std::size_t>(heads) * splits * dims, NAN), merged(of.inputs);
  std::vector<float2> weights(static_cast<std::size_t>(heads) * splits, {NAN, NAN});
  for (int head = 0; head < heads; head++) {
    for (int split = 0; split < used; split++) {
      const int part = head * splits + split;
      weights[part] = {uniform(3), 1 + uniform(0.5f)};
      for (int i = 0; i < dims; i++) parts[static_cast<std::size_t>(part) * dims + i] = uniform(1);
    }
  }
  for (int at = 0; at < outputs; at += 4) {
    Attended sum;
    for (int split = 0; split < used; split += kMergedAtOnce) {
      LoadedSplits some;
      const int part = at / dims * splits + split;
      some.load(weights.data() + part, parts.data() + part * dims + at % dims, dims, used - split);
      add_parts(sum, some.weights, some.outputs);
    }
    const float whole = position < 0 ? 0 : whole_of(sum, nullptr);
    const float x[] = {sum.outputs.x * whole, sum.outputs.y * whole, sum.outputs.z * whole, sum.outputs.w * whole};
    std::copy(x, x + 4, merged.begin() + at);
  }
  for (int i = 0; i < of.inputs; i++) {
    write_activation({of.fragments, 0, 1}, chunk_input(i / kStepInputs, i / kChunk % 4, i % kChunk), merged[of.sources[i]]);
  }
  LinearArguments args{};
  args.merge = {parts.data(), weights.data(), nullptr, &position, heads, shift, splits, 0};
  return same(of.outputs<Input::kMerged>(args), of.outputs<Input::kFragments>(args));
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  if (argc != 2 && argc != 5) return 2;
  const Case of(number(1));
  return (argc == 2 ? norms(of) && adds(of) : merges(of, number(2), number(3), number(4))) ? 0 : 1;
}
