// Counts a tile of activations: the entropy statistic's hot loop. See src/entropy.ts.
#include <atomic>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "entropy_histogram.h"
#include "simd.h"
#include "thread_pool.h"

namespace esparse {
namespace {

// Channels per chunk of the range pass: streams whole stretches of a row, accumulators in the first-level cache.
constexpr std::size_t kRangeStripe = 256;
// The counting pass: a chunk works out the slots of kCountStripe channels for kCountRows rows (whole stretches of a
// row, which the prefetcher follows; 128 KiB, in the second-level cache), then visits each histogram once for all
// of those rows, kAbreast histograms at a time.
constexpr std::size_t kCountStripe = 64;
constexpr std::size_t kCountRows = 512;
constexpr std::size_t kAbreast = 2;
// Channels in one run of slots: a vector's worth.
constexpr std::size_t kLane = 8;

// The bits of an f32, mapped so that integers order as the floats do; its own inverse. NaN lies beyond infinity.
inline std::int32_t ordered(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

constexpr std::int32_t kInfinity = 0x7f800000;

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

inline float from_ordered(std::int32_t order) { return float_of_bits(ordered(order)); }

// What one tile brings, before any of it is counted.
struct Summary {
  Summary(std::size_t channels, std::size_t chunks)
      : min(channels, std::numeric_limits<std::int32_t>::max()),
        max(channels, std::numeric_limits<std::int32_t>::min()),
        zeros(channels),
        left(chunks) {}

  void finish() {
    for (std::size_t c = 0; c < min.size() && offender < 0; c++) {
      if (max[c] >= kInfinity || min[c] <= ordered(static_cast<std::int32_t>(0xff800000u))) {
        offender = static_cast<double>(c);
      }
    }
    {
      std::lock_guard<std::mutex> lock(mutex);
      done = true;
    }
    finished.notify_all();
  }

  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    finished.wait(lock, [&] { return done; });
  }

  std::vector<std::int32_t> min, max;
  std::vector<std::uint32_t> zeros;
  std::atomic<std::size_t> left;
  double offender = -1;
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
};

ESPARSE_SIMD_CLONES
void summarise(const std::int32_t* tile, std::size_t rows, std::size_t stride, std::size_t width,
               std::int32_t* __restrict min, std::int32_t* __restrict max, std::uint32_t* __restrict zeros) {
  for (std::size_t row = 0; row < rows; row++) {
    const std::int32_t* x = tile + row * stride;
    for (std::size_t c = 0; c < width; c++) {
      const std::int32_t value = ordered(x[c]);
      min[c] = std::min(min[c], value);
      max[c] = std::max(max[c], value);
      zeros[c] += (x[c] & 0x7fffffff) == 0 ? 1 : 0;
    }
  }
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

// The slots of a stripe, as (channel / kLane, row, channel % kLane), so that counting reads them in order.
ESPARSE_SIMD_CLONES
void slots_of(const float* tile, std::size_t rows, std::size_t stride, std::size_t width, const float* __restrict scale,
              std::uint32_t* __restrict slots) {
  const std::size_t whole = width / kLane * kLane;
  for (std::size_t row = 0; row < rows; row++) {
    const float* x = tile + row * stride;
    for (std::size_t c = 0; c < whole; c += kLane) {
      std::uint32_t* __restrict out = slots + c * kCountRows + row * kLane;
      for (std::size_t i = 0; i < kLane; i++) out[i] = slot_of(x[c + i], scale[c + i]);
    }
    std::uint32_t* out = slots + whole * kCountRows + row * kLane;
    for (std::size_t c = whole; c < width; c++) out[c - whole] = slot_of(x[c], scale[c]);
  }
}

inline void add_to(Bin* bins, std::uint32_t slot) {
  const Bin position = slot & ((1u << kPositionBits) - 1);
  bins[slot >> kPositionBits] += position << 32 | 1;
}

// kAbreast channels side by side: a run of equal values in one of them does not stall the others. Each row also
// prefetches a little of the next histograms, which random additions alone would fetch one miss at a time (measured:
// half the time or less where the histograms of a tap exceed the cache).
void count(const std::uint32_t* slots, std::size_t rows, std::size_t width, Bin* bins) {
  constexpr std::size_t kLine = 64 / sizeof(Bin);
  // Lines a row, so that the rows of a full tile cover the next histograms whole.
  constexpr std::size_t kAhead = (kAbreast * kSlots / kLine + kCountRows - 1) / kCountRows;
  const Bin* end = bins + width * kSlots;
  std::size_t c = 0;
  for (; c + kAbreast <= width; c += kAbreast) {
    Bin* of = bins + c * kSlots;
    const Bin* next = of + kAbreast * kSlots;
    const std::uint32_t* slot = slots + c / kLane * kLane * kCountRows + c % kLane;
    for (std::size_t row = 0; row < rows; row++, slot += kLane) {
      if (next + kAhead * kLine <= end) {
        for (std::size_t line = 0; line < kAhead; line++) __builtin_prefetch(next + line * kLine, 1);
        next += kAhead * kLine;
      }
      for (std::size_t i = 0; i < kAbreast; i++) add_to(of + i * kSlots, slot[i]);
    }
  }
  for (; c < width; c++) {
    const std::uint32_t* slot = slots + c / kLane * kLane * kCountRows + c % kLane;
    for (std::size_t row = 0; row < rows; row++, slot += kLane) add_to(bins + c * kSlots, *slot);
  }
}

void count_stripe(const Histograms& into, const Summary& tile_summary, const float* tile, std::size_t rows,
                  std::size_t channels, std::size_t begin) {
  const std::size_t width = std::min(kCountStripe, channels - begin);
  float scale[kCountStripe];
  for (std::size_t i = 0; i < width; i++) {
    const std::size_t c = begin + i;
    const int e = widen_to(into, c, lesser(into.min[c], from_ordered(tile_summary.min[c])),
                           greater(into.max[c], from_ordered(tile_summary.max[c])));
    scale[i] = static_cast<float>(power_of_two(-e));
    into.zeros[c] += tile_summary.zeros[c];
  }
  alignas(64) thread_local std::uint32_t slots[kCountRows * kCountStripe];
  for (std::size_t row = 0; row < rows; row += kCountRows) {
    const std::size_t some = std::min(kCountRows, rows - row);
    slots_of(tile + row * channels + begin, some, channels, width, scale, slots);
    count(slots, some, width, into.bins + begin * kSlots);
  }
}

}  // namespace

// entropyUpdate(ranges, zeros, bins, tile: Float32Array, rows, channels): Promise<number>
Napi::Value entropy_update(const Napi::CallbackInfo& info) {
  Call call(info);
  std::size_t channels = 0;
  const Histograms into = take(call, 0, channels);
  const std::size_t rows = call.size(4);
  const auto tile = call.array<float>(3, rows * channels);
  if (call.failed()) return info.Env().Undefined();
  const std::size_t range_chunks = (channels + kRangeStripe - 1) / kRangeStripe;
  const std::size_t count_chunks = (channels + kCountStripe - 1) / kCountStripe;
  auto summary = std::make_shared<Summary>(channels, range_chunks);
  // Two jobs, since nothing may be counted before every value was found finite. The second comes forward when
  // every chunk of the first is taken, so its wait ends.
  submit(Job{range_chunks,
             [=](std::size_t chunk) {
               const std::size_t begin = chunk * kRangeStripe;
               summarise(reinterpret_cast<const std::int32_t*>(tile.data) + begin, rows, channels,
                         std::min(kRangeStripe, channels - begin), summary->min.data() + begin,
                         summary->max.data() + begin, summary->zeros.data() + begin);
               if (summary->left.fetch_sub(1) == 1) summary->finish();
             },
             [] {}});
  return call.promise(
      count_chunks,
      [=](std::size_t chunk) {
        summary->wait();
        if (summary->offender < 0) count_stripe(into, *summary, tile.data, rows, channels, chunk * kCountStripe);
      },
      [=](Napi::Env env) { return Napi::Number::New(env, summary->offender); });
}

}  // namespace esparse
