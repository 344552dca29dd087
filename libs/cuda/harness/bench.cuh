// Times, written as lines of tab-separated values: what, shape, tokens, variant, microseconds, bytes of weights.
#pragma once
#include "decoder.cuh"

namespace harness {

class Results {
 public:
  explicit Results(const char* path) : file_(std::fopen(path, "w")) {
    if (file_ == nullptr) {
      std::printf("cannot write %s\n", path);
      std::exit(1);
    }
  }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() { std::fclose(file_); }
  void add(const char* what, const char* shape, int tokens, const char* variant, double us, double bytes) {
    std::fprintf(file_, "%s\t%s\t%d\t%s\t%.3f\t%.0f\n", what, shape, tokens, variant, us, bytes);
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
};

// Reads everything, 16 bytes a load, eight loads in flight.
__global__ void __launch_bounds__(512) read_all(const uint4* from, std::size_t count, std::uint32_t* sink) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  std::uint32_t seen = 0;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += 8 * step) {
    uint4 loaded[8] = {};
#pragma unroll
    for (int j = 0; j < 8; j++) {
      if (i + j * step < count) loaded[j] = __ldcs(from + i + j * step);
    }
#pragma unroll
    for (int j = 0; j < 8; j++) seen ^= loaded[j].x ^ loaded[j].y ^ loaded[j].z ^ loaded[j].w;
  }
  if (seen == 0x12345678u) *sink = seen;
}

// Bytes a microsecond of a plain read: the best of a few grids.
inline void bench_read(Results& results) {
  const std::size_t bytes = std::size_t{1} << 30;
  const Device<std::uint16_t> data(bytes / 2);
  fill_bf16<<<1024, 256>>>(data, data.count(), 1, 1);
  Device<std::uint32_t> sink(1);
  double best = INFINITY;
  for (const int grid : {1, 2, 4}) {
    for (const int threads : {256, 512}) {
      const Graph graph(false, [&](const Launcher& launch) {
        launch(read_all, grid * sm_count(), threads, 0,
               reinterpret_cast<const uint4*>(static_cast<std::uint16_t*>(data)), bytes / 16, sink);
      });
      best = std::min(best, graph.microseconds(9));
    }
  }
  std::printf("plain read: %.0f GB/s\n", bytes / best * 1e-3);
  results.add("read", "1 GiB", 0, "read", best, static_cast<double>(bytes));
}

// One linear after another over copies of the weights that do not fit into the L2 by far. The activations of integers are made digits of
// by each linear, as those of a step of one token are; or, for one token, given as digits (`digits`).
inline void bench_linear_of(Results& results, const Matrix& matrix, const std::uint8_t* weights, std::size_t copies, int tokens,
                            bool digits, std::uint64_t seed) {
  const std::vector<float> x = random_floats(static_cast<std::size_t>(tokens) * matrix.cols, seed, 1);
  const Device<std::uint8_t> fragments(fragments_of(matrix, x, tokens));
  LinearLaunch first{matrix.encoding, matrix.cols, tokens};
  first.add(matrix, weights, {fragments});
  if (digits) first.digitise(Launcher{});
  CHECK(cudaDeviceSynchronize());
  Device<float> out(static_cast<std::size_t>(kSlices) * tokens * matrix.rows);
  const std::size_t bytes = matrix.packed_bytes();
  const auto time = [&](const LinearTuning& tuning, int repeats) {
    stage("linear %d x %d, %d tokens, %d warps", matrix.rows, matrix.cols, tokens, tuning.warps);
    const Graph graph(true, [&](const Launcher& launch) {
      for (std::size_t i = 0; i < copies; i++) {
        LinearLaunch linear{matrix.encoding, matrix.cols, tokens};
        linear.args.out = out;
        linear.add(matrix, weights + i * bytes, first.args.activations[0]);
        linear(launch, tuning);
      }
    });
    return graph.microseconds(repeats) / copies;
  };
  LinearTuning best = plain_tuning(tokens);
  double least = INFINITY;
  for (LinearTuning tuning : tunings(tokens)) {
    // What is asked for before the linear before is done: as is chosen, nothing, up to half of an SM's memory, and that or all of it at
    // once, which in a step keeps others waiting.
    for (const auto& [ahead, paced] : {std::pair(-1, true), {0, true}, {20, true}, {40, true}, {80, true}, {112, true}, {112, false},
                                       {160, false}, {208, false}}) {
      if (tokens > 1 && ahead >= 0) break;
      tuning.ahead_bytes = ahead < 0 ? -1 : ahead << 10;
      tuning.paced = paced;
      try {
        const double us = time(tuning, 5);
        if (us < least) least = us, best = tuning;
      } catch (const std::invalid_argument&) {
      }
    }
  }
  const double us = time(best, 15);
  char shape[32];
  std::snprintf(shape, sizeof shape, "%d x %d", matrix.rows, matrix.cols);
  const std::string variant = std::string(variant_name(matrix.encoding)) + (digits ? " digits" : "");
  results.add("linear", shape, tokens, variant.c_str(), us, static_cast<double>(bytes));
  std::printf("linear %-14s %2d tokens %-18s %7.2f us %6.0f GB/s (%d warps, %d CTAs an SM, %d KB, %d ahead%s)\n", shape, tokens,
              variant.c_str(), us, bytes / us * 1e-3, best.warps, best.share, best.ring_bytes >> 10,
              best.ahead_bytes < 0 ? -1 : best.ahead_bytes >> 10, best.paced ? "" : " at once");
}

inline void bench_linear(Results& results, int rows, int cols, Encoding encoding, std::uint64_t seed) {
  Matrix matrix = random_matrix(rows, cols, encoding, seed);
  repack(matrix);
  const std::size_t bytes = matrix.packed_bytes(), copies = 1200000000 / bytes + 2;
  Device<std::uint8_t> weights(copies * bytes);
  for (std::size_t i = 0; i < copies; i++) {
    CHECK(cudaMemcpy(weights + i * bytes, matrix.packed, bytes, cudaMemcpyDeviceToDevice));
  }
  for (const int tokens : {1, 4, 8, 16}) bench_linear_of(results, matrix, weights, copies, tokens, false, seed + 1);
  if (matrix.format().scaled) bench_linear_of(results, matrix, weights, copies, 1, true, seed + 1);
}

inline double packed_bytes(const Decoder& decoder) {
  double bytes = 0;
  for (const Layer& layer : decoder.layers) {
    for (const Matrix* m : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      bytes += static_cast<double>(m->packed_bytes());
    }
  }
  return bytes;
}

// The best tuning of each role, one role after another, for what `time` measures.
template <class Time>
StepTuning tuned(int tokens, const Time& time) {
  if (tokens > kGroupTokens) return StepTuning(kChosen);
  StepTuning best(tokens);
  double least = time(best);
  for (LinearTuning StepTuning::* role :
       {&StepTuning::gate_up, &StepTuning::down, &StepTuning::qkv, &StepTuning::o, &StepTuning::head}) {
    for (const LinearTuning& tuning : tunings(tokens)) {
      StepTuning candidate = best;
      candidate.*role = tuning;
      try {
        const double us = time(candidate);
        if (us < least) least = us, best = candidate;
      } catch (const std::invalid_argument&) {  // no room
      }
    }
  }
  return best;
}

// All linears of the blocks in their order, nothing between them.
inline void bench_stack(Results& results, const Decoder& decoder, int tokens) {
  const Shape& s = decoder.shape;
  const int widest = std::max(2 * s.inner, (s.heads + 2 * s.kv_heads) * s.dims);
  Device<std::uint8_t> fragments(activation_bytes(s.inner, tokens));
  fill_bf16<<<256, 256>>>(reinterpret_cast<std::uint16_t*>(static_cast<std::uint8_t*>(fragments)),
                          fragments.count() / 2, 3, 1);
  Device<float> out(static_cast<std::size_t>(kSlices) * tokens * widest);
  const LinearActivations x{fragments, nullptr};
  pending_sums();
  digits_of_segment(0);
  const auto time = [&](const StepTuning& tuning, int repeats) {
    stage("the linears of %s, %s, %d tokens", decoder.shape.name, variant_name(decoder.encoding), tokens);
    const Graph graph(true, [&](const Launcher& launch) {
      const auto linear = [&](const std::vector<const Matrix*>& matrices, const LinearTuning& of) {
        LinearLaunch plain{decoder.encoding, matrices[0]->cols, tokens};
        plain.args.out = out;
        for (const Matrix* matrix : matrices) plain.add(*matrix, matrix->packed, x);
        plain(launch, of);
      };
      for (const Layer& layer : decoder.layers) {
        linear({&layer.q, &layer.k, &layer.v}, tuning.qkv);
        linear({&layer.o}, tuning.o);
        LinearLaunch pair{decoder.encoding, s.hidden, tokens};
        pair.args.out = out;
        if (tokens > kGroupTokens) {
          pair.pair(layer.gate, layer.gate_up, x, x, true);
        } else {  // as many bytes as a pair, read as one matrix
          pair.add(layer.gate, layer.gate_up, x);
          pair.args.segments[0].panels = pair.args.segments[0].panels * 2;
          pair.args.segments[0].rows = pair.args.out_rows = 2 * s.inner;
        }
        pair(launch, tuning.gate_up);
        linear({&layer.down}, tuning.down);
      }
    });
    return graph.microseconds(repeats);
  };
  const StepTuning best = tuned(tokens, [&](const StepTuning& tuning) { return time(tuning, 3); });
  const double us = time(best, 25);
  results.add("stack", s.name, tokens, variant_name(decoder.encoding), us, packed_bytes(decoder));
  std::printf("stack %-4s %2d tokens %-11s %8.1f us %6.0f GB/s\n", s.name, tokens, variant_name(decoder.encoding), us,
              packed_bytes(decoder) / us * 1e-3);
}

// A whole decode step with 512 positions a sequence.
inline void bench_step(Results& results, const Decoder& decoder, int tokens) {
  constexpr int kPositions = 512, kPages = kPositions / kPagePositions;
  const Batch batch(std::vector<std::int32_t>(tokens, 1), std::vector<std::int32_t>(tokens, kPositions - 1),
                    random_permutation(tokens * kPages, 5));
  Step step(decoder, batch);
  const auto time = [&](const StepTuning& tuning, int repeats, bool overlapped, const Omitted& omitted) {
    stage("a step of %s, %s, %d tokens", decoder.shape.name, variant_name(decoder.encoding), tokens);
    const Graph graph(overlapped, [&](const Launcher& launch) { step.enqueue(launch, tuning, omitted); });
    return graph.microseconds(repeats);
  };
  const StepTuning best = tuned(tokens, [&](const StepTuning& tuning) { return time(tuning, 3, true, {}); });
  const double us = time(best, 50, true, {}), apart = time(best, 15, false, {});
  const double no_attention = time(best, 15, true, {true});
  const double plain = time(StepTuning(tokens), 15, true, {});
  const double bytes = packed_bytes(decoder) + static_cast<double>(decoder.head.packed_bytes());
  const char* name = decoder.shape.name;
  results.add("step", name, tokens, variant_name(decoder.encoding), us, bytes);
  results.add("step-apart", name, tokens, variant_name(decoder.encoding), apart, bytes);
  std::printf(
      "step  %-4s %2d tokens %-11s %8.1f us %6.0f tokens/s %6.0f GB/s (kernels apart %.1f us, without attention %.1f, "
      "not tuned %.1f);",
      name, tokens, variant_name(decoder.encoding), us, tokens / us * 1e6, bytes / us * 1e-3, apart, no_attention,
      plain);
  for (const LinearTuning& t : {best.qkv, best.o, best.gate_up, best.down, best.head}) {
    std::printf(" %dw%dx%dK", t.warps, t.share, t.ring_bytes >> 10);
  }
  std::printf("\n");
}

// A step as the engine launches it, 512 positions a sequence, and without what it consists of. Lines to be compared with
// those of other kernels on the same day: fewer replays, no search.
inline void bench_chosen(const Decoder& decoder, int tokens, int positions) {
  const int pages = (positions + kPagePositions - 1) / kPagePositions;
  const Batch batch(std::vector<std::int32_t>(tokens, 1), std::vector<std::int32_t>(tokens, positions - 1),
                    random_permutation(tokens * pages, 5));
  Step step(decoder, batch);
  const auto time = [&](int repeats, bool overlapped, const Omitted& omitted) {
    stage("a step of %s, %s, %d tokens of %d", decoder.shape.name, variant_name(decoder.encoding), tokens, positions);
    const Graph graph(overlapped,
                      [&](const Launcher& launch) { step.enqueue(launch, StepTuning(kChosen), omitted); });
    return graph.microseconds(repeats);
  };
  const double us = time(40, true, {}), apart = time(10, false, {}), bare = time(20, true, {true});
  std::printf("chosen %-4s %2d x %4d %-11s %8.1f us %6.0f tokens/s (apart %.1f, without attention %.1f)\n",
              decoder.shape.name, tokens, positions, variant_name(decoder.encoding), us, tokens / us * 1e6, apart, bare);
}

// A step that is timed in one way after another; its pages are at random, or those that are given.
class TimedStep {
 public:
  TimedStep(const Decoder& decoder, int tokens, int positions)
      : TimedStep(decoder, tokens, positions, random_permutation(tokens * ((positions + kPagePositions - 1) / kPagePositions), 5)) {}
  TimedStep(const Decoder& decoder, int tokens, int positions, const std::vector<std::int32_t>& pages)
      : decoder_(decoder),
        tokens_(tokens),
        batch_(std::vector<std::int32_t>(tokens, 1), std::vector<std::int32_t>(tokens, positions - 1), pages),
        step_(decoder, batch_) {}
  // Infinity where there is no room for it.
  double microseconds(const StepTuning& tuning, int repeats) {
    stage("a timed step of %s, %s, %d tokens", decoder_.shape.name, variant_name(decoder_.encoding), tokens_);
    try {
      const Graph graph(true, [&](const Launcher& launch) { step_.enqueue(launch, tuning); });
      return graph.microseconds(repeats);
    } catch (const std::invalid_argument&) {
      return INFINITY;
    }
  }

 private:
  const Decoder& decoder_;
  const int tokens_;
  const Batch batch_;
  Step step_;
};

// The best tuning of each role of a step as the engine launches it, one role after another, twice: shares and rings first, then how
// much is asked for ahead. From what is chosen, and, as that may lead to a place that is not the best, from one that asks for nothing.
inline void search_step(const Decoder& decoder, int tokens, int positions) {
  TimedStep step(decoder, tokens, positions);
  const auto time = [&](const StepTuning& tuning, int repeats) { return step.microseconds(tuning, repeats); };
  struct Role {
    const char* name;
    LinearTuning StepTuning::* of;
  };
  constexpr Role kRoles[] = {{"gate_up", &StepTuning::gate_up},
                             {"down", &StepTuning::down},
                             {"qkv", &StepTuning::qkv},
                             {"o", &StepTuning::o},
                             {"head", &StepTuning::head}};
  LinearTuning nothing_ahead = plain_tuning(tokens);
  nothing_ahead.ring_bytes = 144 << 10;
  nothing_ahead.ahead_bytes = 0;
  for (const StepTuning& start : {StepTuning(kChosen), StepTuning(nothing_ahead)}) {
    StepTuning best = start;
    double least = time(best, 5);
    const double before = time(best, 25);
    const auto attempt = [&](const Role& role, const LinearTuning& tuning) {
      StepTuning candidate = best;
      candidate.*role.of = tuning;
      const double us = time(candidate, 5);
      if (us < least) least = us, best = candidate;
      return us;
    };
    for (int pass = 0; pass < 2; pass++) {
      for (const Role& role : kRoles) {
        std::printf("search %-4s %-11s %2d pass %d %-7s:", decoder.shape.name, variant_name(decoder.encoding), tokens, pass, role.name);
        for (LinearTuning tuning : tunings(tokens)) {
          if ((best.*role.of).warps != 0) tuning.ahead_bytes = (best.*role.of).ahead_bytes;
          std::printf(" %dw%dx%d=%.0f", tuning.warps, tuning.share, tuning.ring_bytes >> 10, attempt(role, tuning));
        }
        for (const int ahead : {0, 20, 40, 80, 120, 208}) {
          LinearTuning tuning = best.*role.of;
          if (tuning.warps == 0) continue;
          tuning.ahead_bytes = ahead << 10;
          std::printf(" a%d=%.0f", ahead, attempt(role, tuning));
        }
        std::printf("\n");
      }
    }
    std::printf("found  %-4s %-11s %2d tokens: %.1f us at first, best %.1f us:", decoder.shape.name, variant_name(decoder.encoding),
                tokens, before, time(best, 25));
    for (const Role& role : kRoles) {
      const LinearTuning& t = best.*role.of;
      std::printf(" %s %dw%dx%dK a%d", role.name, t.warps, t.share, t.ring_bytes >> 10, t.ahead_bytes < 0 ? -1 : t.ahead_bytes >> 10);
    }
    std::printf("\n");
  }
}

// Of a step of 32 or 64 tokens in bf16: every way to share its linears out, one role after another.
inline void search_widest(const Decoder& decoder, int tokens, int positions) {
  TimedStep step(decoder, tokens, positions);
  const auto time = [&](const StepTuning& tuning, int repeats) { return step.microseconds(tuning, repeats); };
  StepTuning best(kChosen);
  double least = time(best, 15);
  std::printf("widest %-4s %-11s %d chosen %.0f us\n", decoder.shape.name, variant_name(decoder.encoding), tokens, least);
  struct Role {
    const char* name;
    std::optional<WidestTuning> StepTuning::* of;
  };
  for (const Role& role : {Role{"gate_up", &StepTuning::widest_gate_up},
                           {"down", &StepTuning::widest_down},
                           {"qkv", &StepTuning::widest_qkv},
                           {"o", &StepTuning::widest_o},
                           {"head", &StepTuning::widest_head}}) {
    std::printf("widest %-4s %-11s %d %-7s:", decoder.shape.name, variant_name(decoder.encoding), tokens, role.name);
    for (const int panels : {1, 2}) {
      for (const int slices : {1, 2, 4, 8}) {
        for (const bool resident : {true, false}) {
          if (resident && slices > 1) continue;
          for (const int ahead : {-1, 1}) {
            StepTuning candidate = best;
            candidate.*role.of = WidestTuning{panels, slices, resident, ahead};
            const double us = time(candidate, 5);
            std::printf(" %dp%ds%s%s=%.0f", panels, slices, resident ? "r" : "", ahead < 0 ? "" : "a1", us);
            if (us < least) least = us, best = candidate;
          }
        }
      }
    }
    std::printf("\n");
  }
  std::printf("widest %-4s %-11s %d found %.0f us:", decoder.shape.name, variant_name(decoder.encoding), tokens, time(best, 25));
  for (const auto& role : {best.widest_qkv, best.widest_o, best.widest_gate_up, best.widest_down, best.widest_head}) {
    if (role) std::printf(" %dp%ds%sa%d", role->panels, role->slices, role->resident ? "r" : "", role->ahead);
    else std::printf(" -");
  }
  std::printf("\n");
}

}  // namespace harness
