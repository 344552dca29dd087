// N:M weights to and from the packed layout, version 1 (docs: src/packed-layout.ts).
#include <algorithm>
#include <atomic>

#include "runtime/half.h"
#include "runtime/shuffled.h"

namespace esparse {
namespace {

constexpr std::size_t kTileRows = 16;
// A position in a group of kMaxGroup.
constexpr std::size_t kMaxBits = 4;
// No group is wrong.
constexpr std::uint64_t kAllGood = ~0ull;

// Where a job keeps the first (tile, group) that is wrong: the same one whichever thread saw it.
using FirstWrong = std::shared_ptr<std::atomic<std::uint64_t>>;

void report(const FirstWrong& wrong, std::uint64_t index) {
  std::uint64_t seen = wrong->load();
  while (index < seen && !wrong->compare_exchange_weak(seen, index)) {
  }
}

Napi::Value first_wrong(Napi::Env env, const FirstWrong& wrong) {
  const std::uint64_t index = wrong->load();
  return Napi::Number::New(env, index == kAllGood ? -1.0 : static_cast<double>(index));
}

// The arguments that packing and unpacking share; `bits` = 0 means the mask encoding.
struct Packed {
  std::shared_ptr<const Shuffled> shape;
  std::size_t bits = 0;
  Span<std::uint16_t> values;
  Span<std::uint8_t> indices;
  std::size_t tiles() const { return (shape->rows + kTileRows - 1) / kTileRows; }
  std::size_t group_values() const { return kTileRows * shape->keep; }
  std::size_t group_bytes() const { return bits == 0 ? 2 * shape->group : 2 * bits * shape->keep; }
};

Packed take_packed(Call& call, Napi::Env env, std::size_t first) {
  Packed packed;
  packed.shape = take_shuffled(call, env, first);
  packed.bits = call.size(first + 5);
  if (!call.failed() && packed.bits > kMaxBits) {
    Napi::RangeError::New(env, "a position of more than 4 bits").ThrowAsJavaScriptException();
  }
  if (call.failed()) return packed;
  const std::size_t count = packed.tiles() * packed.shape->groups();
  packed.values = call.array<std::uint16_t>(first + 6, count * packed.group_values());
  packed.indices = call.array<std::uint8_t>(first + 7, count * packed.group_bytes());
  return packed;
}

// The kept positions of one group for the 16 rows of a tile, as one word of `group` bits per row.
using Kept = std::uint32_t[kTileRows];

std::uint32_t group_bits(const std::uint8_t* row, std::size_t row_bytes, std::size_t bit, std::size_t group) {
  const std::size_t byte = bit >> 3;
  std::uint32_t word = row[byte];
  if (byte + 1 < row_bytes) word |= static_cast<std::uint32_t>(row[byte + 1]) << 8;
  if (byte + 2 < row_bytes) word |= static_cast<std::uint32_t>(row[byte + 2]) << 16;
  return (word >> (bit & 7)) & ((1u << group) - 1);
}

std::size_t count_bits(std::uint32_t word) {
  std::size_t count = 0;
  for (; word != 0; word &= word - 1) count++;
  return count;
}

// The 16 rows of one group: rows[r] = its dense row, or null where the tile is padded.
void pack_group(const Packed& packed, const Kept kept, const std::uint16_t* const* rows,
                const std::uint32_t* channels, std::uint16_t* values, std::uint8_t* indices) {
  const std::size_t group = packed.shape->group, bits = packed.bits;
  if (bits == 0) {
    for (std::size_t m = 0; m < group; m++) {
      std::uint32_t who = 0;
      for (std::size_t r = 0; r < kTileRows; r++) {
        if (((kept[r] >> m) & 1) == 0) continue;
        who |= 1u << r;
        *values++ = rows[r] == nullptr ? 0 : rows[r][channels[m]];
      }
      indices[2 * m] = static_cast<std::uint8_t>(who);
      indices[2 * m + 1] = static_cast<std::uint8_t>(who >> 8);
    }
    return;
  }
  std::uint64_t strings[kMaxGroup] = {};  // one of 16 * bits bits for each slot
  for (std::size_t r = 0; r < kTileRows; r++) {
    std::size_t slot = 0;
    for (std::size_t m = 0; m < group; m++) {
      if (((kept[r] >> m) & 1) == 0) continue;
      values[slot * kTileRows + r] = rows[r] == nullptr ? 0 : rows[r][channels[m]];
      strings[slot++] |= static_cast<std::uint64_t>(m) << (r * bits);
    }
  }
  for (std::size_t slot = 0; slot < packed.shape->keep; slot++) {
    for (std::size_t b = 0; b < 2 * bits; b++) {
      *indices++ = static_cast<std::uint8_t>(strings[slot] >> (8 * b));
    }
  }
}

void pack_tile(const Packed& packed, const std::uint16_t* weights, const std::uint8_t* mask, std::size_t tile,
               const FirstWrong& wrong) {
  const Shuffled& shape = *packed.shape;
  const std::size_t row_bytes = (shape.cols + 7) / 8;
  const std::uint16_t* rows[kTileRows];
  for (std::size_t r = 0; r < kTileRows; r++) {
    const std::size_t row = tile * kTileRows + r;
    rows[r] = row < shape.rows ? weights + row * shape.cols : nullptr;
  }
  for (std::size_t g = 0; g < shape.groups(); g++) {
    const std::size_t index = tile * shape.groups() + g;
    Kept kept;
    bool right = true;
    for (std::size_t r = 0; r < kTileRows; r++) {
      kept[r] = rows[r] == nullptr ? (1u << shape.keep) - 1
                                   : group_bits(mask + (tile * kTileRows + r) * row_bytes, row_bytes,
                                                g * shape.group, shape.group);
      right = right && count_bits(kept[r]) == shape.keep;
    }
    if (!right) {
      report(wrong, index);
      continue;
    }
    pack_group(packed, kept, rows, shape.order.data() + g * shape.group,
               packed.values.data + index * packed.group_values(),
               packed.indices.data + index * packed.group_bytes());
  }
}

// pack(weights, mask, rows, cols, permutation, keep, group, bits, values, indices): Promise<number>
// Resolves to the first tile * groups + group whose mask does not keep N of M, or -1.
Napi::Value pack(const Napi::CallbackInfo& info) {
  Call call(info);
  const Packed packed = take_packed(call, info.Env(), 2);
  const Shuffled& shape = *packed.shape;
  const auto weights = call.array<std::uint16_t>(0, shape.rows * shape.cols);
  const auto mask = call.array<std::uint8_t>(1, shape.rows * ((shape.cols + 7) / 8));
  if (call.failed()) return info.Env().Undefined();
  auto wrong = std::make_shared<std::atomic<std::uint64_t>>(kAllGood);
  return call.promise(
      packed.tiles(),
      [=](std::size_t tile) { pack_tile(packed, weights.data, mask.data, tile, wrong); },
      [wrong](Napi::Env env) { return first_wrong(env, wrong); });
}

// Reads the kept positions of one group; returns whether they are what `pack` writes: N of M for every row,
// ascending, and the first N for the padded rows.
bool read_kept(const Packed& packed, const std::uint8_t* indices, std::size_t rows, Kept kept) {
  const std::size_t group = packed.shape->group, keep = packed.shape->keep, bits = packed.bits;
  std::fill(kept, kept + kTileRows, 0u);
  if (bits == 0) {
    for (std::size_t m = 0; m < group; m++) {
      const std::uint32_t who = indices[2 * m] | static_cast<std::uint32_t>(indices[2 * m + 1]) << 8;
      for (std::size_t r = 0; r < kTileRows; r++) kept[r] |= ((who >> r) & 1) << m;
    }
  } else {
    for (std::size_t slot = 0; slot < keep; slot++) {
      std::uint64_t string = 0;
      for (std::size_t b = 0; b < 2 * bits; b++) string |= static_cast<std::uint64_t>(*indices++) << (8 * b);
      for (std::size_t r = 0; r < kTileRows; r++) {
        const auto m = static_cast<std::uint32_t>((string >> (r * bits)) & ((1u << bits) - 1));
        // A position not above those before it would be lost or taken twice.
        if (m >= group || (kept[r] >> m) != 0) return false;
        kept[r] |= 1u << m;
      }
    }
  }
  for (std::size_t r = 0; r < kTileRows; r++) {
    if (r < rows ? count_bits(kept[r]) != keep : kept[r] != (1u << keep) - 1) return false;
  }
  return true;
}

template <typename Out, typename Convert>
void unpack_tile(const Packed& packed, Out* dense, std::size_t tile, const FirstWrong& wrong, Convert convert) {
  const Shuffled& shape = *packed.shape;
  const std::size_t rows = std::min(kTileRows, shape.rows - tile * kTileRows);
  Out* out = dense + tile * kTileRows * shape.cols;
  for (std::size_t g = 0; g < shape.groups(); g++) {
    const std::size_t index = tile * shape.groups() + g;
    const std::uint16_t* values = packed.values.data + index * packed.group_values();
    const std::uint32_t* channels = shape.order.data() + g * shape.group;
    Kept kept;
    if (!read_kept(packed, packed.indices.data + index * packed.group_bytes(), rows, kept)) {
      report(wrong, index);
      continue;
    }
    bool right = true;
    const auto put = [&](std::size_t r, std::size_t m, std::uint16_t value) {
      if (r < rows) out[r * shape.cols + channels[m]] = convert(value);
      else right = right && value == 0;
    };
    if (packed.bits == 0) {
      for (std::size_t m = 0; m < shape.group; m++) {
        for (std::size_t r = 0; r < kTileRows; r++) {
          if ((kept[r] >> m) & 1) put(r, m, *values++);
        }
      }
    } else {
      for (std::size_t r = 0; r < kTileRows; r++) {
        std::size_t slot = 0;
        for (std::size_t m = 0; m < shape.group; m++) {
          if ((kept[r] >> m) & 1) put(r, m, values[slot++ * kTileRows + r]);
        }
      }
    }
    if (!right) report(wrong, index);
  }
}

// unpack(kind: 0 bits | 1 bf16 to f32 | 2 f16 to f32, out: Uint16Array | Float32Array, zeros, rows, cols,
// permutation, keep, group, bits, values, indices): Promise<number>
// Resolves to the first tile * groups + group that `pack` cannot have written, or -1.
Napi::Value unpack(const Napi::CallbackInfo& info) {
  Call call(info);
  const std::size_t kind = call.size(0);
  const Packed packed = take_packed(call, info.Env(), 2);
  const std::size_t weights = packed.shape->rows * packed.shape->cols;
  const auto bits = kind == 0 ? call.array<std::uint16_t>(1, weights) : Span<std::uint16_t>{};
  const auto floats = kind == 0 ? Span<float>{} : call.array<float>(1, weights);
  if (call.failed()) return info.Env().Undefined();
  auto wrong = std::make_shared<std::atomic<std::uint64_t>>(kAllGood);
  return call.promise(
      packed.tiles(),
      [=](std::size_t tile) {
        const auto bf16 = [](std::uint16_t half) { return float_of(Bf16::widen(half)); };
        const auto f16 = [](std::uint16_t half) { return float_of(F16::widen(half)); };
        const auto same = [](std::uint16_t half) { return half; };
        if (kind == 0) unpack_tile(packed, bits.data, tile, wrong, same);
        else if (kind == 1) unpack_tile(packed, floats.data, tile, wrong, bf16);
        else unpack_tile(packed, floats.data, tile, wrong, f16);
      },
      [wrong](Napi::Env env) { return first_wrong(env, wrong); });
}

}  // namespace

void register_pack(Napi::Env env, Napi::Object exports) {
  exports.Set("pack", Napi::Function::New(env, pack));
  exports.Set("unpack", Napi::Function::New(env, unpack));
}

}  // namespace esparse
