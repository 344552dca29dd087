// Runs a decoder over up to 64 tokens at once, on the key-value cache: one CUDA graph for each number of tokens and of
// pages that there may be.
#pragma once
#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "decoder.h"
#include "flight.h"
#include "sampling.h"

namespace esparse {

constexpr int kMaxRows = kMostTokens;

// Pages of the cache, each with room for kPagePositions of a sequence in every layer.
struct Cache {
  int pages;
  std::size_t page_bytes;  // over all layers
  DeviceArray<std::uint16_t> memory;
};

std::size_t page_bytes_of(const DecoderShape& shape);

struct StepWants {
  bool several;    // a sequence has several tokens among the rows, in order
  bool head;       // logits are wanted of a row,
  bool likeliest;  // but only tokens that the device chooses;
  bool continues;  // and every sequence has room for another token behind this one's
  Draw draw = Draw::kLikeliest;  // where `likeliest` is wanted: or tokens that are sampled,
  bool reports = false;          // with their log-probabilities
};

class Step {
 public:
  // `max_pages` of one sequence.
  Step(const Device& device, const Decoder& decoder, int max_pages, CuStream stream);
  // What the buffers of a step take.
  static std::size_t bytes(const DecoderShape& shape, int max_pages, int shared, int sms);

  void use_cache(Cache cache) { cache_ = std::move(cache); }
  const Cache& cache() const { return cache_; }
  int max_pages() const { return max_pages_; }

  // What was asked for last has ended.
  void wait() const;
  // Graphs that there are, and how often one was launched for so many tokens.
  int graphs() const { return static_cast<int>(graphs_.size()); }
  const std::map<int, std::uint64_t>& launches() const { return launches_; }

  // Each row is a token: its id, its position and the number of its sequence, and the pages of that sequence: `inputs`
  // is [kMaxRows] ids, [kMaxRows] positions, [kMaxRows] sequences, [kMaxRows][max_pages] pages.
  // `choices`: of each row, where tokens are sampled. What it gives is there after `wait`.
  void run(const std::int32_t* inputs, int rows, const StepWants& wants, const std::vector<RowChoice>& choices);
  // The head alone, of rows of a residual stream, up to kMaxRows of them.
  void head(const DeviceArray<float>& residual, const std::int32_t* rows, int count, const StepWants& wants,
            const std::vector<RowChoice>& choices);
  // After a run with the head: the chosen token of a row, kNotNumbers or kLeftToHost; its report; all of its logits.
  int chosen(int row) const { return last_->chosen.data()[places_.at(row)]; }
  const ChoiceReport& report(int row) const { return last_->reports.data()[places_.at(row)]; }
  void logits(int row, float* out) const;

 private:
  struct Variant {
    int tokens, pages;
    bool several, head, logits, blocks;
    Draw draw;
    bool reports;
    bool operator<(const Variant& other) const {
      const auto all = [](const Variant& v) {
        return std::tie(v.tokens, v.pages, v.several, v.head, v.logits, v.blocks, v.draw, v.reports);
      };
      return all(*this) < all(other);
    }
  };
  struct LinearLaunch;
  // Between the kernels of a mixture, for as many groups of pairs as there may be.
  struct ExpertBuffers {
    DeviceArray<float> rows, scores, shares, sums, given, combined;
    DeviceArray<std::int32_t> slot_of, expert_of, token_of;
    DeviceArray<std::uint8_t> gathered, activated;
    ExpertBuffers() = default;
    explicit ExpertBuffers(const DecoderShape& shape);
    static std::size_t bytes(const DecoderShape& shape);
  };
  // What a part of a block gives: planes of its last linear, with their bias and the norm behind it.
  struct Given {
    Planes planes{};
    const Part* part = nullptr;
  };
  CuGraphExec graph_of(const Variant& variant);
  void upload(const std::int32_t* inputs, int rows);
  int pages_of(const std::vector<RowOf>& rows, int further) const;
  void launch(const Variant& variant, Flight& flight);
  void enqueue(const Variant& variant);
  Given enqueue_blocks(const Variant& variant);
  std::vector<LinearActivations> norm(const Variant& variant, LinearLaunch& linear, const Given& given,
                                      const DeviceArray<float>& weight, const DeviceArray<float>& shift,
                                      const DeviceArray<std::uint16_t>* sources, int readers);
  bool norms_itself(const Variant& variant) const;
  bool takes_rows(const Variant& variant, Encoding encoding) const;
  Given give(const Variant& variant, LinearLaunch& linear, const Part& part);
  NormInput norm_input(const Given& given, const DeviceArray<float>& weight);
  JoinArguments join_of(const Variant& variant, const Given& given, const NormInput& input,
                        const DeviceArray<float>& shift) const;
  // A CTA for each token.
  static Device::Launch by_token(const Variant& variant, unsigned threads, unsigned shared) {
    return {{static_cast<unsigned>(variant.tokens), 1, 1}, threads, shared, true};
  }
  Planes enqueue_experts(const Variant& variant, const Layer& layer, const Given& given);
  LinearActivations enqueue_mlp(const Variant& variant, const Layer& layer, const Given& given);
  Planes norm_heads(const Variant& variant, const Layer& layer, const Planes& qkv);
  Planes launch(LinearLaunch& linear);
  void digitise(LinearLaunch& linear);
  MergeInput merge_of(const Layer& layer) const;
  void attend(const Variant& variant, const Layer& layer, int index, const Planes& qkv);
  int logit_rows() const { return (decoder_.shape.vocabulary + 3) / 4 * 4; }
  int logit_parts() const { return (decoder_.shape.vocabulary + kPartLogits - 1) / kPartLogits; }

  const Device& device_;
  const Decoder& decoder_;
  int max_pages_;
  CuStream stream_;
  Cache cache_{};
  PinnedArray<std::int32_t> host_inputs_;
  PinnedArray<float> host_logits_;
  DeviceArray<std::int32_t> inputs_;
  DeviceArray<float> residual_[2], qkv_, normed_heads_, o_, gate_up_, down_, pending_, logit_planes_, logits_, split_outputs_, split_weights_;
  DeviceArray<std::uint8_t> normed_[3], attended_, activated_;
  std::array<DeviceArray<std::uint8_t>, 3> digits_;  // of any of these, where a kernel makes them
  DeviceArray<std::uint32_t> arrived_;
  DeviceArray<std::uint64_t> keys_;
  DeviceArray<std::int32_t> chosen_;
  ExpertBuffers experts_;
  Sampling sampling_;
  Flight flights_[2], of_head_;
  int flight_ = 0;         // the one that was asked for last;
  bool begun_ = false;     // whether the other one is the step after it, and
  int begun_tokens_ = 0;   // of how many rows, filled up,
  Draw begun_draw_ = Draw::kLikeliest;  // chosen how,
  bool begun_reports_ = false;          // and told
  const Flight* last_ = nullptr;  // what `likeliest` and `logits` are of, and
  std::vector<int> places_;       // where its rows stand
  int current_ = 0;  // which residual is the stream's, while kernels are enqueued,
  bool late_splits_ = false;  // and whether o adds splits up
  std::map<Variant, GraphExec> graphs_;
  std::map<int, std::uint64_t> launches_;
};

}  // namespace esparse
