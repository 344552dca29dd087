// Each kernel against f64, on poisoned outputs; equal bits on repetition and in any batch.
#pragma once
#include <cstring>

#include "reference_step.cuh"

namespace harness {

inline std::vector<double> reference_outputs(const Matrix& matrix, const std::vector<float>& x, int tokens) {
  const Device<double> in(std::vector<double>(x.begin(), x.end()));
  Device<double> out(static_cast<std::size_t>(tokens) * matrix.rows);
  reference_linear(matrix, in, out, tokens);
  CHECK(cudaDeviceSynchronize());
  return out.host();
}

// [tokens][rows] of a linear alone; empty where its activations do not fit.
inline std::vector<float> outputs_of(const Matrix& matrix, const std::vector<float>& x, int tokens,
                                     const LinearTuning& tuning) {
  const bool rows = tuning.warps == 0 && takes_rows(matrix.format(), tokens, true);
  const Device<std::uint8_t> fragments(fragments_of(matrix, x, tokens, rows));
  const std::size_t count = static_cast<std::size_t>(tokens) * matrix.rows;
  Device<float> out(kSlices * count);
  LinearLaunch linear{matrix.encoding, matrix.cols, tokens};
  linear.args.out = out;
  linear.add(matrix, matrix.packed, {fragments});
  int planes = 0;
  try {
    planes = linear(Launcher{}, tuning).planes;
  } catch (const std::invalid_argument&) {
    return {};
  }
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  std::vector<float> sums = out.host();
  sums.resize(planes * count);
  return sum_of_planes(sums, count);
}

// Every number of tokens and every tuning: near f64, and the bits that each token has alone.
inline void check_linear(Report& report, int rows, int cols, Encoding encoding, std::uint64_t seed) {
  stage("check_linear %d x %d", rows, cols);
  Matrix matrix = random_matrix(rows, cols, encoding, seed);
  repack(matrix);
  const std::vector<float> x = random_floats(kMostTokens * static_cast<std::size_t>(cols), seed + 5, 1);
  const std::vector<double> reference = reference_outputs(matrix, x, kMostTokens);
  std::vector<float> alone;
  for (int token = 0; token < kMostTokens; token++) {
    const std::vector<float> one(x.begin() + token * cols, x.begin() + (token + 1) * cols);
    const std::vector<float> y = outputs_of(matrix, one, 1, plain_tuning(1));
    alone.insert(alone.end(), y.begin(), y.end());
  }
  const double error = relative_error(alone, reference);
  // Activations are two bf16, of 16 bits, or two digits of 8 bits of the greatest of 64.
  report.expect(error < (matrix.format().scaled ? 5e-5 : 1e-5), "linear: far from f64", error);
  for (const int tokens : kTokenBuckets) {
    stage("check_linear %d x %d, %d tokens", rows, cols, tokens);
    const std::vector<float> some(x.begin(), x.begin() + tokens * cols);
    report.expect(!outputs_of(matrix, some, tokens, plain_tuning(tokens)).empty(), "linear: does not fit", tokens);
    std::vector<LinearTuning> all = tunings(tokens);
    all.push_back(kChosen);
    for (const LinearTuning& tuning : all) {
      const std::vector<float> y = outputs_of(matrix, some, tokens, tuning);
      report.expect(std::memcmp(y.data(), alone.data(), y.size() * 4) == 0, "linear: bits depend on the batch", tokens);
    }
  }
  std::printf("linear %5d x %5d %s: error %.1e\n", rows, cols, variant_name(encoding), error);
}

// Repacking finds a group that was damaged, the first of two.
inline void check_damage(Report& report, std::uint64_t seed) {
  const Matrix matrix = random_matrix(100, 256, Encoding::kSparse, seed);
  std::vector<Words2> positions = matrix.positions.host();
  positions[300].word[1] = positions[300].word[0];
  positions[77].word[0] |= 3u << 10;
  positions[77].word[1] &= ~(3u << 10);
  const Device<Words2> damaged(positions);
  Device<unsigned long long> wrong(1);
  check_positions<<<static_cast<unsigned>((positions.size() + 255) / 256), 256>>>(damaged, positions.size(), wrong);
  CHECK(cudaDeviceSynchronize());
  report.expect(wrong.host()[0] == 77, "the first damaged group is not found", static_cast<double>(wrong.host()[0]));
}

// The same of integers: of positions and of scales.
inline void check_integer_damage(Report& report, std::uint64_t seed) {
  const Matrix matrix = random_matrix(100, 256, Encoding::kSparseInt4, seed);
  const auto found = [&](const std::vector<std::uint32_t>& fields, const std::vector<std::uint16_t>& scales) {
    const Device<std::uint32_t> of_fields(fields);
    const Device<std::uint16_t> of_scales(scales);
    Device<unsigned long long> wrong(2);
    check_integer_positions<<<static_cast<unsigned>((fields.size() + 255) / 256), 256>>>(of_fields, 100, 128, wrong);
    check_scales<<<static_cast<unsigned>((scales.size() + 255) / 256), 256>>>(of_scales, 100, 4, wrong + 1);
    CHECK(cudaDeviceSynchronize());
    return wrong.host();
  };
  std::vector<std::uint32_t> fields = matrix.fields.host();
  std::vector<std::uint16_t> scales = matrix.scales.host();
  report.expect(found(fields, scales) == std::vector{kAllRight, kAllRight}, "integers that are right are refused");
  // Row 37 (tile 2, row 5), group 11 (word 1, group 3 of it), and row 37, span 2; others behind them.
  for (const int tile : {2, 4}) fields[(tile * 8 + 1) * 16 + 5] &= ~(0x0303u << 18);
  for (const int tile : {2, 4}) scales[(tile * 4 + 2) * 16 + 5] = 0x7f80;
  const std::vector<unsigned long long> wrong = found(fields, scales);
  report.expect(wrong[0] == 2 * 64 + 11, "the first damaged group of integers is not found", static_cast<double>(wrong[0]));
  report.expect(wrong[1] == 37 * 4 + 2, "the first damaged scale is not found", static_cast<double>(wrong[1]));
}

// A step of some layers: near f64 for every number of sequences; logits and next tokens of a sequence are the same bits
// alone and in any batch, over the edges of pages, replayed as a graph or launched.
inline void check_step(Report& report, const Shape& shape, Encoding encoding, std::uint64_t seed) {
  constexpr int kMaxPages = 10, kSteps = 3, kAll = kMostTokens;
  int starts[kAll];
  for (int i = 0; i < kAll; i++) starts[i] = static_cast<int>(mixed(seed + 99 + i) % 630);
  const int edges[] = {0, 1, 15, 62, 63, 64, 65, 127, 200, 255, 300, 400, 509, 511, 512, 600};
  std::copy(std::begin(edges), std::end(edges), std::end(starts) - std::size(edges));
  const Decoder decoder = random_decoder(shape, encoding, kAll * kMaxPages, kMaxPages * kPagePositions, true, seed);
  const std::vector<std::int32_t> pages = random_permutation(kAll * kMaxPages, seed + 7);
  std::vector<std::int32_t> ids(kAll);
  for (int i = 0; i < kAll; i++) ids[i] = mixed(seed + i) % shape.vocabulary;

  const auto sequences = [&](int first, int count) {
    return Batch({ids.begin() + first, ids.begin() + first + count}, {starts + first, starts + first + count},
                 {pages.begin() + first * kMaxPages, pages.begin() + (first + count) * kMaxPages});
  };
  // Logits of kSteps steps and the tokens they chose.
  const auto generate = [&](const Batch& batch, const StepTuning& tuning, bool graph) {
    stage("check_step of %s, %s, %d tokens, %d warps", shape.name, variant_name(encoding), batch.tokens, tuning.qkv.warps);
    Step step(decoder, batch);
    std::vector<std::vector<float>> out;
    const Graph replayed(true, [&](const Launcher& launch) { step.enqueue(launch, tuning); });
    for (int i = 0; i < kSteps; i++) {
      step.poison();
      CHECK(cudaDeviceSynchronize());
      if (graph)
        replayed.run();
      else
        step.enqueue(Launcher{plain_stream(), false}, tuning);
      CHECK(cudaGetLastError());
      CHECK(cudaDeviceSynchronize());
      out.push_back(step.logits());
      CHECK(cudaMemcpy(batch.positions, batch.advanced, batch.positions.bytes(), cudaMemcpyDeviceToDevice));
    }
    return out;
  };

  std::vector<std::vector<std::vector<float>>> alone;
  for (int i = 0; i < kAll; i++) alone.push_back(generate(sequences(i, 1), StepTuning(1), true));
  const auto expect_equal = [&](const std::vector<std::vector<float>>& logits, int tokens) {
    for (int step = 0; step < kSteps; step++) {
      for (int t = 0; t < tokens; t++) {
        const float* of_batch = logits[step].data() + static_cast<std::size_t>(t) * shape.vocabulary;
        const float* of_one = alone[kAll - tokens + t][step].data();
        report.expect(std::memcmp(of_batch, of_one, shape.vocabulary * 4) == 0, "step: bits depend on the batch",
                      tokens);
      }
    }
  };
  double worst = 0;
  for (const int tokens : kTokenBuckets) {
    const Batch batch = sequences(kAll - tokens, tokens);
    const std::vector<double> reference = reference_step(decoder, batch);
    const auto logits = generate(batch, StepTuning(tokens), tokens != 2);
    worst = std::max(worst, relative_error(logits[0], reference));
    expect_equal(logits, tokens);
    expect_equal(generate(sequences(kAll - tokens, tokens), StepTuning(kChosen), true), tokens);
    for (const int warps : {8, 4, 2, 1}) {
      if (!linear_exists(kernel_tokens(tokens), warps)) continue;
      StepTuning other(tokens);
      other.qkv = other.o = other.gate_up = other.head = {warps, 1, 64 << 10};
      try {
        expect_equal(generate(sequences(kAll - tokens, tokens), other, true), tokens);
      } catch (const std::invalid_argument&) {  // no room
      }
    }
  }
  // Activations of integers are rounded to two digits besides.
  report.expect(worst < (bits_of(encoding) == 0 ? 2e-3 : 4e-3), "step: far from f64", worst);
  std::printf("step of %s, %d layers, %s: error %.1e\n", shape.name, shape.layers, variant_name(encoding), worst);
}

}  // namespace harness
