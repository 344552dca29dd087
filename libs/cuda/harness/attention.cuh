// Attention of decoding with what families have beside LLaMA, against f64: biases, norms of heads, windows.
#pragma once
#include <cstring>

#include "reference_step.cuh"

namespace harness {

struct AttentionCase {
  int heads, kv_heads, dims, window;
  bool biased, normed;
};

inline void check_attention(Report& report, const AttentionCase& of, std::uint64_t seed) {
  stage("check_attention of %d heads of %d", of.heads, of.dims);
  const std::vector<std::int32_t> positions = {0, 1, 15, 16, 17, 63, 64, 200, 511, 512, 600, 1100, 2047, -1};
  constexpr int kMaxPages = 32;
  const int tokens = static_cast<int>(positions.size()), rows = (of.heads + 2 * of.kv_heads) * of.dims;
  const int q_rows = of.heads * of.dims, kv_rows = of.kv_heads * of.dims;
  const std::size_t cached = static_cast<std::size_t>(tokens) * kMaxPages * kv_rows * kPagePositions;
  const Device<std::uint16_t> keys(cached), values(cached);
  fill_bf16<<<256, 256>>>(keys, cached, seed, 1);
  fill_bf16<<<256, 256>>>(values, cached, seed + 1, 1);
  const Device<std::int32_t> at(positions), pages(random_permutation(tokens * kMaxPages, seed + 2));
  const Device<float2> rotary(rotary_table(kMaxPages * kPagePositions, of.dims));
  const std::vector<float> sums = random_floats(static_cast<std::size_t>(tokens) * rows, seed + 3, 2);
  const Device<float> qkv(sums), bias(random_floats(rows, seed + 4, 3)), query_norm(random_floats(of.dims, seed + 5, 1)),
      key_norm(random_floats(of.dims, seed + 6, 1));
  const HeadArguments head{of.biased ? static_cast<float*>(bias) : nullptr,
                           of.normed ? static_cast<float*>(query_norm) : nullptr,
                           of.normed ? static_cast<float*>(key_norm) : nullptr, kEpsilon};
  std::vector<std::uint16_t> natural(q_rows);
  for (int i = 0; i < q_rows; i++) natural[i] = static_cast<std::uint16_t>(i);
  const Device<std::uint16_t> places(natural);

  std::vector<double> parts[3];
  for (int t = 0; t < tokens; t++) {
    const float* row = sums.data() + static_cast<std::size_t>(t) * rows;
    parts[0].insert(parts[0].end(), row, row + q_rows);
    parts[1].insert(parts[1].end(), row + q_rows, row + q_rows + kv_rows);
    parts[2].insert(parts[2].end(), row + q_rows + kv_rows, row + rows);
  }
  const Device<double> q(parts[0]), k(parts[1]), v(parts[2]);
  Device<double> expected(static_cast<std::size_t>(tokens) * q_rows);
  const ReferenceCache cache{keys, values, pages, at, kMaxPages, of.heads, of.kv_heads, of.dims, rotary, head, of.window};
  // The last is no token: zeros.
  reference_attention<<<dim3(of.heads, tokens - 1), of.dims, (2048 + 2 * of.dims) * sizeof(double)>>>(cache, q, k, v,
                                                                                                      expected);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  std::vector<double> reference = expected.host();
  std::fill(reference.end() - q_rows, reference.end(), 0);

  const std::size_t splits = static_cast<std::size_t>(tokens) * of.heads * attention_splits(kMaxPages);
  Device<float> outputs(splits * of.dims);
  Device<float2> weights(splits);
  Device<std::uint8_t> fragments(activation_bytes(q_rows, tokens));
  AttentionArguments args{};
  args.qkv = {qkv, 1, tokens, rows};
  args.head = head;
  args.heads = of.heads;
  args.kv_heads = of.kv_heads;
  args.queries = of.heads / of.kv_heads;
  args.groups = query_groups(args.queries);
  args.keys = keys;
  args.values = values;
  args.page_table = pages;
  args.positions = at;
  args.max_pages = kMaxPages;
  args.window = of.window;
  args.rotary = rotary;
  args.scale = 1 / std::sqrt(static_cast<float>(of.dims));
  args.inverse = places;
  args.inputs = q_rows;
  args.fragments = fragments;
  args.outputs = outputs;
  args.weights = weights;
  const Device<std::uint32_t> arrived(std::vector<std::uint32_t>(static_cast<std::size_t>(tokens) * of.heads));
  args.arrived = arrived;
  const int queries = of.heads / of.kv_heads;
  const auto attend = [&](int tokens, int ctas, int slots, bool walks = false) {
    args.tokens = tokens;
    const AttentionKernel kernel = walks ? walk_kernel(of.dims) : attention_kernel(of.dims, slots);
    const dim3 grid = walks ? dim3(ctas) : dim3(ctas, of.kv_heads * query_groups(queries), tokens);
    if (walks) Launcher{}(kernel, grid, kWalkThreads, walk_shared(of.dims, queries), args);
    else Launcher{}(kernel, grid, kAttentionThreads, attention_shared(of.dims, queries, slots), args);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
  };
  attend(tokens, attention_splits(kMaxPages), 0);
  const std::vector<std::uint8_t> bytes = fragments.host();
  std::vector<float> out;
  for (int t = 0; t < tokens; t++) {
    for (int i = 0; i < q_rows; i++) {
      std::uint16_t hi, lo;
      std::memcpy(&hi, &bytes[activation_offset(i, t, tokens)], 2);
      std::memcpy(&lo, &bytes[activation_offset(i, t, tokens) + kLoOffset], 2);
      out.push_back(bf16_value(hi) + bf16_value(lo));
    }
  }
  // Some of the sequences, their keys and values in the cache, fewer CTAs that share them, and every kernel: the same bits.
  const int short_ones = tokens - 3;
  const auto check = [&](int slots, int ctas, bool walks = false) {
    Device<std::uint8_t> direct(activation_bytes(q_rows, short_ones));
    args.fragments = direct;
    attend(short_ones, ctas, slots, walks);
    const std::vector<std::uint8_t> of_short = direct.host();
    int different = 0;
    for (int t = 0; t < short_ones; t++) {
      for (int i = 0; i < q_rows; i++) {
        for (const int part : {0, kLoOffset}) {
          different += std::memcmp(&of_short[activation_offset(i, t, short_ones) + part],
                                   &bytes[activation_offset(i, t, tokens) + part], 2) != 0;
        }
      }
    }
    report.expect(different == 0, "attention: bits depend on the batch", different);
  };
  // Again and again: what is copied too early to where keys and values are still read shows now and then.
  constexpr int kTimes = 20;
  for (int slots = 0; slots <= kMostSlots; slots++) {
    for (int i = 0; i < kTimes && attention_kernel(of.dims, slots) != nullptr; i++) {
      for (const int ctas : {1, 2, 3, 7}) {
        check(slots, ctas);
        if (slots == 0 && walk_kernel(of.dims) != nullptr) check(slots, ctas, true);
      }
    }
  }
  const double error = relative_error(out, reference);
  // A key on the edge of two bf16 may be rounded to the other one.
  report.expect(error < 3e-4, "attention: far from f64", error);
  std::printf("attention of %d heads of %d, %d of keys%s%s, window %d: error %.1e\n", of.heads, of.dims, of.kv_heads,
              of.biased ? ", biases" : "", of.normed ? ", norms" : "", of.window, error);
}

}  // namespace harness
