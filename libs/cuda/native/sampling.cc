#include "sampling.h"

#include "failure.h"
#include "kernel_names.h"

namespace esparse {
namespace {

int stride_of(const DecoderShape& s) { return (s.vocabulary + 3) / 4 * 4; }
int parts_of(const DecoderShape& s) { return (s.vocabulary + kPartLogits - 1) / kPartLogits; }

constexpr unsigned kChoiceSharedBytes = 2 * kMaxCandidates * 8;

}  // namespace

Sampling::Sampling(const Device& device, const DecoderShape& shape, int most_rows, int most_positions, CuStream stream)
    : device_(device),
      vocabulary_(shape.vocabulary),
      stride_(stride_of(shape)),
      parts_(parts_of(shape)),
      most_rows_(most_rows),
      most_positions_(most_positions),
      stream_(stream) {
  const std::size_t rows = most_rows;
  host_choices_ = PinnedArray<Choice>(rows);
  host_history_ = PinnedArray<std::int32_t>(rows * most_positions);
  for (int i = 0; i < 2; i++) {
    choices_[i] = DeviceArray<Choice>(rows);
    history_[i] = DeviceArray<std::int32_t>(rows * most_positions);
    check(driver().fill(choices_[i].address(), 0, choices_[i].bytes(), stream), "clear memory");
  }
  counts_ = DeviceArray<std::uint32_t>(rows * stride_);
  check(driver().fill(counts_.address(), 0, counts_.bytes(), stream), "clear memory");
  octave_counts_ = DeviceArray<std::uint32_t>(rows * kOctaves);
  found_ = DeviceArray<std::uint32_t>(rows);
  for (auto* of_parts : {&keys_, &plain_keys_, &totals_, &reported_totals_}) {
    *of_parts = DeviceArray<std::uint64_t>(rows * parts_);
  }
  octave_sums_ = DeviceArray<std::uint64_t>(rows * kOctaves);
  candidates_ = DeviceArray<std::uint64_t>(rows * kMaxCandidates);
  reported_keys_ = DeviceArray<std::uint64_t>(rows * parts_ * kMaxReported);
  reports_ = DeviceArray<ChoiceReport>(rows);
}

std::size_t Sampling::bytes(const DecoderShape& shape, int most_rows, int most_positions) {
  const std::size_t parts = parts_of(shape);
  const std::size_t row = 2 * (sizeof(Choice) + 4 * static_cast<std::size_t>(most_positions)) +
                          4 * static_cast<std::size_t>(stride_of(shape)) + kOctaves * 12 + 4 +
                          8 * (parts * (4 + kMaxReported) + kMaxCandidates) + sizeof(ChoiceReport);
  return row * most_rows;
}

void Sampling::take(int which, const std::vector<RowChoice>& rows) {
  std::fill(host_choices_.data(), host_choices_.data() + most_rows_, Choice{});
  std::int32_t* const history = host_history_.data();
  for (std::size_t row = 0; row < rows.size(); row++) {
    host_choices_.data()[row] = rows[row].how;
    if (rows[row].history == nullptr) continue;
    const std::size_t at = row * most_positions_, bytes = static_cast<std::size_t>(rows[row].how.length) * 4;
    std::memcpy(history + at, rows[row].history, bytes);
    check(driver().copy_to_device(history_[which].address() + at * 4, history + at, bytes, stream_), "take a history");
  }
  check(driver().copy_to_device(choices_[which].address(), host_choices_.data(), choices_[which].bytes(), stream_),
        "take how tokens are chosen");
}

void Sampling::enqueue(int which, int rows, const Planes& planes, Draw draw, bool reports, float* logits,
                       const Sequences& sequences, std::int32_t* chosen) const {
  ChoiceArguments args{};
  args.logits = logits;
  args.vocabulary = vocabulary_;
  args.stride = stride_;
  args.parts = parts_;
  args.choices = choices_[which].data();
  args.counts = draw == Draw::kPenalised ? counts_.data() : nullptr;
  args.history = history_[which].data();
  args.most_history = most_positions_;
  args.keys = keys_.data();
  args.plain_keys = plain_keys_.data();
  args.totals = totals_.data();
  args.octave_sums = octave_sums_.data();
  args.octave_counts = octave_counts_.data();
  args.candidates = candidates_.data();
  args.found = found_.data();
  args.sequences = sequences;
  args.chosen = chosen;
  args.reported_keys = reported_keys_.data();
  args.reported_totals = reported_totals_.data();
  args.reports = reports_.data();
  const unsigned tokens = rows, parts = parts_;
  const Device::Launch of_rows{{tokens, 1, 1}, kSampleThreads, 0, true}, of_parts{{parts, tokens, 1}, kSampleThreads, 0, true};
  if (draw == Draw::kPenalised) device_.launch(stream_, kCountHistory, of_rows, args);
  device_.launch(stream_, kScoreParts, of_parts, planes, args);
  device_.launch(stream_, kWeighParts, of_parts, args);
  device_.launch(stream_, kGatherCandidates, of_parts, args);
  device_.launch(stream_, kChoose, {{tokens, 1, 1}, kSampleThreads, kChoiceSharedBytes, true}, args);
  if (!reports) return;
  int padded = 1;
  while (padded < parts_ * kMaxReported) padded *= 2;
  device_.launch(stream_, kReportParts, of_parts, args);
  device_.launch(stream_, kReport, {{tokens, 1, 1}, kSampleThreads, static_cast<unsigned>(padded) * 8, true}, args,
                 padded);
}

}  // namespace esparse
