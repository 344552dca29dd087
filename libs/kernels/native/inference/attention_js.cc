// Attention over the paged cache: see src/inference/attention.ts.
#include <cstring>

#include "compute_argument.h"
#include "runtime/kernel.h"
#include "scratch.h"
#include "split.h"

namespace esparse {
namespace {

// The cache and its shape.
struct Cache {
  std::size_t heads, kv_heads, dim;
  float* data;
  std::size_t page_floats() const { return 2 * kv_heads * dim * kPageTokens; }
  std::size_t keys_of(std::size_t kv_head) const { return kv_head * dim * kPageTokens; }
  std::size_t values_of(std::size_t kv_head) const { return (kv_heads + kv_head) * dim * kPageTokens; }
};

void append(const Cache& cache, const float* key, const float* value, std::int32_t page, std::size_t slot) {
  float* base = cache.data + static_cast<std::size_t>(page) * cache.page_floats();
  for (std::size_t h = 0; h < cache.kv_heads; h++) {
    float* keys = base + cache.keys_of(h) + slot;
    for (std::size_t d = 0; d < cache.dim; d++) keys[d * kPageTokens] = key[h * cache.dim + d];
    std::memcpy(base + cache.values_of(h) + slot * cache.dim, value + h * cache.dim, cache.dim * sizeof(float));
  }
}

struct AttentionArguments {
  const Compute* compute;
  Span<float> query;       // (tokens, heads, headDim)
  Span<float> key, value;  // (tokens, kvHeads, headDim)
  Span<float> cache;       // (pages, ...)
  std::size_t heads, kv_heads, head_dim;
  double scale;
  Optional<float> sinks;  // (heads)
  std::size_t window;  // positions that a token sees, its own the last; 0: all before it
  Span<std::int32_t> positions;           // (tokens): each token's place in its sequence
  Span<std::int32_t> page_table_offsets;  // (tokens): where in the page table its sequence begins
  Span<std::int32_t> page_table;
  std::size_t tokens;
  Span<float> out;  // (tokens, heads, headDim)
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("query", query), each("key", key), each("value", value), each("cache", cache);
    each("heads", heads), each("kvHeads", kv_heads), each("headDim", head_dim), each("scale", scale), each("sinks", sinks);
    each("window", window);
    each("positions", positions), each("pageTableOffsets", page_table_offsets), each("pageTable", page_table);
    each("tokens", tokens), each("out", out);
  }
};

// The first position that a token sees.
std::size_t first_seen(std::size_t position, std::size_t window) {
  return window == 0 || position < window ? 0 : position + 1 - window;
}

// Refuses a token whose pages up to its position are not all in the cache.
void check_pages(Call& call, const AttentionArguments& a, std::size_t page_floats) {
  for (std::size_t t = 0; !call.failed() && t < a.tokens; t++) {
    const std::size_t last = static_cast<std::size_t>(a.positions.data[t]) / kPageTokens;
    const auto table = static_cast<std::size_t>(a.page_table_offsets.data[t]);
    bool inside = a.positions.data[t] >= 0 && a.page_table_offsets.data[t] >= 0 && table + last < a.page_table.length;
    for (std::size_t p = 0; inside && p <= last; p++) {
      const std::int32_t page = a.page_table.data[table + p];
      inside = page >= 0 && (static_cast<std::size_t>(page) + 1) * page_floats <= a.cache.length;
    }
    if (!inside) call.refuse("pageTable", "token " + std::to_string(t) + " has no pages in the cache");
  }
}

Napi::Value attention(Call& call, const AttentionArguments& a) {
  const std::size_t tokens = a.tokens, width = a.heads * a.head_dim, kv_width = a.kv_heads * a.head_dim;
  call.at_least("query", a.query, tokens * width);
  call.at_least("key", a.key, tokens * kv_width);
  call.at_least("value", a.value, tokens * kv_width);
  if (a.sinks.data != nullptr) call.exactly("sinks", a.sinks, a.heads);
  call.at_least("positions", a.positions, tokens);
  call.at_least("pageTableOffsets", a.page_table_offsets, tokens);
  call.at_least("out", a.out, tokens * width);
  if (a.heads == 0 || a.kv_heads == 0 || a.heads % a.kv_heads != 0) call.refuse("kvHeads", "the heads are not a multiple of it");
  const Cache cache{a.heads, a.kv_heads, a.head_dim, a.cache.data};
  check_pages(call, a, cache.page_floats());
  if (call.failed() || tokens == 0) return call.nothing();
  std::size_t work = 0;
  for (std::size_t t = 0; t < tokens; t++) {
    const auto position = static_cast<std::size_t>(a.positions.data[t]);
    const std::int32_t* pages = a.page_table.data + a.page_table_offsets.data[t];
    append(cache, a.key.data + t * kv_width, a.value.data + t * kv_width, pages[position / kPageTokens],
           position % kPageTokens);
    work += (position + 1 - first_seen(position, a.window)) * width;
  }
  // A unit is one token with up to four heads of one key-value head.
  const std::size_t group = cache.heads / cache.kv_heads;
  const std::size_t per_group = (group + kMaxHeads - 1) / kMaxHeads;
  const std::size_t per_token = cache.kv_heads * per_group;
  const auto run = a.compute->vector->attend;
  split(a.compute->threads, tokens * per_token, work / (tokens * per_token), [&](std::size_t begin, std::size_t end) {
    static thread_local Scratch scratch;
    for (std::size_t unit = begin; unit < end; unit++) {
      const std::size_t t = unit / per_token;
      const std::size_t kv_head = unit % per_token / per_group;
      const std::size_t first = unit % per_group * kMaxHeads;
      const std::size_t heads = std::min(kMaxHeads, group - first);
      const std::size_t at = t * width + (kv_head * group + first) * cache.dim;
      const auto position = static_cast<std::size_t>(a.positions.data[t]);
      const std::size_t first_position = first_seen(position, a.window);
      // From the page on in which the window begins.
      const std::size_t page = first_position / kPageTokens;
      const std::size_t skipped = first_position % kPageTokens, seen = position + 1 - page * kPageTokens;
      run({a.query.data + at, a.out.data + at, heads, cache.dim, static_cast<float>(a.scale),
           a.sinks.data == nullptr ? nullptr : a.sinks.data + kv_head * group + first, cache.data,
           cache.page_floats(), cache.keys_of(kv_head), cache.values_of(kv_head),
           a.page_table.data + a.page_table_offsets.data[t] + page, skipped, seen, scratch.floats(scratch_floats(heads, cache.dim, seen))});
    }
  });
  return call.nothing();
}

}  // namespace

void register_attention(Napi::Object exports) { add_kernel(exports, "attention", attention); }

}  // namespace esparse
