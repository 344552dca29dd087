// N:M weights to and from the packed layout, version 1 (see src/runtime/packed-layout.ts).
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

// The arguments that packing and unpacking share.
struct PackedArguments : ShuffledArguments {
  std::size_t bits;  // of a position; 0 means the mask encoding
  Span<std::uint16_t> values;
  Span<std::uint8_t> indices;
  template <typename Each>
  void fields(Each& each) {
    ShuffledArguments::fields(each), each("bits", bits), each("values", values), each("indices", indices);
  }
};

struct Packed {
  std::shared_ptr<const Shuffled> shape;
  std::size_t bits = 0;
  Span<std::uint16_t> values;
  Span<std::uint8_t> indices;
  std::size_t tiles() const { return (shape->rows + kTileRows - 1) / kTileRows; }
  std::size_t group_values() const { return kTileRows * shape->keep; }
  std::size_t group_bytes() const { return bits == 0 ? 2 * shape->group : 2 * bits * shape->keep; }
};

Packed checked_packed(Call& call, const PackedArguments& a) {
  const Packed packed{checked(call, a), a.bits, a.values, a.indices};
  call.at_most("bits", a.bits, kMaxBits);
  if (call.failed()) return packed;
  const std::size_t count = packed.tiles() * packed.shape->groups();
  call.exactly("values", a.values, count * packed.group_values());
  call.exactly("indices", a.indices, count * packed.group_bytes());
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

struct PackArguments : PackedArguments {
  Span<std::uint16_t> weights;  // (rows, cols)
  Span<std::uint8_t> mask;      // (rows, cols bits)
  template <typename Each>
  void fields(Each& each) {
    each("weights", weights), each("mask", mask), PackedArguments::fields(each);
  }
};

// Resolves to the first tile * groups + group whose mask does not keep N of M, or -1.
Napi::Value pack(Call& call, const PackArguments& a) {
  const Packed packed = checked_packed(call, a);
  const auto weights = a.weights;
  const auto mask = a.mask;
  call.exactly("weights", weights, a.rows * a.cols);
  call.exactly("mask", mask, a.rows * ((a.cols + 7) / 8));
  if (call.failed()) return call.nothing();
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

struct UnpackArguments : PackedArguments {
  Dtype dtype;       // of the values, where `out` is f32: bf16 or f16
  StoredFloats out;  // (rows, cols), zeros; 16 bits get the values as they are
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("out", out), PackedArguments::fields(each);
  }
};

// Resolves to the first tile * groups + group that `pack` cannot have written, or -1.
Napi::Value unpack(Call& call, const UnpackArguments& a) {
  const Packed packed = checked_packed(call, a);
  const auto out = a.out;
  const Dtype dtype = a.dtype;
  if (out.length() != a.rows * a.cols) call.refuse("out", "it has not one element a weight");
  if (call.failed()) return call.nothing();
  auto wrong = std::make_shared<std::atomic<std::uint64_t>>(kAllGood);
  return call.promise(
      packed.tiles(),
      [=](std::size_t tile) {
        const auto bf16 = [](std::uint16_t half) { return float_of(Bf16::widen(half)); };
        const auto f16 = [](std::uint16_t half) { return float_of(F16::widen(half)); };
        const auto same = [](std::uint16_t half) { return half; };
        if (!out.wide()) unpack_tile(packed, out.halves.data, tile, wrong, same);
        else if (dtype == kBf16) unpack_tile(packed, out.floats.data, tile, wrong, bf16);
        else unpack_tile(packed, out.floats.data, tile, wrong, f16);
      },
      [wrong](Napi::Env env) { return first_wrong(env, wrong); });
}

}  // namespace

void register_pack(Napi::Object exports) {
  add_kernel(exports, "pack", pack);
  add_kernel(exports, "unpack", unpack);
}

}  // namespace esparse
