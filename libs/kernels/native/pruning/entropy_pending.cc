// Rows wait before they are counted: a visit to a channel's histogram costs 20 KB read and written, whatever the rows.
#include "entropy_pending.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

// Histograms counted side by side, so that a run of equal values in one of them does not stall the others.
constexpr std::size_t kAbreast = 4;
// Rows whose slots are turned from rows to columns at a time.
constexpr std::size_t kTurned = 16;

inline std::int32_t bits_of(float x) {
  std::int32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

inline float float_of_bits(std::int32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

// A value's slot, above its position. `scale` is 2^-e.
inline std::uint32_t slot_of(float x, float scale) {
  // bits(y) >> kShift counts the bins of all octaves; from y = 2^(kMantissaBits - kOctaves), where place kInner is.
  constexpr int kShift = kFractionBits - kMantissaBits;
  constexpr std::int32_t kInnerBits = (127 + kMantissaBits) << kFractionBits;
  constexpr std::int32_t kOffset = ((127 + kMantissaBits - kOctaves) << kMantissaBits) - kInner;
  const float y = std::fabs(x) * scale;
  const std::int32_t negative = -static_cast<std::int32_t>(x < 0);
  const std::int32_t uniform = (static_cast<std::int32_t>(y) ^ negative) & (kLinear - 1);
  // y is not negative, so its bits order as it does. Integers and masks only: a branch would not vectorise.
  const std::int32_t bits = std::min(bits_of(y), kInnerBits);
  const std::int32_t far = -static_cast<std::int32_t>(bits == kInnerBits);
  const std::int32_t octaves = (bits >> kShift) - kOffset;
  const std::int32_t innermost = static_cast<std::int32_t>(float_of_bits(bits) * static_cast<float>(1 << kOctaves));
  const std::int32_t place = std::max(octaves, std::min(innermost, kInner));
  const std::int32_t near_zero = kLinear + (negative & kNearZero) + place;
  const std::int32_t slot = (uniform & far) | (near_zero & ~far);
  return static_cast<std::uint32_t>(slot) << kPositionBits | position_of(x);
}

// The slots of kLanes channels, as (channel, row), so that counting reads them in order.
ESPARSE_SIMD_CLONES
void slots_of(const float* waiting, std::size_t rows, const float* __restrict scale, std::uint32_t* __restrict slots) {
  alignas(64) std::uint32_t some[kTurned * kLanes];
  for (std::size_t row = 0; row < rows; row += kTurned) {
    const std::size_t count = std::min(kTurned, rows - row);
    const float* x = waiting + row * kLanes;
    for (std::size_t i = 0; i < count; i++) {
      for (std::size_t c = 0; c < kLanes; c++) some[i * kLanes + c] = slot_of(x[i * kLanes + c], scale[c]);
    }
    for (std::size_t c = 0; c < kLanes; c++) {
      for (std::size_t i = 0; i < count; i++) slots[c * kPendingRows + row + i] = some[i * kLanes + c];
    }
  }
}

inline void add_to(Bin* bins, std::uint32_t slot) {
  const Bin position = slot & ((1u << kPositionBits) - 1);
  bins[slot >> kPositionBits] += position << 32 | 1;
}

// Each row also prefetches a little of the next histograms, which random additions alone would fetch one miss at a
// time.
void count(const std::uint32_t* slots, std::size_t rows, std::size_t width, Bin* bins) {
  constexpr std::size_t kLine = 64 / sizeof(Bin);
  const Bin* end = bins + width * kSlots;
  // Lines a row, so that all rows cover the next histograms whole.
  const std::size_t ahead = (kAbreast * kSlots / kLine + rows - 1) / rows;
  std::size_t c = 0;
  for (; c + kAbreast <= width; c += kAbreast) {
    Bin* of = bins + c * kSlots;
    const Bin* next = of + kAbreast * kSlots;
    const std::uint32_t* slot = slots + c * kPendingRows;
    for (std::size_t row = 0; row < rows; row++) {
      if (next < end) {
        for (std::size_t line = 0; line < ahead; line++) __builtin_prefetch(next + line * kLine, 1);
        next += ahead * kLine;
      }
      for (std::size_t i = 0; i < kAbreast; i++) add_to(of + i * kSlots, slot[i * kPendingRows + row]);
    }
  }
  for (; c < width; c++) {
    for (std::size_t row = 0; row < rows; row++) add_to(bins + c * kSlots, slots[c * kPendingRows + row]);
  }
}

}  // namespace

void count_waiting(const Histograms& state, std::size_t begin, std::size_t width, std::size_t rows) {
  alignas(64) thread_local std::uint32_t slots[kPendingRows * kLanes];
  if (rows == 0) return;
  for (std::size_t c = begin; c < begin + width; c += kLanes) {
    const std::size_t some = std::min(kLanes, begin + width - c);
    float scale[kLanes] = {};
    for (std::size_t i = 0; i < some; i++) {
      scale[i] = static_cast<float>(power_of_two(-exponent_of(state.min[c + i], state.max[c + i])));
    }
    slots_of(state.waiting_row(c, 0), rows, scale, slots);
    count(slots, rows, some, state.bins + c * kSlots);
  }
}

void put_waiting(const Histograms& state, std::size_t at, std::size_t begin, std::size_t width, const float* from,
                 std::size_t rows, std::size_t stride) {
  for (std::size_t row = 0; row < rows; row++) {
    const float* x = from + row * stride;
    std::size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) {
      std::memcpy(state.waiting_row(begin + c, at + row), x + c, kLanes * sizeof(float));
    }
    if (c < width) std::memcpy(state.waiting_row(begin + c, at + row), x + c, (width - c) * sizeof(float));
  }
}

void append(const Histograms& state, std::size_t begin, std::size_t width, const float* from, std::size_t rows,
            std::size_t stride, std::size_t put) {
  std::size_t waiting = state.waiting + put;
  for (std::size_t row = put;;) {
    if (waiting == kPendingRows) {
      count_waiting(state, begin, width, kPendingRows);
      waiting = 0;
    }
    if (row == rows) return;
    const std::size_t some = std::min(rows - row, kPendingRows - waiting);
    put_waiting(state, waiting, begin, width, from + row * stride, some, stride);
    waiting += some;
    row += some;
  }
}

}  // namespace esparse
