// Attention of prefill held against f64, whichever kernel makes it: a piece of a prompt, and what is beside attention.
#pragma once
#include "../kernels/prefill_append.cuh"
#include "reference_step.cuh"

namespace harness {

struct AttentionShape {
  int heads, kv_heads, dims;
  int window = 0;
  bool dressed = false;  // biases, and norms of heads
  int width() const { return (heads + 2 * kv_heads) * dims; }
};

// f64, from q as it stands and the cache. Grid (heads, tokens of one prompt), a thread a dim; shared: a score for each
// position.
__global__ void reference_chunk(const PrefillAttention args, double* out) {
  extern __shared__ double scores[];
  const int head = blockIdx.x, token = blockIdx.y, dim = threadIdx.x, dims = blockDim.x;
  const int kv_head = head / (args.heads / args.kv_heads), position = args.positions[token];
  const std::int32_t* const pages = args.pages + args.first_page[token];
  const std::uint16_t* q =
      args.qkv + (static_cast<std::size_t>(token) * (args.heads + 2 * args.kv_heads) + head) * dims;
  const int first = args.window > 0 ? max(0, position + 1 - args.window) : 0;
  for (int p = first + dim; p <= position; p += dims) {
    const std::uint16_t* key = args.keys + cache_row(args, pages, p, kv_head, dims);
    double score = 0;
    for (int d = 0; d < dims; d++) score += static_cast<double>(bf16_value(q[d])) * bf16_value(key[d]);
    scores[p] = score * args.scale;
  }
  __syncthreads();
  double maximum = -INFINITY, sum = 0, output = 0;
  for (int p = first; p <= position; p++) maximum = fmax(maximum, scores[p]);
  for (int p = first; p <= position; p++) {
    const double weight = exp(scores[p] - maximum);
    sum += weight;
    output += weight * bf16_value(args.values[cache_row(args, pages, p, kv_head, dims) + dim]);
  }
  out[static_cast<std::size_t>(token) * args.heads * dims + head * dims + dim] = output / sum;
}

// Some tokens of a prompt, and what the kernels are told of them.
struct PromptPiece {
  PrefillAttention args;
  int tokens, tile_count;
  Device<std::int32_t> positions, first_page;
  Device<QueryTile> tiles;

  PromptPiece(const PrefillAttention& of, int tokens, int first_position) : args(of), tokens(tokens) {
    std::vector<std::int32_t> at(tokens);
    for (int i = 0; i < tokens; i++) at[i] = first_position + i;
    positions = Device<std::int32_t>(at);
    first_page = Device<std::int32_t>(std::vector<std::int32_t>(tokens, 0));
    std::vector<QueryTile> of_queries;
    for (int i = 0; i < tokens; i += kQueryTile) {
      of_queries.insert(of_queries.begin(), {i, std::min(kQueryTile, tokens - i), first_position + i, 0});
    }
    tiles = Device<QueryTile>(of_queries);
    tile_count = static_cast<int>(of_queries.size());
    args.positions = positions;
    args.first_page = first_page;
    args.tiles = tiles;
  }
};

inline void launch_append(const Launcher& launch, const PromptPiece& piece, int dims) {
  launch(append_kernel(dims), piece.tokens, kAppendThreads, 0, piece.args);
}

// A chunk's q, k, v and the sequence's cache; pages that nobody has written are poisoned.
struct PrefillCase {
  AttentionShape shape;
  int tokens, first_position, pages;
  Device<std::uint16_t> qkv, cache, out;  // of the cache all pages' keys, then all their values
  std::uint16_t *keys, *values;
  Device<std::int32_t> page_table;
  Device<float2> rotary;
  Device<float> bias, query_norm, key_norm;

  PrefillCase(const AttentionShape& shape, int first_position, int tokens, std::uint64_t seed)
      : shape(shape), tokens(tokens), first_position(first_position) {
    const int end = first_position + tokens;
    pages = (end + kPagePositions - 1) / kPagePositions;
    qkv = Device<std::uint16_t>(static_cast<std::size_t>(tokens) * shape.width());
    fill_bf16<<<1024, 256>>>(qkv, qkv.count(), seed, 2);
    const std::size_t page = static_cast<std::size_t>(shape.kv_heads) * kPagePositions * shape.dims;
    cache = Device<std::uint16_t>(2 * pages * page);
    keys = cache;
    values = cache + pages * page;
    const std::vector<std::int32_t> order = random_permutation(pages, seed + 1);
    page_table = Device<std::int32_t>(order);
    // What earlier chunks wrote: whole pages here, so that the rest of the last one is what append writes, or poison.
    for (int p = 0; p < first_position / kPagePositions; p++) {
      fill_bf16<<<64, 256>>>(keys + order[p] * page, page, seed + 2 + p, 1);
      fill_bf16<<<64, 256>>>(values + order[p] * page, page, seed + 1000 + p, 1);
    }
    out = Device<std::uint16_t>(static_cast<std::size_t>(tokens) * shape.heads * shape.dims);
    rotary = Device<float2>(rotary_table(end, shape.dims));
    if (shape.dressed) {
      bias = Device<float>(random_floats(shape.width(), seed + 3000, 3));
      query_norm = Device<float>(random_floats(shape.dims, seed + 3001, 1));
      key_norm = Device<float>(random_floats(shape.dims, seed + 3002, 1));
    }
    CHECK(cudaDeviceSynchronize());
  }

  // `count` tokens from `from` on.
  PromptPiece part(int from, int count) const {
    PrefillAttention args{};
    args.qkv = qkv + static_cast<std::size_t>(from) * shape.width();
    args.head = {bias, query_norm, key_norm, kEpsilon};
    args.window = shape.window;
    args.heads = shape.heads;
    args.kv_heads = shape.kv_heads;
    args.keys = keys;
    args.values = values;
    args.first_value = static_cast<int>(cache.count() / shape.dims / 2);
    args.pages = page_table;
    args.rotary = rotary;
    args.scale = 1 / std::sqrt(static_cast<float>(shape.dims));
    args.out = out + static_cast<std::size_t>(from) * shape.heads * shape.dims;
    return PromptPiece(args, count, first_position + from);
  }
};

// Near f64, whatever lies behind the last position; the same bits however the chunk is cut.
// `attend(launcher, case, piece)` launches the kernel.
template <class Attend>
void check_prefill_attention(Report& report, const AttentionShape& shape, int first_position, int tokens, std::uint64_t seed,
                             const Launcher& launcher, const Attend& attend) {
  stage("check_prefill_attention");
  PrefillCase chunk(shape, first_position, tokens, seed);
  const PromptPiece whole = chunk.part(0, tokens);
  const std::vector<std::uint16_t> before = chunk.qkv.host();
  launch_append(launcher, whole, shape.dims);
  attend(launcher, chunk, whole);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  const std::vector<std::uint16_t> bits = chunk.out.host(), after = chunk.qkv.host(), keys = chunk.cache.host();
  const std::vector<std::int32_t> page_table = chunk.page_table.host();
  const std::vector<float2> rotary = chunk.rotary.host();

  // The last token's first query and key head, turned.
  std::vector<float> turned;
  std::vector<double> expected;
  const int last = first_position + tokens - 1, half = shape.dims / 2;
  for (const int head : {0, shape.heads}) {
    const std::size_t row = static_cast<std::size_t>(tokens - 1) * shape.width() + head * shape.dims;
    const std::size_t cached =
        (static_cast<std::size_t>(page_table[last / kPagePositions]) * shape.kv_heads * kPagePositions +
         last % kPagePositions) *
        shape.dims;
    std::vector<double> x(shape.dims);
    for (int d = 0; d < shape.dims; d++) x[d] = bf16_value(before[row + d]);
    if (shape.dressed) {
      const std::vector<float> of_bias = chunk.bias.host();
      const std::vector<float> norm = head == 0 ? chunk.query_norm.host() : chunk.key_norm.host();
      double square = 0;
      for (int d = 0; d < shape.dims; d++) {
        x[d] += of_bias[head * shape.dims + d];
        square += x[d] * x[d];
      }
      for (int d = 0; d < shape.dims; d++) x[d] *= norm[d] / std::sqrt(square / shape.dims + kEpsilon);
    }
    for (int d = 0; d < shape.dims; d++) {
      const float2 turn = rotary[static_cast<std::size_t>(last) * half + d % half];
      const double a = x[d % half], b = x[d % half + half];
      expected.push_back(d < half ? a * turn.x - b * turn.y : b * turn.x + a * turn.y);
      turned.push_back(bf16_value(head == 0 ? after[row + d] : keys[cached + d]));
    }
  }
  report.expect(relative_error(turned, expected) < 3e-3, "append: far from f64", relative_error(turned, expected));

  Device<double> reference(bits.size());
  reference_chunk<<<dim3(shape.heads, tokens), shape.dims, (last + 1) * sizeof(double)>>>(whole.args, reference);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  std::vector<float> outputs(bits.size());
  for (std::size_t i = 0; i < bits.size(); i++) outputs[i] = bf16_value(bits[i]);
  const double error = relative_error(outputs, reference.host());
  report.expect(error < 4e-3, "attention of prefill: far from f64", error);

  for (const int cut : {1, tokens / 3, tokens - 1}) {
    chunk.out.poison();
    const PromptPiece before_cut = chunk.part(0, cut), after_cut = chunk.part(cut, tokens - cut);
    attend(launcher, chunk, before_cut);
    attend(launcher, chunk, after_cut);
    CHECK(cudaDeviceSynchronize());
    report.expect(chunk.out.host() == bits, "attention of prefill: bits depend on the cut", cut);
  }
  std::printf("attention of prefill, %2d heads of %3d, %4d tokens from %4d, window %d: error %.1e\n", shape.heads,
              shape.dims, tokens, first_position, shape.window, error);
}

// Every row in the order that is asked for.
inline void check_shuffle(Report& report, int inputs, int tokens, std::uint64_t seed) {
  const std::vector<std::int32_t> order = random_permutation(inputs, seed);
  const Device<std::uint16_t> sources(std::vector<std::uint16_t>(order.begin(), order.end()));
  Device<std::uint16_t> x(static_cast<std::size_t>(tokens) * inputs), out(x.count());
  fill_bf16<<<256, 256>>>(x, x.count(), seed, 1);
  Launcher{}(shuffle, tokens, kShuffleThreads, inputs * 2, x, sources, inputs, inputs, out);
  CHECK(cudaDeviceSynchronize());
  const std::vector<std::uint16_t> from = x.host(), to = out.host();
  for (std::size_t i = 0; i < to.size(); i++) {
    if (to[i] == from[i / inputs * inputs + order[i % inputs]]) continue;
    report.expect(false, "shuffle", static_cast<double>(i));
    return;
  }
}

}  // namespace harness
