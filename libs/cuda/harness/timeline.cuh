// Where the time of a step goes: each CTA of its kernels says when what happened (`kernels/timeline.cuh`).
#pragma once
#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "decoder.cuh"

#ifdef ESPARSE_TIMELINE
namespace harness {

// The moments of a CTA, in ns since the step began.
struct CtaTimes {
  const void* of;
  int sm;
  double at[kMoments];  // negative: did not come
  double operator[](Moment moment) const { return at[static_cast<int>(moment)]; }
};

inline std::vector<CtaTimes> recorded(const Graph& graph) {
  unsigned count = 0;
  CHECK(cudaMemcpyToSymbol(timeline_count, &count, sizeof count));
  graph.run();
  CHECK(cudaMemcpyFromSymbol(&count, timeline_count, sizeof count));
  std::vector<TimelineRecord> records(std::min<unsigned>(count, kMostRecords));
  CHECK(cudaMemcpyFromSymbol(records.data(), timeline_records, records.size() * sizeof(TimelineRecord)));
  // The SM's cycles in ns, by the CTAs that took longest.
  double cycles = 0, ns = 0;
  long long first = INT64_MAX;
  for (const TimelineRecord& r : records) {
    cycles += static_cast<double>(r.cycles[kMoments - 1] - r.cycles[0]);
    ns += static_cast<double>(r.end_ns - r.start_ns);
    first = std::min(first, r.start_ns);
  }
  std::vector<CtaTimes> out;
  for (const TimelineRecord& r : records) {
    CtaTimes times{r.of, r.sm, {}};
    for (int i = 0; i < kMoments; i++) {
      times.at[i] = r.cycles[i] == 0 ? -1 : (r.start_ns - first) + (r.cycles[i] - r.cycles[0]) * ns / cycles;
    }
    out.push_back(times);
  }
  return out;
}

// By what a kernel's CTAs say that they are of: its role, in the order of the step, and its layer.
inline std::map<const void*, std::pair<int, std::string>> roles_of(const Decoder& decoder) {
  std::map<const void*, std::pair<int, std::string>> out;
  for (int l = 0; l < decoder.shape.layers; l++) {
    const Layer& layer = decoder.layers[l];
    const std::pair<const void*, const char*> of_layer[] = {
        {layer.attention_norm, "1 norm"}, {layer.q.packed, "2 qkv"},     {layer.keys, "3 attention"},
        {layer.o.packed, "4 o"},          {layer.mlp_norm, "5 norm"},    {layer.gate_up, "6 gate, up"},
        {layer.down.packed, "8 down"}};
    for (const auto& [of, role] : of_layer) out[of] = {l, role};
  }
  out[decoder.head.packed] = {decoder.shape.layers, "9 head"};
  return out;
}

// Of a role, over the layers and replays.
struct RoleTimes {
  int kernels = 0, ctas = 0;
  double took = 0;
  struct Sums {
    int kernels = 0;
    double first = 0, mean = 0, last = 0;
  } moments[kMoments];

  // `before`: the end of the kernel before. Returns its own.
  double add(const std::vector<CtaTimes>& of, double before) {
    double end = 0;
    for (const CtaTimes& times : of) end = std::max(end, times[Moment::kEnd]);
    kernels++;
    ctas += static_cast<int>(of.size());
    took += end - before;
    for (int m = 0; m < kMoments; m++) {
      std::vector<double> at;
      for (const CtaTimes& times : of) {
        if (times.at[m] >= 0) at.push_back(times.at[m] - before);
      }
      if (at.empty()) continue;
      moments[m].kernels++;
      moments[m].first += *std::min_element(at.begin(), at.end());
      moments[m].last += *std::max_element(at.begin(), at.end());
      moments[m].mean += std::accumulate(at.begin(), at.end(), 0.0) / at.size();
    }
    return end;
  }
  void print(const std::string& role) const {
    static const char* const names[] = {"start", "requested", "released", "ready", "summed", "merging", "end"};
    std::printf("  %-12s %4d CTAs %6.2f us:", role.c_str(), ctas / kernels, took / kernels * 1e-3);
    for (int m = 0; m < kMoments; m++) {
      const Sums& of = moments[m];
      if (of.kernels == 0) continue;
      const double us = 1e-3 / of.kernels;
      std::printf("  %s %.2f/%.2f/%.2f", names[m], of.first * us, of.mean * us, of.last * us);
    }
    std::printf("\n");
  }
};

// Prints, of each role, means in us since the kernel before ended: when the first CTA, the mean one and the last one started,
// had asked for weights, was released, had its activations and its sums; when the last CTA of a head began to merge; their end.
inline void print_timeline(const Decoder& decoder, int tokens, int positions) {
  stage("the timeline of %s, %d tokens", decoder.shape.name, tokens);
  const int pages = (positions + kPagePositions - 1) / kPagePositions;
  const Batch batch(std::vector<std::int32_t>(tokens, 1), std::vector<std::int32_t>(tokens, positions - 1),
                    random_permutation(tokens * pages, 5));
  Step step(decoder, batch);
  const Graph graph(true, [&](const Launcher& launch) { step.enqueue(launch, StepTuning(kChosen)); });
  for (int i = 0; i < 3; i++) graph.run();
  const auto known = roles_of(decoder);
  std::map<std::string, RoleTimes> roles;
  for (int replay = 0; replay < 10; replay++) {
    std::map<std::pair<int, std::string>, std::vector<CtaTimes>> kernels;
    for (const CtaTimes& times : recorded(graph)) {
      const auto role = known.find(times.of);
      if (role != known.end()) kernels[role->second].push_back(times);
    }
    double before = -1;
    for (const auto& [key, ctas] : kernels) {
      RoleTimes first, &of = key.first == 0 ? first : roles[key.second];
      before = of.add(ctas, before);
    }
  }
  std::printf("timeline of %s, %s, %d x %d: us since the kernel before ended, first/mean/last CTA\n", decoder.shape.name,
              variant_name(decoder.encoding), tokens, positions);
  double layer = 0;
  for (const auto& [role, of] : roles) {
    of.print(role);
    if (role != "9 head") layer += of.took / of.kernels * 1e-3;
  }
  std::printf("  a layer %.2f us\n", layer);
}

}  // namespace harness
#endif
