// The next tokens of rows, chosen on the device as each row's parameters say (`kernels/choice.h`): what it needs, and the
// kernels after the head.
#pragma once
#include <vector>

#include "decoder.h"

namespace esparse {

// How a row's token is chosen, and, where it has penalties, its tokens so far (else none).
struct RowChoice {
  Choice how;
  const std::uint32_t* history;
};

// What all rows of a step ask for.
enum class Draw {
  kLikeliest,  // nothing but that
  kSampled,    // as each row says,
  kPenalised,  // some of them with penalties
};

class Sampling {
 public:
  // For up to `most_rows` rows whose logits stand in rows of `stride`, of sequences of up to `most_positions`.
  Sampling(const Device& device, const DecoderShape& shape, int most_rows, int most_positions, CuStream stream);
  static std::size_t bytes(const DecoderShape& shape, int most_rows, int most_positions);

  // Choices of the rows of a step to come: of a decoding step (0), or of the head after a prompt (1). Those of decoding go on
  // by themselves from step to step.
  void take(int which, const std::vector<RowChoice>& rows);
  // After the head, into `chosen`, and `reports` where they are wanted.
  void enqueue(int which, int rows, const Planes& planes, Draw draw, bool reports, float* logits,
               const Sequences& sequences, std::int32_t* chosen) const;
  const DeviceArray<ChoiceReport>& reports() const { return reports_; }

 private:
  const Device& device_;
  int vocabulary_, stride_, parts_, most_rows_, most_positions_;
  CuStream stream_;
  PinnedArray<Choice> host_choices_;
  PinnedArray<std::int32_t> host_history_;
  DeviceArray<Choice> choices_[2];
  DeviceArray<std::int32_t> history_[2];
  DeviceArray<std::uint32_t> counts_, octave_counts_, found_;
  DeviceArray<std::uint64_t> keys_, plain_keys_, totals_, octave_sums_, candidates_, reported_keys_, reported_totals_;
  DeviceArray<ChoiceReport> reports_;
};

}  // namespace esparse
