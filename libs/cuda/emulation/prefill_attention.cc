// Attention of prefill by products of a warp, the kernels' own source over emulated warps, against f64.
//
//   prefill_attention HEADS KV_HEADS DIMS WINDOW FIRST COUNT CUT SEED
//
// COUNT tokens of a prompt from position FIRST on, at once and as two pieces, of which the first has CUT tokens. Prints the
// relative error of the outputs; exits with 3 where bits depend on the cut, or on when copies are done, 4 where the cache did not
// get keys and values. What nobody has written in the cache is no number. Angles are quarters of a turn, so that nothing is rounded.
#include "../kernels/attention_prefill_mma.cuh"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace esparse {
alignas(128) thread_local std::uint8_t attention_memory[256 * 1024];
alignas(16) thread_local std::uint16_t natural[1];  // of `shuffle`
}  // namespace esparse

namespace {

using namespace esparse;

using Bits = std::vector<std::uint16_t>;

struct Case {
  int heads, kv_heads, dims, window, first, count, cut;
  int end() const { return first + count; }
  int pages() const { return (end() + kPagePositions - 1) / kPagePositions; }
  int width() const { return (heads + 2 * kv_heads) * dims; }
  std::size_t page() const { return static_cast<std::size_t>(kv_heads) * kPagePositions * dims; }
};

std::mt19937 source;
std::uint16_t number() { return __float2bfloat16_rn(std::uniform_real_distribution<float>(-2, 2)(source)).bits; }

struct Data {
  Bits qkv, keys, values;
  std::vector<std::int32_t> pages;
  std::vector<float2> rotary;
};

Data made_data(const Case& of) {
  Data out;
  out.qkv.resize(static_cast<std::size_t>(of.count) * of.width());
  for (std::uint16_t& bits : out.qkv) bits = number();
  out.pages.resize(of.pages());
  for (int i = 0; i < of.pages(); i++) out.pages[i] = of.pages() - 1 - i;
  out.keys.assign(of.pages() * of.page(), 0xffff);
  out.values = out.keys;
  for (int position = 0; position < of.first; position++) {
    for (int head = 0; head < of.kv_heads; head++) {
      const std::size_t at = (out.pages[position / kPagePositions] * of.kv_heads + head) * kPagePositions * of.dims +
                             position % kPagePositions * of.dims;
      for (int d = 0; d < of.dims; d++) {
        out.keys[at + d] = number();
        out.values[at + d] = number();
      }
    }
  }
  for (int i = 0; i < of.end() * of.dims / 2; i++) {
    const float2 turns[] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    out.rotary.push_back(turns[source() % 4]);
  }
  return out;
}

// `count` tokens from the `from`-th on, as the engine tells the kernels of them.
Bits attend(const Case& of, Data& data, int from, int count, bool appends) {
  Bits out(static_cast<std::size_t>(count) * of.heads * of.dims);
  std::vector<std::int32_t> positions, first_page(count, 0);
  std::vector<QueryTile> tiles;
  for (int i = 0; i < count; i++) positions.push_back(of.first + from + i);
  for (int i = 0; i < count; i += kQueryTile) tiles.push_back({i, std::min(kQueryTile, count - i), of.first + from + i, 0});
  PrefillAttention args{};
  args.qkv = data.qkv.data() + static_cast<std::size_t>(from) * of.width();
  args.heads = of.heads;
  args.kv_heads = of.kv_heads;
  args.keys = data.keys.data();
  args.values = data.values.data();
  args.pages = data.pages.data();
  args.positions = positions.data();
  args.first_page = first_page.data();
  args.tiles = tiles.data();
  args.rotary = data.rotary.data();
  args.scale = 1 / std::sqrt(static_cast<float>(of.dims));
  args.window = of.window;
  args.out = out.data();
  if (appends) {
    run_grid({static_cast<unsigned>(count), 1, 1}, {kAppendThreads, 1, 1}, [&] { append_kernel(of.dims)(args); });
  }
  run_grid({static_cast<unsigned>(tiles.size()) * kMmaChunkParts, static_cast<unsigned>(of.heads), 1}, {kMmaThreads, 1, 1},
           [&] { mma_attention_kernel(of.dims)(args); });
  return out;
}

const std::uint16_t* cached(const Case& of, const Data& data, const Bits& cache, int position, int kv_head) {
  return &cache[(data.pages[position / kPagePositions] * of.kv_heads + kv_head) * kPagePositions * of.dims +
                position % kPagePositions * of.dims];
}

// Whether the cache has what the tokens brought.
bool appended(const Case& of, const Data& before, const Data& after) {
  for (int token = 0; token < of.count; token++) {
    for (int head = 0; head < of.kv_heads; head++) {
      const std::uint16_t* const key = &before.qkv[static_cast<std::size_t>(token) * of.width() + (of.heads + head) * of.dims];
      const std::uint16_t* const value = key + of.kv_heads * of.dims;
      const int position = of.first + token, half = of.dims / 2;
      for (int d = 0; d < of.dims; d++) {
        const float2 turn = before.rotary[static_cast<std::size_t>(position) * half + d % half];
        const float low = bf16_value(key[d % half]), high = bf16_value(key[d % half + half]);
        const float turned = d < half ? low * turn.x - high * turn.y : high * turn.x + low * turn.y;
        if (bf16_value(cached(of, after, after.keys, position, head)[d]) != turned) return false;
        if (cached(of, after, after.values, position, head)[d] != value[d]) return false;
      }
    }
  }
  return true;
}

double error_of(const Case& of, const Data& data, const Bits& out) {
  double difference = 0, size = 0;
  for (int token = 0; token < of.count; token++) {
    const int position = of.first + token, begin = of.window > 0 ? std::max(0, position + 1 - of.window) : 0;
    for (int head = 0; head < of.heads; head++) {
      const int kv_head = head / (of.heads / of.kv_heads);
      const std::uint16_t* const query = &data.qkv[static_cast<std::size_t>(token) * of.width() + head * of.dims];
      std::vector<double> weights(position + 1), expected(of.dims);
      double greatest = -INFINITY, sum = 0;
      for (int p = begin; p <= position; p++) {
        const std::uint16_t* const key = cached(of, data, data.keys, p, kv_head);
        for (int d = 0; d < of.dims; d++) weights[p] += static_cast<double>(bf16_value(query[d])) * bf16_value(key[d]);
        weights[p] /= std::sqrt(of.dims);
        greatest = std::max(greatest, weights[p]);
      }
      for (int p = begin; p <= position; p++) {
        const double weight = std::exp(weights[p] - greatest);
        const std::uint16_t* const value = cached(of, data, data.values, p, kv_head);
        sum += weight;
        for (int d = 0; d < of.dims; d++) expected[d] += weight * bf16_value(value[d]);
      }
      for (int d = 0; d < of.dims; d++) {
        const double is = bf16_value(out[(static_cast<std::size_t>(token) * of.heads + head) * of.dims + d]);
        difference += (is - expected[d] / sum) * (is - expected[d] / sum);
        size += expected[d] / sum * (expected[d] / sum);
      }
    }
  }
  return std::sqrt(difference / size);
}

}  // namespace

int main(int, char** argv) {
  const auto argument = [&](int i) { return std::atoi(argv[i]); };
  const Case of{argument(1), argument(2), argument(3), argument(4), argument(5), argument(6), argument(7)};
  source.seed(argument(8));
  const Data before = made_data(of);
  Data data = before;
  const Bits whole = attend(of, data, 0, of.count, true);
  if (!appended(of, before, data)) return 4;
  for (const bool late : {true, false}) {
    copies_are_late = late;
    Bits pieces = attend(of, data, 0, of.cut, false);
    const Bits rest = attend(of, data, of.cut, of.count - of.cut, false);
    pieces.insert(pieces.end(), rest.begin(), rest.end());
    if (pieces != whole) return 3;
  }
  std::printf("%g", error_of(of, data, whole));
}
