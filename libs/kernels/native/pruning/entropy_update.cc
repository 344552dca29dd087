// Counts a tile of activations: the entropy statistic's hot loop. See src/pruning/entropy.ts.
#include <atomic>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "entropy_pending.h"
#include "runtime/simd.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

// The first pass: channels per chunk, whole stretches of a row; and rows per step, which the copy reads again from the
// first-level cache.
constexpr std::size_t kReadStripe = 128;
constexpr std::size_t kReadRows = 32;

// The bits of an f32, mapped so that integers order as the floats do; its own inverse. NaN lies beyond infinity.
inline std::int32_t ordered(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

constexpr std::int32_t kInfinity = 0x7f800000;

inline float from_ordered(std::int32_t order) {
  const std::int32_t bits = ordered(order);
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

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
void summarise(const float* tile, std::size_t rows, std::size_t stride, std::size_t width,
               std::int32_t* __restrict min, std::int32_t* __restrict max, std::uint32_t* __restrict zeros) {
  for (std::size_t row = 0; row < rows; row++) {
    const auto* x = reinterpret_cast<const std::int32_t*>(tile + row * stride);
    for (std::size_t c = 0; c < width; c++) {
      const std::int32_t value = ordered(x[c]);
      min[c] = std::min(min[c], value);
      max[c] = std::max(max[c], value);
      zeros[c] += (x[c] & 0x7fffffff) == 0 ? 1 : 0;
    }
  }
}

void admit(const Histograms& into, const Summary& summary, std::size_t c) {
  widen_to(into, c, lesser(into.min[c], from_ordered(summary.min[c])),
           greater(into.max[c], from_ordered(summary.max[c])));
  into.zeros[c] += summary.zeros[c];
}

struct EntropyUpdateArguments : HistogramArguments {
  Span<float> tile;  // (rows, channels)
  std::size_t rows;
  template <typename Each>
  void fields(Each& each) {
    HistogramArguments::fields(each), each("tile", tile), each("rows", rows);
  }
};

// Resolves to -1, or the first channel that holds NaN or infinity.
Napi::Value entropy_update(Call& call, const EntropyUpdateArguments& a) {
  const Histograms into = checked(call, a);
  const std::size_t channels = into.channels, rows = a.rows;
  const auto tile = a.tile;
  call.exactly("tile", tile, rows * channels);
  if (call.failed()) return call.nothing();
  const std::size_t room = std::min(rows, kPendingRows - into.waiting);
  const std::size_t reads = (channels + kReadStripe - 1) / kReadStripe;
  auto summary = std::make_shared<Summary>(channels, reads);
  // Two jobs, since nothing may change before every value was found finite: rows put behind those that wait are not
  // among them yet. The second comes forward when every chunk of the first is taken, so its wait ends.
  submit(Job{reads,
             [=](std::size_t chunk) {
               const std::size_t begin = chunk * kReadStripe, width = std::min(kReadStripe, channels - begin);
               for (std::size_t row = 0; row < rows; row += kReadRows) {
                 const float* x = tile.data + row * channels + begin;
                 summarise(x, std::min(kReadRows, rows - row), channels, width, summary->min.data() + begin,
                           summary->max.data() + begin, summary->zeros.data() + begin);
                 if (row >= room) continue;
                 put_waiting(into, into.waiting + row, begin, width, x, std::min(kReadRows, room - row), channels);
               }
               if (summary->left.fetch_sub(1) == 1) summary->finish();
             },
             [] {}});
  return call.promise(
      stripes(channels),
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kStripe, width = std::min(kStripe, channels - begin);
        summary->wait();
        if (summary->offender >= 0) return;
        for (std::size_t c = begin; c < begin + width; c++) admit(into, *summary, c);
        append(into, begin, width, tile.data + begin, rows, channels, room);
      },
      [=](Napi::Env env) { return Napi::Number::New(env, summary->offender); });
}

}  // namespace

void register_entropy_update(Napi::Object exports) { add_kernel(exports, "entropyUpdate", entropy_update); }

}  // namespace esparse
