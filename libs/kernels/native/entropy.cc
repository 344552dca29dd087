// Online histograms for the entropy of each channel. See src/entropy.ts for what they are.
#include <atomic>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "entropy_grid.h"
#include "natural_log.h"
#include "promise_job.h"
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
constexpr std::size_t kAbreast = 4;
// Channels in one run of slots: a vector's worth.
constexpr std::size_t kLane = 8;
// Most coarse bins: see ENTROPY_MAX_BINS.
constexpr std::size_t kMaxBins = 65536;

// One bin: its count in the low half, the sum of its positions modulo 2^32 in the high half; one addition does both.
using Bin = std::uint64_t;
inline std::uint32_t count_in(Bin bin) { return static_cast<std::uint32_t>(bin); }
inline std::uint32_t sum_in(Bin bin) { return static_cast<std::uint32_t>(bin >> 32); }

struct Histograms {
  float* min;
  float* max;
  std::uint32_t* zeros;
  Bin* bins;
};

Histograms take(Call& call, std::size_t at, std::size_t& channels) {
  const auto zeros = call.array<std::uint32_t>(at + 1);
  channels = zeros.length;
  const auto ranges = call.array<float>(at, 2 * channels);
  const auto bins = call.array<std::uint32_t>(at + 2, 2 * kSlots * channels);
  return {ranges.data, ranges.data + channels, zeros.data, reinterpret_cast<Bin*>(bins.data)};
}

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
  const Bin* end = bins + width * kSlots;
  std::size_t c = 0;
  for (; c + kAbreast <= width; c += kAbreast) {
    Bin* of = bins + c * kSlots;
    const Bin* next = of + kAbreast * kSlots;
    const std::uint32_t* slot = slots + c / kLane * kLane * kCountRows + c % kLane;
    for (std::size_t row = 0; row < rows; row++, slot += kLane) {
      if (next + 2 * kLine <= end) {
        __builtin_prefetch(next, 1);
        __builtin_prefetch(next + kLine, 1);
        next += 2 * kLine;
      }
      for (std::size_t i = 0; i < kAbreast; i++) add_to(of + i * kSlots, slot[i]);
    }
  }
  for (; c < width; c++) {
    const std::uint32_t* slot = slots + c / kLane * kLane * kCountRows + c % kLane;
    for (std::size_t row = 0; row < rows; row++, slot += kLane) add_to(bins + c * kSlots, *slot);
  }
}

// Adds a histogram with the range min..max to `bins`, whose exponent `e` is no smaller: whole bins, so exactly.
void add_at(Bin* bins, int e, const Bin* from, float min, float max) {
  const int from_exponent = exponent_of(min, max);
  const double width = power_of_two(from_exponent);
  const std::int32_t last = order_of(max, from_exponent);
  for (std::int32_t order = order_of(min, from_exponent); order <= last; order++) {
    const Bin held = from[slot_at(order)];
    if (held == 0) continue;
    // The edge nearer to zero belongs to the bin, so the wider bin that holds it holds the whole bin.
    const std::int32_t target = order_of(magnitude_at(order < 0 ? ~order : order) * width, e);
    bins[slot_at(order < 0 ? ~target : target)] += held;
  }
}

// Records the joint range of channel c, coarsens its histogram where that asks for wider bins; returns the exponent.
int widen_to(const Histograms& into, std::size_t c, float min, float max) {
  const float old_min = into.min[c], old_max = into.max[c];
  into.min[c] = min;
  into.max[c] = max;
  const int e = exponent_of(min, max);
  if (old_min > old_max || e == exponent_of(old_min, old_max)) return e;
  Bin* bins = into.bins + c * kSlots;
  Bin old[kSlots];
  std::memcpy(old, bins, sizeof old);
  std::memset(bins, 0, sizeof old);
  add_at(bins, e, old, old_min, old_max);
  return e;
}

// The lesser and the greater, -0 below 0, so that the order of arrival leaves no trace.
inline float lesser(float a, float b) { return a < b || (a == b && std::signbit(a)) ? a : b; }
inline float greater(float a, float b) { return a > b || (a == b && !std::signbit(a)) ? a : b; }

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

void merge_channel(const Histograms& into, const Histograms& from, std::size_t c) {
  if (from.min[c] > from.max[c]) return;
  const int e = widen_to(into, c, lesser(into.min[c], from.min[c]), greater(into.max[c], from.max[c]));
  into.zeros[c] += from.zeros[c];
  add_at(into.bins + c * kSlots, e, from.bins + c * kSlots, from.min[c], from.max[c]);
}

// entropyMerge(ranges, zeros, bins, fromRanges, fromZeros, fromBins): Promise<void>
Napi::Value entropy_merge(const Napi::CallbackInfo& info) {
  Call call(info);
  std::size_t channels = 0, others = 0;
  const Histograms into = take(call, 0, channels);
  const Histograms from = take(call, 3, others);
  if (call.failed()) return info.Env().Undefined();
  if (channels != others) {
    Napi::TypeError::New(info.Env(), "the two states differ in channels").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::size_t chunks = (channels + kCountStripe - 1) / kCountStripe;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(channels, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t c = begin; c < end; c++) merge_channel(into, from, c);
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

// The mass of channel c in each equal bin between low and high: see src/entropy-rebin.ts.
void rebin(const Histograms& state, std::size_t c, double low, double high, std::vector<double>& mass) {
  std::fill(mass.begin(), mass.end(), 0.0);
  const Bin* grid = state.bins + c * kSlots;
  const double bins = static_cast<double>(mass.size());
  const float min = state.min[c], max = state.max[c];
  const int e = exponent_of(min, max);
  const bool finest = is_finest(min, max, e);
  const double width = power_of_two(e);
  const double scale = bins / (high - low);
  const auto coarse = [&](double position) {
    return static_cast<std::size_t>(std::min(std::max(0.0, std::floor(position)), bins - 1));
  };
  const std::int32_t head = order_of(min, e);
  const std::int32_t last = order_of(max, e);
  const auto density_at = [&](std::int32_t order) {
    const std::int32_t from_zero = order < 0 ? ~order : order;
    const double held = order < head || order > last ? 0 : count_in(grid[slot_at(order)]);
    return held / (magnitude_at(from_zero + 1) - magnitude_at(from_zero));
  };

  for (std::int32_t order = head; order <= last; order++) {
    const Bin bin = grid[slot_at(order)];
    const std::uint32_t held = count_in(bin) - (order == 0 ? state.zeros[c] : 0);
    if (held == 0) continue;
    const std::int32_t from_zero = order < 0 ? ~order : order;
    const double near = magnitude_at(from_zero) * width;
    const double far = magnitude_at(from_zero + 1) * width;
    const double from = (std::max(order < 0 ? -far : near, static_cast<double>(min)) - low) * scale;
    const double to = (std::min(order < 0 ? -near : far, static_cast<double>(max)) - low) * scale;
    if (finest) {
      mass[coarse(order < 0 ? to : from)] += held;
      continue;
    }
    const std::size_t first = coarse(from);
    const std::size_t final = coarse(to);
    if (first == final) {
      mass[first] += held;
      continue;
    }

    double spread = held;
    const int resolution = positions_between(near, far);
    if (from_zero >= kInner && resolution >= 0 && held * power_of_two(resolution) <= 4294967296.0) {
      const double here = magnitude_at(from_zero + 1) - magnitude_at(from_zero);
      spread = std::min({density_at(order - 1) * here, density_at(order + 1) * here, spread});
      const double point = held - spread;
      if (point > 0) {
        const std::uint32_t offsets = sum_in(bin) - held * position_of(static_cast<float>(near));
        const double moment = (offsets + 0.5 * held) / power_of_two(resolution) - 0.5 * spread;
        const double place = std::min(std::max(moment / point, 0.0), 1.0);
        const double magnitude = near + place * (far - near);
        const double position = ((order < 0 ? -magnitude : magnitude) - low) * scale;
        mass[coarse(std::min(std::max(position, from), to))] += point;
      }
    }
    const double density = spread / (to - from);
    mass[first] += (static_cast<double>(first) + 1 - from) * density;
    for (std::size_t k = first + 1; k < final; k++) mass[k] += density;
    mass[final] += (to - static_cast<double>(final)) * density;
  }
  if (state.zeros[c] > 0) mass[coarse((0 - low) * scale)] += state.zeros[c];
}

// entropyFinish(ranges, zeros, bins, bounds: Float32Array(2 * channels), tokens, bins, out): Promise<void>
Napi::Value entropy_finish(const Napi::CallbackInfo& info) {
  Call call(info);
  std::size_t channels = 0;
  const Histograms state = take(call, 0, channels);
  const auto bounds = call.array<float>(3, 2 * channels);
  const double tokens = call.number(4);
  const std::size_t bins = call.size(5);
  const auto out = call.array<float>(6, channels);
  if (call.failed()) return info.Env().Undefined();
  if (bins == 0 || bins > kMaxBins) {
    Napi::RangeError::New(info.Env(), "between 1 and 65536 bins were expected").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::size_t chunks = (channels + kCountStripe - 1) / kCountStripe;
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        std::vector<double> mass(bins);
        in_range(channels, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          for (std::size_t c = begin; c < end; c++) {
            const double low = bounds.data[c], high = bounds.data[channels + c];
            out.data[c] = 0;
            if (!(low < high)) continue;
            rebin(state, c, low, high, mass);
            double entropy = 0;
            for (const double held : mass) {
              const double p = held / tokens;
              if (p > 0) entropy -= p * natural_log(p);
            }
            out.data[c] = static_cast<float>(entropy);
          }
        });
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void register_entropy(Napi::Env env, Napi::Object exports) {
  exports.Set("entropyUpdate", Napi::Function::New(env, entropy_update));
  exports.Set("entropyMerge", Napi::Function::New(env, entropy_merge));
  exports.Set("entropyFinish", Napi::Function::New(env, entropy_finish));
}

}  // namespace esparse
