// The N:M mask: the N largest scores of each group, as bits in the shuffled order.
#include <algorithm>

#include "runtime/shuffled.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr std::size_t kRowsPerChunk = 32;

// Every group's positions in ascending order of their channels, as [m][group]: ties go to the lower channel.
struct Columns {
  std::vector<std::uint32_t> channel;
  std::vector<std::uint32_t> position;
};

Columns by_channel(const Shuffled& shape) {
  const std::size_t groups = shape.groups();
  Columns columns{std::vector<std::uint32_t>(shape.cols), std::vector<std::uint32_t>(shape.cols)};
  std::uint32_t slots[kMaxGroup];
  for (std::size_t g = 0; g < groups; g++) {
    for (std::size_t m = 0; m < shape.group; m++) slots[m] = static_cast<std::uint32_t>(g * shape.group + m);
    std::sort(slots, slots + shape.group,
              [&](std::uint32_t a, std::uint32_t b) { return shape.order[a] < shape.order[b]; });
    for (std::size_t m = 0; m < shape.group; m++) {
      columns.channel[m * groups + g] = shape.order[slots[m]];
      columns.position[m * groups + g] = slots[m];
    }
  }
  return columns;
}

// kept[m][g] = 1 where fewer than `keep` scores of the group come before score m.
ESPARSE_SIMD_CLONES
void rank(const float (*values)[kGroupsAtOnce], std::size_t keep, std::size_t group,
          std::uint32_t (*kept)[kGroupsAtOnce]) {
  const auto limit = static_cast<std::uint32_t>(keep);
  for (std::size_t m = 0; m < group; m++) {
    std::uint32_t before[kGroupsAtOnce] = {};
    for (std::size_t other = 0; other < m; other++) {
      for (std::size_t g = 0; g < kGroupsAtOnce; g++) before[g] += values[other][g] >= values[m][g] ? 1 : 0;
    }
    for (std::size_t other = m + 1; other < group; other++) {
      for (std::size_t g = 0; g < kGroupsAtOnce; g++) before[g] += values[other][g] > values[m][g] ? 1 : 0;
    }
    for (std::size_t g = 0; g < kGroupsAtOnce; g++) kept[m][g] = before[g] < limit ? 1 : 0;
  }
}

void mask_row(const Shuffled& shape, const Columns& columns, const float* row, std::uint8_t* bits) {
  const std::size_t groups = shape.groups();
  for (std::size_t first = 0; first < groups; first += kGroupsAtOnce) {
    const std::size_t count = std::min(kGroupsAtOnce, groups - first);
    float values[kMaxGroup][kGroupsAtOnce] = {};
    std::uint32_t kept[kMaxGroup][kGroupsAtOnce];
    for (std::size_t m = 0; m < shape.group; m++) {
      for (std::size_t g = 0; g < count; g++) values[m][g] = row[columns.channel[m * groups + first + g]];
    }
    rank(values, shape.keep, shape.group, kept);
    for (std::size_t m = 0; m < shape.group; m++) {
      for (std::size_t g = 0; g < count; g++) {
        const std::uint32_t position = columns.position[m * groups + first + g];
        bits[position >> 3] = static_cast<std::uint8_t>(bits[position >> 3] | (kept[m][g] << (position & 7)));
      }
    }
  }
}

struct MaskArguments : ShuffledArguments {
  Span<float> scores;      // (rows, cols)
  Span<std::uint8_t> out;  // (rows, cols bits), zeros: bits are set, none is cleared
  template <typename Each>
  void fields(Each& each) {
    each("scores", scores), ShuffledArguments::fields(each), each("out", out);
  }
};

Napi::Value mask_of(Call& call, const MaskArguments& a) {
  const auto shape = checked(call, a);
  const auto scores = a.scores;
  const auto out = a.out;
  const std::size_t row_bytes = (a.cols + 7) / 8;
  call.exactly("scores", scores, a.rows * a.cols);
  call.exactly("out", out, a.rows * row_bytes);
  if (call.failed()) return call.nothing();
  auto columns = std::make_shared<const Columns>(by_channel(*shape));
  const std::size_t chunks = (shape->rows + kRowsPerChunk - 1) / kRowsPerChunk;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(shape->rows, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t r = begin; r < end; r++) {
            mask_row(*shape, *columns, scores.data + r * shape->cols, out.data + r * row_bytes);
          }
        });
      });
}

}  // namespace

void register_mask(Napi::Object exports) {
  add_kernel(exports, "maskOf", mask_of);
}

}  // namespace esparse
