// The small kernels as JavaScript calls them: synchronous, the work spread over the compute threads.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "runtime/half.h"
#include "runtime/simd.h"
#include "runtime/parallel.h"
#include "scratch.h"
#include "small.h"
#include "runtime/sync_call.h"

namespace esparse {
namespace {

// Elements of work that are worth a thread of their own: some ten microseconds.
constexpr std::size_t kWorth = 1 << 15;

// Runs body(begin, end) over [0, count), in parts where each item is `each` elements of work.
template <typename Body>
void split(std::size_t count, std::size_t each, Body body) {
  const std::size_t parts = std::min(count, count * each / kWorth);
  if (parts <= 1) return body(0, count);
  parallel_for(parts, [&](std::size_t part) { body(count * part / parts, count * (part + 1) / parts); });
}

// rmsNorm(x, weight, epsilon, tokens, y): void
Napi::Value rms_norm(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t tokens = call.size(3);
  const auto weight = call.array<float>(1);
  const std::size_t channels = weight.length;
  const auto x = call.array<float>(0, tokens * channels);
  const auto y = call.array<float>(4, tokens * channels);
  const float epsilon = static_cast<float>(call.number(2));
  if (call.failed()) return info.Env().Undefined();
  const auto run = small_kernels().rms_norm;
  split(tokens, channels, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      run(x.data + t * channels, weight.data, epsilon, channels, y.data + t * channels);
    }
  });
  return info.Env().Undefined();
}

// layerNorm(x, weight, bias, epsilon, tokens, y): void
Napi::Value layer_norm(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t tokens = call.size(4);
  const auto weight = call.array<float>(1);
  const std::size_t channels = weight.length;
  const auto bias = call.array<float>(2, channels);
  const auto x = call.array<float>(0, tokens * channels);
  const auto y = call.array<float>(5, tokens * channels);
  const float epsilon = static_cast<float>(call.number(3));
  if (call.failed()) return info.Env().Undefined();
  const auto run = small_kernels().layer_norm;
  split(tokens, channels, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      run(x.data + t * channels, weight.data, bias.data, epsilon, channels, y.data + t * channels);
    }
  });
  return info.Env().Undefined();
}

ESPARSE_SIMD_CLONES
void turn(const float* x, const float* cos, const float* sin, std::size_t half, float* y) {
  for (std::size_t j = 0; j < half; j++) {
    const float a = x[j], b = x[j + half];
    y[j] = a * cos[j] - b * sin[j];
    y[j + half] = b * cos[j] + a * sin[j];
  }
}

// rope(x, heads, headDim, cos, sin, positions, tokens, y): void
Napi::Value rope(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t heads = call.size(1), dim = call.size(2), tokens = call.size(6);
  const std::size_t half = dim / 2, width = heads * dim;
  const auto x = call.array<float>(0, tokens * width);
  const auto y = call.array<float>(7, tokens * width);
  const auto positions = call.array<std::int32_t>(5, tokens);
  const auto cos = call.array<float>(3);
  const auto sin = call.array<float>(4, cos.length);
  if (call.failed()) return info.Env().Undefined();
  for (std::size_t t = 0; t < tokens; t++) {
    const std::int32_t position = positions.data[t];
    if (position < 0 || (static_cast<std::size_t>(position) + 1) * half > cos.length) {
      call.refuse(5, "position " + std::to_string(position) + " is beyond the tables");
      return info.Env().Undefined();
    }
  }
  split(tokens, width, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      const std::size_t row = static_cast<std::size_t>(positions.data[t]) * half;
      for (std::size_t h = 0; h < heads; h++) {
        const std::size_t at = t * width + h * dim;
        turn(x.data + at, cos.data + row, sin.data + row, half, y.data + at);
      }
    }
  });
  return info.Env().Undefined();
}

// gatedSilu(gate, up, count, y): void
Napi::Value gated_silu(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t count = call.size(2);
  const auto gate = call.array<float>(0, count);
  const auto up = call.array<float>(1, count);
  const auto y = call.array<float>(3, count);
  if (call.failed()) return info.Env().Undefined();
  const auto run = small_kernels().gated_silu;
  const std::size_t lines = (count + 15) / 16;
  split(lines, 64, [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * 16;
    run(gate.data + from, up.data + from, std::min(count, end * 16) - from, y.data + from);
  });
  return info.Env().Undefined();
}

ESPARSE_SIMD_CLONES
void add_all(const float* a, const float* b, std::size_t count, float* y) {
  for (std::size_t i = 0; i < count; i++) y[i] = a[i] + b[i];
}

// add(a, b, count, y): void
Napi::Value add(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t count = call.size(2);
  const auto a = call.array<float>(0, count);
  const auto b = call.array<float>(1, count);
  const auto y = call.array<float>(3, count);
  if (call.failed()) return info.Env().Undefined();
  split(count, 1, [&](std::size_t begin, std::size_t end) {
    add_all(a.data + begin, b.data + begin, end - begin, y.data + begin);
  });
  return info.Env().Undefined();
}

ESPARSE_SIMD_CLONES
void rectify(const float* x, std::size_t count, float* y) {
  // NaN stays NaN.
  for (std::size_t i = 0; i < count; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

// relu(x, count, y): void
Napi::Value relu(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t count = call.size(1);
  const auto x = call.array<float>(0, count);
  const auto y = call.array<float>(2, count);
  if (call.failed()) return info.Env().Undefined();
  split(count, 1, [&](std::size_t begin, std::size_t end) { rectify(x.data + begin, end - begin, y.data + begin); });
  return info.Env().Undefined();
}

ESPARSE_SIMD_CLONES
void widen_bf16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = Bf16::widen(from[i]);
}

ESPARSE_SIMD_CLONES
void widen_f16(const std::uint16_t* from, std::uint32_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = F16::widen(from[i]);
}

// gatherRows(kind: 0 bf16 | 1 f16 | 2 f32, table, cols, rows: Uint32Array, count, y): void
Napi::Value gather_rows(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const std::size_t kind = call.size(0), cols = call.size(2), count = call.size(4);
  const auto rows = call.array<std::uint32_t>(3, count);
  const auto y = call.array<float>(5, count * cols);
  const auto halves = kind == 2 ? Span<std::uint16_t>{} : call.array<std::uint16_t>(1);
  const auto floats = kind == 2 ? call.array<float>(1) : Span<float>{};
  if (call.failed()) return info.Env().Undefined();
  const std::size_t length = kind == 2 ? floats.length : halves.length;
  for (std::size_t i = 0; i < count; i++) {
    if ((static_cast<std::size_t>(rows.data[i]) + 1) * cols > length) {
      call.refuse(3, "there is no row " + std::to_string(rows.data[i]));
      return info.Env().Undefined();
    }
  }
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t from = static_cast<std::size_t>(rows.data[i]) * cols;
    float* to = y.data + i * cols;
    if (kind == 2) std::memcpy(to, floats.data + from, cols * sizeof(float));
    else (kind == 0 ? widen_bf16 : widen_f16)(halves.data + from, reinterpret_cast<std::uint32_t*>(to), cols);
  }
  return info.Env().Undefined();
}

// Where a call's tokens stand in their sequences, and the shape of the cache.
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

// attention(query, key, value, cache, heads, kvHeads, headDim, scale, positions, tables, pageTable, tokens, out): void
Napi::Value attention(const Napi::CallbackInfo& info) {
  SyncCall call(info);
  const Cache shape{call.size(4), call.size(5), call.size(6), nullptr};
  const std::size_t tokens = call.size(11);
  const std::size_t width = shape.heads * shape.dim, kv_width = shape.kv_heads * shape.dim;
  const auto query = call.array<float>(0, tokens * width);
  const auto key = call.array<float>(1, tokens * kv_width);
  const auto value = call.array<float>(2, tokens * kv_width);
  const auto memory = call.array<float>(3);
  const auto positions = call.array<std::int32_t>(8, tokens);
  const auto tables = call.array<std::int32_t>(9, tokens);
  const auto pages = call.array<std::int32_t>(10);
  const auto out = call.array<float>(12, tokens * width);
  const float scale = static_cast<float>(call.number(7));
  if (!call.failed() && (shape.kv_heads == 0 || shape.heads % shape.kv_heads != 0)) {
    call.refuse(5, "the heads are not a multiple of it");
  }
  if (call.failed()) return info.Env().Undefined();
  const Cache cache{shape.heads, shape.kv_heads, shape.dim, memory.data};
  std::size_t work = 0;
  for (std::size_t t = 0; t < tokens; t++) {
    const std::size_t last = static_cast<std::size_t>(positions.data[t]) / kPageTokens;
    const std::size_t table = static_cast<std::size_t>(tables.data[t]);
    bool inside = positions.data[t] >= 0 && tables.data[t] >= 0 && table + last < pages.length;
    for (std::size_t p = 0; inside && p <= last; p++) {
      const std::int32_t page = pages.data[table + p];
      inside = page >= 0 && (static_cast<std::size_t>(page) + 1) * cache.page_floats() <= memory.length;
    }
    if (!inside) {
      call.refuse(10, "token " + std::to_string(t) + " has no pages in the cache");
      return info.Env().Undefined();
    }
    work += (static_cast<std::size_t>(positions.data[t]) + 1) * width;
  }
  for (std::size_t t = 0; t < tokens; t++) {
    const std::size_t position = static_cast<std::size_t>(positions.data[t]);
    const std::int32_t page = pages.data[static_cast<std::size_t>(tables.data[t]) + position / kPageTokens];
    append(cache, key.data + t * kv_width, value.data + t * kv_width, page, position % kPageTokens);
  }
  // A unit is one token with up to four heads of one key-value head.
  const std::size_t group = cache.heads / cache.kv_heads;
  const std::size_t per_group = (group + kMaxHeads - 1) / kMaxHeads;
  const std::size_t per_token = cache.kv_heads * per_group;
  const auto run = small_kernels().attend;
  split(tokens * per_token, work / (tokens * per_token), [&](std::size_t begin, std::size_t end) {
    static thread_local Scratch scratch;
    for (std::size_t unit = begin; unit < end; unit++) {
      const std::size_t t = unit / per_token;
      const std::size_t kv_head = unit % per_token / per_group;
      const std::size_t first = unit % per_group * kMaxHeads;
      const std::size_t heads = std::min(kMaxHeads, group - first);
      const std::size_t at = t * width + (kv_head * group + first) * cache.dim;
      const std::size_t seen = static_cast<std::size_t>(positions.data[t]) + 1;
      run({query.data + at, out.data + at, heads, cache.dim, scale, cache.data, cache.page_floats(),
           cache.keys_of(kv_head), cache.values_of(kv_head), pages.data + tables.data[t], seen,
           scratch.floats(scratch_floats(heads, cache.dim, seen))});
    }
  });
  return info.Env().Undefined();
}

}  // namespace

void register_small(Napi::Env env, Napi::Object exports) {
  exports.Set("rmsNorm", Napi::Function::New(env, rms_norm));
  exports.Set("layerNorm", Napi::Function::New(env, layer_norm));
  exports.Set("rope", Napi::Function::New(env, rope));
  exports.Set("gatedSilu", Napi::Function::New(env, gated_silu));
  exports.Set("add", Napi::Function::New(env, add));
  exports.Set("relu", Napi::Function::New(env, relu));
  exports.Set("gatherRows", Napi::Function::New(env, gather_rows));
  exports.Set("attention", Napi::Function::New(env, attention));
}

}  // namespace esparse
