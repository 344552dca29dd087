#include "step.h"

#include <numeric>

#include "../kernels/linear_wide_plan.h"
#include "failure.h"

namespace esparse {
namespace {

int bucket_of(int rows, const Device& device) {
  const int bucket = token_bucket(rows, device.facts().shared_of_cta);
  if (bucket == 0) throw Failure("internal", "a step of " + std::to_string(rows) + " rows");
  return bucket;
}

// Graphs are made for powers of two pages: CTAs beyond a sequence's own end at once, but their start takes time.
constexpr int kLeastPages = 4;

// What the planes of a linear take at most, in any step; `shared`: bytes of a CTA, `sets` of activations.
std::size_t plane_floats(int shared, int rows, int cols, int sets = 1) {
  std::size_t most = 0;
  for (const Encoding encoding : {Encoding::kSparse, Encoding::kSparseInt8}) {  // as all of bf16, and of integers
    for (const int tokens : kTokenBuckets) {
      const LinearProblem problem{format_of(encoding), {(rows + kPanelRows - 1) / kPanelRows}, 1, cols, tokens, sets, false, shared};
      const int planes = linear_is_wide(problem) ? kSlices : linear_planes(chosen_tuning(problem).warps);
      most = std::max(most, static_cast<std::size_t>(planes) * tokens * rows);
    }
  }
  return most;
}

int most_inputs(const DecoderShape& s) { return std::max({s.hidden, s.attended(), s.inner}); }

}  // namespace

std::size_t page_bytes_of(const DecoderShape& shape) {
  return static_cast<std::size_t>(shape.layers) * 2 * shape.kv_heads * kPagePositions * shape.dims * 2;
}

Step::Step(const Device& device, const Decoder& decoder, int max_pages, CuStream stream)
    : device_(device),
      decoder_(decoder),
      max_pages_(max_pages),
      stream_(stream),
      sampling_(device, decoder.shape, kMaxRows, max_pages * kPagePositions, stream),
      flights_{Flight(kMaxRows), Flight(kMaxRows)},
      of_head_(kMaxRows) {
  const DecoderShape& s = decoder.shape;
  const int shared = device.facts().shared_of_cta;
  const std::size_t inputs = kMaxRows * (3 + static_cast<std::size_t>(max_pages));
  host_inputs_ = PinnedArray<std::int32_t>(inputs);
  inputs_ = DeviceArray<std::int32_t>(inputs);
  for (auto& residual : residual_) residual = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.hidden);
  qkv_ = DeviceArray<float>(plane_floats(shared, s.qkv_rows(), s.hidden));
  if (s.experts > 0) experts_ = ExpertBuffers(s);
  if (s.norms_heads_apart()) normed_heads_ = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * s.qkv_rows());
  o_ = DeviceArray<float>(plane_floats(shared, s.hidden, s.attended()));
  gate_up_ = DeviceArray<float>(plane_floats(shared, 2 * s.inner, s.hidden, 2));
  down_ = DeviceArray<float>(plane_floats(shared, s.hidden, s.inner));
  logit_planes_ = DeviceArray<float>(plane_floats(shared, logit_rows(), s.hidden));
  if (device.has_wgmma()) pending_ = DeviceArray<float>(pending_floats(device.facts().multiprocessors));
  logits_ = DeviceArray<float>(static_cast<std::size_t>(kMaxRows) * logit_rows());
  for (auto& reader : normed_) reader = DeviceArray<std::uint8_t>(activation_bytes(s.hidden, kMaxRows));
  attended_ = DeviceArray<std::uint8_t>(activation_bytes(s.attended(), kMaxRows));
  // What fills up is written by nobody; its weights are zeros, so any number will do.
  check(driver().fill(attended_.address(), 0, attended_.bytes(), stream_), "clear memory");
  activated_ = DeviceArray<std::uint8_t>(activation_bytes(s.inner, kMaxRows));
  for (auto& digits : digits_) {
    digits = DeviceArray<std::uint8_t>(digit_bytes(&digits == &digits_[0] ? most_inputs(s) : s.hidden, kMaxRows));
  }
  const std::size_t splits = static_cast<std::size_t>(kMaxRows) * s.heads * attention_splits(max_pages);
  split_outputs_ = DeviceArray<float>(splits * s.dims);
  split_weights_ = DeviceArray<float>(splits * 2);
  arrived_ = DeviceArray<std::uint32_t>(static_cast<std::size_t>(kMaxRows) * s.heads);
  check(driver().fill(arrived_.address(), 0, arrived_.bytes(), stream_), "clear memory");
  const std::size_t keys = static_cast<std::size_t>(kMaxRows) * logit_parts();
  keys_ = DeviceArray<std::uint64_t>(keys);
  chosen_ = DeviceArray<std::int32_t>(kMaxRows);
  host_logits_ = PinnedArray<float>(logit_rows());
}

std::size_t Step::bytes(const DecoderShape& s, int max_pages, int shared, int sms) {
  const std::size_t planes = plane_floats(shared, s.qkv_rows(), s.hidden) + plane_floats(shared, s.hidden, s.attended()) +
                             plane_floats(shared, 2 * s.inner, s.hidden, 2) + plane_floats(shared, s.hidden, s.inner) +
                             plane_floats(shared, s.vocabulary, s.hidden) + pending_floats(sms);
  const std::size_t activations =
      activation_bytes(3 * s.hidden + s.attended() + s.inner, kMaxRows) + digit_bytes(2 * s.hidden + most_inputs(s), kMaxRows);
  const std::size_t splits = static_cast<std::size_t>(kMaxRows) * s.heads * attention_splits(max_pages) * (s.dims + 2);
  const std::size_t heads = s.norms_heads_apart() ? s.qkv_rows() : 0;
  return 4 * (planes + kMaxRows * (static_cast<std::size_t>(s.vocabulary) + 2 * s.hidden + heads) + splits) +
         ExpertBuffers::bytes(s) + activations + Sampling::bytes(s, kMaxRows, max_pages * kPagePositions);
}

void Step::run(const std::int32_t* inputs, int rows, const StepWants& wants, const std::vector<RowChoice>& choices) {
  std::vector<RowOf> asked;
  for (int row = 0; row < rows; row++) {
    asked.push_back({inputs[2 * kMaxRows + row], inputs[kMaxRows + row], inputs[row]});
  }
  // The rows may be those, or some of those, that follow the rows before them: what was begun is for such rows.
  std::vector<RowOf> next = flights_[flight_].continued();
  std::vector<int> places = places_of(asked, next);
  const bool taken = begun_ && wants.likeliest && !places.empty(), all = asked.size() == next.size();
  begun_ = false;
  if (taken) {
    flight_ = 1 - flight_;
    flights_[flight_].rows = std::move(next);
    places_ = std::move(places);
  } else {
    upload(inputs, rows);
    begun_tokens_ = bucket_of(rows, device_);
    flights_[flight_].rows = asked;
    places_.resize(rows);
    std::iota(places_.begin(), places_.end(), 0);
    begun_draw_ = wants.draw;
    begun_reports_ = wants.reports;
    if (wants.draw != Draw::kLikeliest) sampling_.take(0, choices);
    launch({begun_tokens_, pages_of(asked, 0), wants.several, wants.head, !wants.likeliest, true, wants.draw, wants.reports},
           flights_[flight_]);
  }
  last_ = &flights_[flight_];
  // Rows that went on for one step will go on: others, such as those of steps in turn, are not begun in vain.
  if (wants.continues && all && (taken || !places.empty())) {
    launch({begun_tokens_, pages_of(last_->rows, 1), false, true, false, true, begun_draw_, begun_reports_},
           flights_[1 - flight_]);
    begun_ = true;
  }
}

void Step::wait() const {
  if (last_ != nullptr) check(driver().wait_for_event(last_->done.get()), "run a step");
}

// Pages of the longest sequence, of so many positions more, as there is a graph for them.
int Step::pages_of(const std::vector<RowOf>& rows, int further) const {
  int last = 0;
  for (const RowOf& row : rows) last = std::max(last, row.position + further);
  int pages = kLeastPages;
  while (pages < last / kPagePositions + 1) pages *= 2;
  return std::min(pages, max_pages_);
}

void Step::upload(const std::int32_t* inputs, int rows) {
  std::int32_t* const to = host_inputs_.data();
  const std::size_t used = 3 * kMaxRows + static_cast<std::size_t>(rows) * max_pages_;
  const std::size_t all = 3 * kMaxRows + static_cast<std::size_t>(bucket_of(rows, device_)) * max_pages_;
  std::memcpy(to, inputs, used * 4);
  for (int row = rows; row < kMaxRows; row++) {
    to[row] = 0;
    to[kMaxRows + row] = -1;
  }
  std::fill(to + used, to + all, 0);
  check(driver().copy_to_device(inputs_.address(), to, all * 4, stream_), "take the tokens of a step");
}

void Step::launch(const Variant& variant, Flight& flight) {
  check(driver().launch_graph(graph_of(variant), stream_), "run a step");
  launches_[variant.tokens]++;
  if (variant.head) {
    check(driver().copy_to_host(flight.chosen.data(), chosen_.address(), variant.tokens * 4, stream_), "give its tokens");
    if (variant.reports) {
      check(driver().copy_to_host(flight.reports.data(), sampling_.reports().address(),
                                  variant.tokens * sizeof(ChoiceReport), stream_),
            "give its probabilities");
    }
  }
  check(driver().record_event(flight.done.get(), stream_), "run a step");
}

void Step::head(const DeviceArray<float>& residual, const std::int32_t* rows, int count, const StepWants& wants,
                const std::vector<RowChoice>& choices) {
  const std::size_t bytes = static_cast<std::size_t>(decoder_.shape.hidden) * 4;
  for (int i = 0; i < count; i++) {
    check(driver().copy_on_device(residual_[0].address() + i * bytes, residual.address() + rows[i] * bytes, bytes,
                                  stream_),
          "take the rows of a prompt");
  }
  if (wants.draw != Draw::kLikeliest) sampling_.take(1, choices);
  launch({bucket_of(count, device_), 0, false, true, !wants.likeliest, false, wants.draw, wants.reports}, of_head_);
  last_ = &of_head_;
  places_.resize(count);
  std::iota(places_.begin(), places_.end(), 0);
}

void Step::logits(int row, float* out) const {
  const CuPointer from = logits_.address() + static_cast<std::size_t>(places_.at(row)) * logit_rows() * 4;
  const std::size_t bytes = static_cast<std::size_t>(decoder_.shape.vocabulary) * 4;
  check(driver().copy_to_host(host_logits_.data(), from, bytes, stream_), "give the logits");
  check(driver().wait_for_stream(stream_), "give the logits");
  std::memcpy(out, host_logits_.data(), bytes);
}

}  // namespace esparse
