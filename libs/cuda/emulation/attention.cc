// Attention of decoding, the kernels' own source over emulated warps, against f64.
//
//   attention HEADS KV_HEADS DIMS WINDOW BIASED NORMED SUNK POSITION...
//
// A token for each POSITION (-1: none), in sequences of their own. Prints the relative error of the activations; exits with
// 3 where bits depend on the grid or the kernel, 4 where the cache did not get the new key and value, 5 where a count of splits is left.
// Angles are quarters of a turn, so that rotated keys round as they do here.
#include "../kernels/attention_walk.cuh"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace esparse {
alignas(128) thread_local std::uint8_t attention_memory[256 * 1024];
}

namespace {

using namespace esparse;

std::mt19937 source(7);
float uniform(float range) { return std::uniform_real_distribution<float>(-range, range)(source); }
float value_of(std::uint16_t bits) { return __uint_as_float(static_cast<std::uint32_t>(bits) << 16); }

struct Case {
  int heads, kv_heads, dims, window;
  bool biased, normed, sunk;
  std::vector<std::int32_t> positions;
};

struct Data {
  std::vector<float> qkv, bias, query_norm, key_norm, sinks;
  std::vector<float2> rotary;
  std::vector<std::uint16_t> keys, values, inverse;
  std::vector<std::int32_t> pages;
  int max_pages, rows;
};

// A head of the new position, as it is multiplied.
std::vector<double> head_of(const Case& of, const Data& data, int token, int row, const std::vector<float>* norm, bool turn) {
  std::vector<double> x(of.dims);
  double square = 0;
  for (int i = 0; i < of.dims; i++) {
    x[i] = data.qkv[token * data.rows + row + i] + (of.biased ? data.bias[row + i] : 0);
    square += x[i] * x[i];
  }
  if (of.normed && norm != nullptr) {
    for (int i = 0; i < of.dims; i++) x[i] *= (*norm)[i] / std::sqrt(square / of.dims + 1e-5);
  }
  for (int i = 0; turn && i < of.dims / 2; i++) {
    const float2 t = data.rotary[of.positions[token] * (of.dims / 2) + i];
    const double a = x[i], b = x[i + of.dims / 2];
    x[i] = a * t.x - b * t.y;
    x[i + of.dims / 2] = b * t.x + a * t.y;
  }
  return x;
}

std::vector<double> expected(const Case& of, const Data& data) {
  std::vector<double> out;
  const int kv_rows = of.heads * of.dims, per_key = of.heads / of.kv_heads;
  for (int token = 0; token < static_cast<int>(of.positions.size()); token++) {
    const int position = of.positions[token], begin = of.window > 0 ? std::max(0, position + 1 - of.window) : 0;
    for (int head = 0; head < of.heads; head++) {
      std::vector<double> sums(of.dims);
      if (position < 0) {
        out.insert(out.end(), sums.begin(), sums.end());
        continue;
      }
      const int kv = head / per_key;
      const auto query = head_of(of, data, token, head * of.dims, &data.query_norm, true);
      const auto new_key = head_of(of, data, token, kv_rows + kv * of.dims, &data.key_norm, true);
      const auto new_value = head_of(of, data, token, kv_rows + (of.kv_heads + kv) * of.dims, nullptr, false);
      std::vector<double> scores, weights;
      const auto at = [&](int p) {
        const std::size_t page = data.pages[token * data.max_pages + p / kPagePositions];
        return ((page * of.kv_heads + kv) * kPagePositions + p % kPagePositions) * of.dims;
      };
      const auto rounded = [](double x) { return value_of(bf16_bits(static_cast<float>(x))); };
      for (int p = begin; p <= position; p++) {
        double score = 0;
        for (int i = 0; i < of.dims; i++) {
          score += query[i] * (p == position ? rounded(new_key[i]) : value_of(data.keys[at(p) + i]));
        }
        scores.push_back(score / std::sqrt(of.dims));
      }
      const double greatest = *std::max_element(scores.begin(), scores.end());
      double all = of.sunk ? std::exp2(data.sinks[head] - greatest / std::log(2)) : 0;
      for (int p = begin; p <= position; p++) {
        const double weight = std::exp(scores[p - begin] - greatest);
        all += weight;
        for (int i = 0; i < of.dims; i++) {
          sums[i] += weight * (p == position ? rounded(new_value[i]) : value_of(data.values[at(p) + i]));
        }
      }
      for (double& sum : sums) sum /= all;
      out.insert(out.end(), sums.begin(), sums.end());
    }
  }
  return out;
}

// `ctas`: that share a head's splits; `slots`: see `AttentionPlan`.
std::vector<std::uint8_t> attended(const Case& of, Data& data, int ctas, int slots, bool walks = false) {
  const int tokens = static_cast<int>(of.positions.size()), queries = of.heads / of.kv_heads;
  const int splits = attention_splits(data.max_pages);
  std::vector<std::uint8_t> fragments(activation_bytes(of.heads * of.dims, tokens), 0xff);
  std::vector<float> outputs(static_cast<std::size_t>(tokens) * of.heads * splits * of.dims, NAN);
  std::vector<float2> weights(static_cast<std::size_t>(tokens) * of.heads * splits, {NAN, NAN});
  std::vector<std::uint32_t> arrived(static_cast<std::size_t>(tokens) * of.heads);
  AttentionArguments args{};
  args.qkv = {data.qkv.data(), 1, tokens, data.rows};
  args.head = {of.biased ? data.bias.data() : nullptr, of.normed ? data.query_norm.data() : nullptr,
               of.normed ? data.key_norm.data() : nullptr, 1e-5f};
  args.tokens = tokens;
  args.heads = of.heads;
  args.kv_heads = of.kv_heads;
  args.queries = of.heads / of.kv_heads;
  args.groups = query_groups(args.queries);
  args.keys = data.keys.data();
  args.values = data.values.data();
  args.page_table = data.pages.data();
  args.positions = of.positions.data();
  args.max_pages = data.max_pages;
  args.window = of.window;
  args.rotary = data.rotary.data();
  args.scale = 1 / std::sqrt(static_cast<float>(of.dims));
  args.sinks = of.sunk ? data.sinks.data() : nullptr;
  args.inverse = data.inverse.data();
  args.inputs = of.heads * of.dims;
  args.fragments = fragments.data();
  args.outputs = outputs.data();
  args.weights = weights.data();
  args.arrived = arrived.data();
  if ((walks ? walk_shared(of.dims, queries) : attention_shared(of.dims, queries, slots)) > static_cast<int>(sizeof(attention_memory))) std::exit(2);
  std::memset(attention_memory, 0xff, sizeof(attention_memory));
  const Index3 grid{static_cast<unsigned>(ctas), static_cast<unsigned>(of.kv_heads * query_groups(queries)),
              static_cast<unsigned>(tokens)};
  if (walks) run_grid({grid.x, 1, 1}, {kWalkThreads, 1, 1}, [&] { walk_kernel(of.dims)(args); });
  else run_grid(grid, {kAttentionThreads, 1, 1}, [&] { attention_kernel(of.dims, slots)(args); });
  for (const std::uint32_t count : arrived) {
    if (count != 0) std::exit(5);
  }
  return fragments;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) return 2;
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  Case of{number(1), number(2), number(3), number(4), number(5) != 0, number(6) != 0, number(7) != 0, {}};
  for (int i = 8; i < argc; i++) of.positions.push_back(number(i));
  const int tokens = static_cast<int>(of.positions.size()), outputs = of.heads * of.dims;
  const int last = *std::max_element(of.positions.begin(), of.positions.end());
  Data data;
  data.max_pages = last / kPagePositions + 1;
  data.rows = (of.heads + 2 * of.kv_heads) * of.dims;
  for (int i = 0; i < tokens * data.rows; i++) data.qkv.push_back(uniform(2));
  for (int i = 0; i < data.rows; i++) data.bias.push_back(uniform(1));
  for (int i = 0; i < of.dims; i++) data.query_norm.push_back(uniform(2)), data.key_norm.push_back(uniform(2));
  for (int i = 0; i < of.heads; i++) data.sinks.push_back(uniform(2));
  for (int i = 0; i < (last + 1) * of.dims / 2; i++) {
    const int quarter = static_cast<int>(source() % 4);
    data.rotary.push_back(quarter % 2 == 0 ? float2{1.f - quarter, 0} : float2{0, 2.f - quarter});
  }
  for (int i = 0; i < tokens * data.max_pages; i++) data.pages.push_back(i);
  std::shuffle(data.pages.begin(), data.pages.end(), source);
  for (int i = 0; i < outputs; i++) data.inverse.push_back(static_cast<std::uint16_t>(i));
  std::shuffle(data.inverse.begin(), data.inverse.end(), source);
  // What nobody has written yet may be anything.
  const std::size_t cached = static_cast<std::size_t>(tokens) * data.max_pages * of.kv_heads * kPagePositions * of.dims;
  data.keys.assign(cached, 0xffff);
  data.values.assign(cached, 0xffff);
  for (int token = 0; token < tokens; token++) {
    for (int p = 0; p < of.positions[token]; p++) {
      const std::size_t page = data.pages[token * data.max_pages + p / kPagePositions];
      for (int kv = 0; kv < of.kv_heads; kv++) {
        const std::size_t at = ((page * of.kv_heads + kv) * kPagePositions + p % kPagePositions) * of.dims;
        for (int i = 0; i < of.dims; i++) {
          data.keys[at + i] = bf16_bits(uniform(1));
          data.values[at + i] = bf16_bits(uniform(1));
        }
      }
    }
  }
  const std::vector<double> reference = expected(of, data);
  std::vector<std::uint8_t> fragments = attended(of, data, attention_splits(data.max_pages), 0);
  for (int slots = 0; slots <= kMostSlots; slots++) {
    if (attention_kernel(of.dims, slots) == nullptr) continue;
    for (const int ctas : {1, 2, 20}) {
      if (attended(of, data, ctas, slots) != fragments) return 3;
      if (slots == 0 && walk_kernel(of.dims) != nullptr && attended(of, data, ctas, slots, true) != fragments) return 3;
    }
  }

  double difference = 0, size = 0;
  for (int token = 0; token < tokens; token++) {
    for (int i = 0; i < outputs; i++) {
      std::uint16_t hi, lo;
      const TokenPlace place = token_place(fragments.data(), outputs, token, tokens, false);
      const std::uint8_t* const at = place.fragments + activation_offset(data.inverse[i], place.token, place.tokens);
      std::memcpy(&hi, at, 2);
      std::memcpy(&lo, at + kLoOffset, 2);
      const double right = reference[static_cast<std::size_t>(token) * outputs + i];
      const double off = static_cast<double>(value_of(hi)) + value_of(lo) - right;
      difference += off * off;
      size += right * right;
    }
    if (of.positions[token] < 0) continue;
    for (int kv = 0; kv < of.kv_heads; kv++) {
      const int p = of.positions[token];
      const std::size_t page = data.pages[token * data.max_pages + p / kPagePositions];
      const std::size_t at = ((page * of.kv_heads + kv) * kPagePositions + p % kPagePositions) * of.dims;
      const auto value = head_of(of, data, token, (of.heads + of.kv_heads + kv) * of.dims, nullptr, false);
      for (int i = 0; i < of.dims; i++) {
        if (data.keys[at + i] == 0xffff || data.values[at + i] != bf16_bits(static_cast<float>(value[i]))) return 4;
      }
    }
  }
  std::printf("%.3g\n", std::sqrt(difference / size));
}
