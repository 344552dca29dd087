// The histograms of the entropy statistic as bytes: see libs/statistics/src/entropy-encoding.ts, which states the format.
#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "entropy_histogram.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

using Bytes = std::vector<std::uint8_t>;
// Heads, gaps, counts, the low and the high parts of sums.
enum { kHeads, kGaps, kCounts, kLow, kHigh, kColumns };
constexpr std::size_t kVarint = 5;

inline std::uint8_t* put_varint(std::uint8_t* to, std::uint32_t value) {
  for (; value > 127; value >>= 7) *to++ = static_cast<std::uint8_t>((value & 127) | 128);
  *to++ = static_cast<std::uint8_t>(value);
  return to;
}

// The position of the edge of each bin, by its places away from zero: of those farther away it is taken for 0.
using Edges = std::array<std::uint32_t, kNearZero + kLinear>;
const Edges& edge_positions() {
  static const Edges edges = [] {
    Edges all;
    for (std::int32_t n = 0; n < kNearZero + kLinear; n++) all[n] = position_of(static_cast<float>(magnitude_at(n)));
    return all;
  }();
  return edges;
}
inline std::uint32_t edge_at(const Edges& edges, std::int32_t order) {
  const auto from_zero = static_cast<std::size_t>(order < 0 ? ~order : order);
  return from_zero < edges.size() ? edges[from_zero] : 0;
}

void encode_channel(const Histograms& state, std::size_t c, Bytes* columns) {
  const float min = state.min[c], max = state.max[c];
  const int e = exponent_of(min, max);
  const std::int32_t first = order_of(min, e), last = order_of(max, e);
  const Edges& edges = edge_positions();
  const Bin* const bins = state.bins + c * kSlots;
  const std::size_t most = static_cast<std::size_t>(last - first) + 1;
  std::uint8_t* to[kColumns];
  for (int k = 0; k < kColumns; k++) {
    const std::size_t length = columns[k].size();
    columns[k].resize(length + (k == kHeads ? 8 + kVarint : k == kLow ? most : kVarint * most));
    to[k] = columns[k].data() + length;
  }
  std::memcpy(to[kHeads], &min, 4), std::memcpy(to[kHeads] + 4, &max, 4);
  to[kHeads] = put_varint(to[kHeads] + 8, state.zeros[c]);
  std::uint32_t empty = 0;
  for (std::int32_t order = first; order <= last; order++) {
    const Bin bin = bins[slot_at(order)];
    const std::uint32_t count = count_in(bin);
    if (count == 0) {
      empty++;
      continue;
    }
    const std::uint32_t above = sum_in(bin) - count * edge_at(edges, order);
    to[kGaps] = put_varint(to[kGaps], empty);
    to[kCounts] = put_varint(to[kCounts], count);
    *to[kLow]++ = static_cast<std::uint8_t>(above);
    to[kHigh] = put_varint(to[kHigh], above >> 8);
    empty = 0;
  }
  for (int k = 0; k < kColumns; k++) columns[k].resize(to[k] - columns[k].data());
}

// Returns the bytes. At once, on this thread and others.
Napi::Value entropy_encode(Call& call, const HistogramArguments& a) {
  const Histograms state = checked(call, a);
  if (call.failed()) return call.nothing();
  const std::size_t parts = stripes(state.channels);
  std::vector<std::array<Bytes, kColumns>> encoded(parts);
  parallel_for(job_threads(), parts, [&](std::size_t part) {
    const std::size_t end = std::min(state.channels, (part + 1) * kStripe);
    for (std::size_t c = part * kStripe; c < end; c++) encode_channel(state, c, encoded[part].data());
  });
  // A column is all of its stripes, behind their length.
  std::size_t total = 0;
  std::vector<std::array<std::size_t, kColumns>> at(parts);
  std::array<std::pair<std::size_t, std::uint32_t>, kColumns> lengths;
  for (int k = 0; k < kColumns; k++) {
    std::size_t length = 0;
    for (const auto& stripe : encoded) length += stripe[k].size();
    lengths[k] = {total, static_cast<std::uint32_t>(length)};
    std::uint8_t prefix[kVarint];
    total += put_varint(prefix, lengths[k].second) - prefix;
    for (std::size_t part = 0; part < parts; part++) at[part][k] = total, total += encoded[part][k].size();
  }
  auto out = Napi::Uint8Array::New(call.env(), total);
  std::uint8_t* const to = out.Data();
  for (const auto& [place, length] : lengths) put_varint(to + place, length);
  parallel_for(job_threads(), parts, [&](std::size_t part) {
    for (int k = 0; k < kColumns; k++) {
      const Bytes& from = encoded[part][k];
      if (!from.empty()) std::memcpy(to + at[part][k], from.data(), from.size());
    }
  });
  return out;
}

// Reads a column; whatever is wrong makes all further numbers 0.
struct Reader {
  const std::uint8_t* at;
  const std::uint8_t* end;
  bool sound = true;

  std::uint32_t varint() {
    if (at < end && *at < 128) return *at++;
    std::uint64_t value = 0;
    for (int shift = 0; shift < 35 && at < end; shift += 7) {
      const std::uint8_t byte = *at++;
      value |= std::uint64_t{byte & 127u} << shift;
      if (byte >= 128) continue;
      if ((byte == 0 && shift > 0) || value >> 32 != 0) break;
      return static_cast<std::uint32_t>(value);
    }
    sound = false;
    return 0;
  }
  const std::uint8_t* pass(std::size_t count) {
    if (count > static_cast<std::size_t>(end - at)) return sound = false, nullptr;
    at += count;
    return at - count;
  }
  // Behind so many numbers.
  void skip(std::size_t numbers) {
    constexpr std::size_t kBlock = 64;
    while (numbers >= kBlock && static_cast<std::size_t>(end - at) >= kBlock) {
      std::size_t ends = 0;
      for (std::size_t i = 0; i < kBlock; i++) ends += at[i] < 128;
      at += kBlock, numbers -= ends;
    }
    for (; numbers > 0 && at < end; at++) numbers -= *at < 128;
    if (numbers > 0) sound = false;
  }
};

// Where the numbers of a stripe begin in each column.
using Places = std::array<Reader, kColumns>;

bool decode_channel(const Histograms& state, std::size_t c, std::uint32_t tokens, Places& from) {
  const std::uint8_t* const range = from[kHeads].pass(8);
  if (range == nullptr) return false;
  float min, max;
  std::memcpy(&min, range, 4), std::memcpy(&max, range + 4, 4);
  const bool reversed = min == 0 && max == 0 && !std::signbit(min) && std::signbit(max);
  if (!std::isfinite(min) || !std::isfinite(max) || min > max || reversed) return false;
  state.min[c] = min, state.max[c] = max;
  state.zeros[c] = from[kHeads].varint();
  const int e = exponent_of(min, max);
  const std::int32_t first = order_of(min, e);
  const std::int64_t most = std::int64_t{order_of(max, e)} - first + 1;
  const Edges& edges = edge_positions();
  Bin* const bins = state.bins + c * kSlots;
  std::uint32_t left = tokens;
  std::int64_t place = -1;
  while (left > 0) {
    const std::uint32_t empty = from[kGaps].varint(), count = from[kCounts].varint(), high = from[kHigh].varint();
    const std::uint8_t* const low = from[kLow].pass(1);
    const std::int64_t at = place + 1 + empty;
    if (low == nullptr || at >= most || count == 0 || count > left || (place < 0 && empty > 0) || high >= 1u << 24)
      return false;
    const std::int32_t order = first + static_cast<std::int32_t>(at);
    const std::uint32_t sum = high * 256 + *low + count * edge_at(edges, order);
    bins[slot_at(order)] = std::uint64_t{sum} << 32 | count;
    left -= count;
    place = at;
  }
  const std::uint32_t at_zero = min <= 0 && max >= 0 ? count_in(bins[slot_at(0)]) : 0;
  const bool ends_at_zero = min == 0 || max == 0;
  return place == most - 1 && state.zeros[c] <= at_zero && !(ends_at_zero && state.zeros[c] == 0);
}

struct EntropyDecodeArguments {
  HistogramArguments state;
  Span<std::uint8_t> bytes;
  template <typename Each>
  void fields(Each& each) {
    state.fields(each), each("bytes", bytes);
  }
};

// Fills a state that has seen nothing, but for `counted`, with the histograms of so many tokens. Returns false where no data
// could have led to these bytes: the reference says what is wrong with them.
Napi::Value entropy_decode(Call& call, const EntropyDecodeArguments& a) {
  const Histograms state = checked(call, a.state);
  call.at_most("counted", a.state.counted, 0xffffffffu);
  if (call.failed()) return call.nothing();
  const auto tokens = static_cast<std::uint32_t>(state.counted);
  const auto answer = [&](bool sound) { return Napi::Boolean::New(call.env(), sound); };
  Reader bytes{a.bytes.data, a.bytes.data + a.bytes.length};
  Places next;
  for (auto& column : next) {
    const std::uint32_t length = bytes.varint();
    const std::uint8_t* const begin = bytes.pass(length);
    if (begin == nullptr) return answer(false);
    column = {begin, begin + length};
  }
  if (!bytes.sound || bytes.at != bytes.end) return answer(false);
  const std::size_t parts = stripes(state.channels);
  std::vector<Places> places(parts);
  for (std::size_t part = 0; part < parts; part++) {
    places[part] = next;
    const std::size_t channels = std::min(kStripe, state.channels - part * kStripe);
    std::size_t bins = 0;
    for (std::size_t c = 0; c < channels; c++) {
      next[kHeads].pass(8), next[kHeads].varint();
      for (std::uint64_t seen = 0; seen < tokens && next[kCounts].sound; bins++) seen += next[kCounts].varint();
    }
    next[kGaps].skip(bins), next[kHigh].skip(bins), next[kLow].pass(bins);
  }
  for (const auto& column : next) {
    if (!column.sound || column.at != column.end) return answer(false);
  }
  std::atomic<bool> sound{true};
  parallel_for(job_threads(), parts, [&](std::size_t part) {
    Places from = places[part];
    const std::size_t end = std::min(state.channels, (part + 1) * kStripe);
    for (std::size_t c = part * kStripe; c < end; c++) {
      if (!decode_channel(state, c, tokens, from)) sound = false;
    }
    for (const auto& column : from) {
      if (!column.sound) sound = false;
    }
  });
  return answer(sound);
}

}  // namespace

void register_entropy_encoding(Napi::Object exports) {
  add_kernel(exports, "entropyEncode", entropy_encode);
  add_kernel(exports, "entropyDecode", entropy_decode);
}

}  // namespace esparse
