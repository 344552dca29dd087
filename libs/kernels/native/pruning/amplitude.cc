// The exact, order-free sum of squares per channel. See src/pruning/amplitude.ts for the arithmetic.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "runtime/kernel.h"
#include "runtime/simd.h"

namespace esparse {
namespace {

constexpr double kRoundTo1 = 6755399441055744.0;  // 1.5 * 2^52
constexpr double kMiddle = 1.0 / 4294967296.0;    // 2^-32
constexpr double kRoundToMiddle = kRoundTo1 * kMiddle;
constexpr double kRoundToSmall = kRoundToMiddle * kMiddle;
constexpr double kLimit = 9007199254740992.0;  // 2^53
// Channels per chunk: their accumulators and a few rows of the tile sit in the first-level cache.
constexpr std::size_t kStripe = 128;

struct Sums {
  explicit Sums(std::size_t channels) : large(channels), middle(channels), small(channels) {}
  std::vector<double> large, middle, small;
};

struct Digits {
  double large, middle, small;
};

inline Digits digits_of(float x) {
  const double square = static_cast<double>(x) * static_cast<double>(x);
  const double large = (square + kRoundTo1) - kRoundTo1;
  const double rest = square - large;
  const double middle = (rest + kRoundToMiddle) - kRoundToMiddle;
  const double small = ((rest - middle) + kRoundToSmall) - kRoundToSmall;
  return {large, middle, small};
}

// Four rows at a time, so that an accumulator is loaded and stored once for four values. The sums are integers in
// units of their digit: exact in any order.
ESPARSE_SIMD_CLONES
void sum_squares(const float* tile, std::size_t rows, std::size_t stride, std::size_t width, double* __restrict large,
                 double* __restrict middle, double* __restrict small) {
  std::size_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* x = tile + row * stride;
    for (std::size_t c = 0; c < width; c++) {
      const Digits a = digits_of(x[c]), b = digits_of(x[stride + c]);
      const Digits d = digits_of(x[2 * stride + c]), e = digits_of(x[3 * stride + c]);
      large[c] += (a.large + b.large) + (d.large + e.large);
      middle[c] += (a.middle + b.middle) + (d.middle + e.middle);
      small[c] += (a.small + b.small) + (d.small + e.small);
    }
  }
  for (; row < rows; row++) {
    for (std::size_t c = 0; c < width; c++) {
      const Digits a = digits_of(tile[row * stride + c]);
      large[c] += a.large;
      middle[c] += a.middle;
      small[c] += a.small;
    }
  }
}

// Adds the sums to the state (3, channels) and carries; -1, or the first channel out of range, the state unchanged.
double add(double* state, Sums& sums, std::size_t channels) {
  for (std::size_t c = 0; c < channels; c++) {
    const double small = state[2 * channels + c] + sums.small[c];
    const double small_carry = std::floor(small / kMiddle) * kMiddle;
    const double middle = state[channels + c] + sums.middle[c] + small_carry;
    const double middle_carry = std::floor(middle);
    const double large = state[c] + sums.large[c] + middle_carry;
    if (!(large < kLimit)) return static_cast<double>(c);
    sums.large[c] = large;
    sums.middle[c] = middle - middle_carry;
    sums.small[c] = small - small_carry;
  }
  std::copy(sums.large.begin(), sums.large.end(), state);
  std::copy(sums.middle.begin(), sums.middle.end(), state + channels);
  std::copy(sums.small.begin(), sums.small.end(), state + 2 * channels);
  return -1;
}

struct Update {
  Update(std::size_t channels, std::size_t chunks) : sums(channels), left(chunks) {}
  Sums sums;
  std::atomic<std::size_t> left;
  double offender = -1;
};

struct AmplitudeUpdateArguments {
  Span<double> state;  // (3, channels)
  Span<float> tile;    // (rows, channels)
  std::size_t rows, channels;
  template <typename Each>
  void fields(Each& each) {
    each("state", state), each("tile", tile), each("rows", rows), each("channels", channels);
  }
};

// Resolves to -1, or the first channel out of range.
Napi::Value amplitude_update(Call& call, const AmplitudeUpdateArguments& a) {
  call.exactly("state", a.state, 3 * a.channels);
  call.exactly("tile", a.tile, a.rows * a.channels);
  if (call.failed()) return call.nothing();
  const std::size_t chunks = (a.channels + kStripe - 1) / kStripe;
  auto update = std::make_shared<Update>(a.channels, chunks);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kStripe;
        const std::size_t width = std::min(kStripe, a.channels - begin);
        Sums& sums = update->sums;
        sum_squares(a.tile.data + begin, a.rows, a.channels, width, sums.large.data() + begin, sums.middle.data() + begin,
                    sums.small.data() + begin);
        // The last chunk to finish adds them all: nothing is added before every value was seen.
        if (update->left.fetch_sub(1) == 1) update->offender = add(a.state.data, sums, a.channels);
      },
      [=](Napi::Env env) { return Napi::Number::New(env, update->offender); });
}

}  // namespace

void register_amplitude(Napi::Object exports) {
  add_kernel(exports, "amplitudeUpdate", amplitude_update);
}

}  // namespace esparse
