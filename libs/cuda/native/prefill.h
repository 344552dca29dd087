// Runs a decoder over pieces of prompts, hundreds of tokens at a time: keys and values into the cache, and the residual
// stream after the last block. What a token becomes does not depend on the tokens beside it, nor on where its prompt
// was cut: every sum is one of its row alone, in one order (`prefill_linear.cuh`, `attention_prefill.cuh`, and those by `mma`).
#pragma once
#include <vector>

#include "../kernels/prefill_arguments.h"
#include "decoder.h"
#include "step.h"

namespace esparse {

// Consecutive tokens of one prompt.
struct PromptPart {
  const std::uint32_t* ids;
  int count, position;  // of the first
  const std::int32_t* pages;
};

class Prefill {
 public:
  // `most_tokens` of one run.
  Prefill(const Device& device, const Decoder& decoder, const Cache& cache, int most_tokens, CuStream stream);
  // What its buffers take.
  static std::size_t bytes(const DecoderShape& shape, int most_tokens);

  // The cache is there from now on.
  void use_cache();
  // The parts' tokens stand one after the other, as rows. Their results are there after `wait`.
  void run(const std::vector<PromptPart>& parts);
  void wait() const { check(driver().wait_for_event(done_.get()), "take in a prompt"); }
  // [rows][hidden], after a run: before the last norm.
  const DeviceArray<float>& residual() const { return residual_; }

 private:
  // Activations in bf16, and, on Hopper, how the copy engine finds them, by tile.
  struct Activations {
    DeviceArray<std::uint16_t> rows;
    TensorMap maps[2];
    Activations() = default;
    Activations(const Device& device, int inputs, int most_tokens);
  };
  struct LinearLaunch;
  Device::Launch launch_of(unsigned x, unsigned y, unsigned threads, int shared) const;
  void take(const std::vector<PromptPart>& parts);
  void enqueue();
  // Gives `readers` their activations: of dense linears, one and the same.
  void norm(const DeviceArray<float>& weight, const DeviceArray<std::uint16_t>* const (&orders)[kMaxSegments],
            int readers);
  void attend(const Layer& layer, int index);
  void launch(const LinearLaunch& linear);

  const Device& device_;
  const Decoder& decoder_;
  const Cache& cache_;
  int most_tokens_;
  CuStream stream_;
  int tokens_ = 0;  // of this run
  int tiles_ = 0;   // of its queries
  // Of each token id, position and where its pages begin; then tiles; then pages.
  PinnedArray<std::int32_t> host_inputs_;
  DeviceArray<std::int32_t> inputs_;
  std::size_t first_tile_ = 0, first_page_ = 0;  // within the inputs
  DeviceArray<float> residual_;
  DeviceArray<std::uint16_t> qkv_, heads_;
  Activations normed_[kMaxSegments], attended_, activated_;
  TensorMap cache_map_{};
  Event done_ = make_event();
};

}  // namespace esparse
