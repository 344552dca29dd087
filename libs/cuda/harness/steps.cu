// steps [check]: checks and times decode steps in bf16 as the engine launches them. Few kernels, built in a minute, to compare
// versions of them; with -DESPARSE_TIMELINE, shows where the time goes instead.
//
//   nvcc -O3 -std=c++17 -gencode=arch=compute_90a,code=sm_90a -DESPARSE_HARNESS_BF16 [-DESPARSE_TIMELINE] -o steps steps.cu
#include "attention.cuh"
#include "bench.cuh"
#include "checks.cuh"
#include "timeline.cuh"
#include <chrono>
#include <string>

namespace harness {
namespace {

int check() {
  Report report;
  check_attention(report, {8, 2, 64, 0, true, true}, 20);
  check_attention(report, {4, 4, 128, 100, true, false}, 21);
  check_attention(report, {8, 1, 128, 700, false, true}, 22);
  check_attention(report, {32, 8, 128, 0, false, false}, 23);
  check_attention(report, {8, 4, 64, 1, true, false}, 24);
  for (Shape shape : {k1B, k8B}) {
    shape.layers = 2;
    shape.vocabulary = 8192;
    for (const Encoding encoding : {Encoding::kSparse, Encoding::kDense}) check_step(report, shape, encoding, 5);
  }
  std::printf(report.failures == 0 ? "all checks passed\n" : "%d checks failed\n", report.failures);
  return report.failures == 0 ? 0 : 1;
}

#ifndef ESPARSE_TIMELINE
// One configuration, as the environment says it. Infinite where there is no room.
double time_now(const Decoder& decoder, int tokens, int positions, int repeats) {
  const int pages = (positions + kPagePositions - 1) / kPagePositions;
  const Batch batch(std::vector<std::int32_t>(tokens, 1), std::vector<std::int32_t>(tokens, positions - 1),
                    random_permutation(tokens * pages, 5));
  Step step(decoder, batch);
  stage("a step of %s, %d tokens", decoder.shape.name, tokens);
  try {
    const Graph graph(true, [&](const Launcher& launch) { step.enqueue(launch, StepTuning(kChosen)); });
    return graph.microseconds(repeats);
  } catch (const std::invalid_argument&) {
    return INFINITY;
  }
}

struct Knob {
  std::string name;
  std::vector<std::string> values;  // "-": unset
  int best = 0;
  void set(int value) const {
    if (values[value] == "-") unsetenv(name.c_str());
    else setenv(name.c_str(), values[value].c_str(), 1);
  }
};

// "tune TOKENS POSITIONS SECONDS KEY=a,b,c ...": from the first values, a knob after the other to what is fastest.
void tune(const Decoder& decoder, int tokens, int positions, double seconds, std::vector<Knob> knobs) {
  const auto since = std::chrono::steady_clock::now();
  const auto late = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count() > seconds; };
  for (const Knob& knob : knobs) knob.set(0);
  double best = time_now(decoder, tokens, positions, 25);
  std::printf("tune %s %d x %d: first %.1f\n", decoder.shape.name, tokens, positions, best);
  for (int pass = 0; pass < 3 && !late(); pass++) {
    const double before = best;
    for (Knob& knob : knobs) {
      std::printf("  %s:", knob.name.c_str());
      int of = knob.best;
      for (int v = 0; v < static_cast<int>(knob.values.size()) && !late(); v++) {
        if (v == knob.best) continue;
        knob.set(v);
        const double us = time_now(decoder, tokens, positions, 25);
        std::printf(" %s %.1f", knob.values[v].c_str(), us);
        if (us < best * 0.999) best = us, of = v;
      }
      knob.best = of;
      knob.set(of);
      std::printf(" -> %s %.1f\n", knob.values[of].c_str(), best);
    }
    if (best > before * 0.998) break;
  }
  std::printf("BEST %s %d x %d: %.1f us (again %.1f):", decoder.shape.name, tokens, positions, best, time_now(decoder, tokens, positions, 60));
  for (const Knob& knob : knobs) {
    if (knob.values[knob.best] != "-") std::printf(" %s=%s", knob.name.c_str(), knob.values[knob.best].c_str());
  }
  std::printf("\n");
  for (const Knob& knob : knobs) unsetenv(knob.name.c_str());
}
#endif

}  // namespace
}  // namespace harness

int main(int argc, char** argv) {
  using namespace harness;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc == 2 && std::strcmp(argv[1], "check") == 0) return check();
  // steps SHAPE TOKENS,...: knobs come as lines of KEY=VALUE on standard input; an empty set is the start.
  const Shape& shape = std::strcmp(argv[1], "8B") == 0 ? k8B : k1B;
  std::vector<int> all;
  for (char* at = argv[2]; *at;) { all.push_back(std::strtol(at, &at, 10)); if (*at == ',') at++; }
  stage("a decoder of %s", shape.name);
  const Decoder decoder = random_decoder(shape, Encoding::kSparse, kMostTokens * 512 / kPagePositions, 2048, false, 7);
  char line[2048];
  while (std::fgets(line, sizeof line, stdin)) {
    line[std::strcspn(line, "\n")] = 0;
    std::vector<std::string> words;
    for (char* word = std::strtok(line, " "); word; word = std::strtok(nullptr, " ")) words.push_back(word);
#ifndef ESPARSE_TIMELINE
    if (!words.empty() && words[0] == "tune") {
      std::vector<Knob> knobs;
      for (std::size_t i = 4; i < words.size(); i++) {
        const std::size_t eq = words[i].find('=');
        Knob knob{words[i].substr(0, eq), {}};
        for (std::size_t at = eq + 1; at <= words[i].size();) {
          const std::size_t end = std::min(words[i].find(',', at), words[i].size());
          knob.values.push_back(words[i].substr(at, end - at));
          at = end + 1;
        }
        knobs.push_back(knob);
      }
      tune(decoder, std::stoi(words[1]), std::stoi(words[2]), std::stod(words[3]), knobs);
      continue;
    }
#endif
    std::vector<std::string> set;
    int positions = 512;
    for (const std::string& word : words) {
      const std::size_t eq = word.find('=');
      if (eq == std::string::npos) { positions = std::stoi(word); std::printf("x %d ", positions); continue; }
      setenv(word.substr(0, eq).c_str(), word.substr(eq + 1).c_str(), 1);
      set.push_back(word.substr(0, eq));
      std::printf("%s ", word.c_str());
    }
    for (const int tokens : all) {
#ifdef ESPARSE_TIMELINE
      std::printf("\n");
      print_timeline(decoder, tokens, positions);
#else
      std::printf(" %d: %.1f", tokens, time_now(decoder, tokens, positions, 40));
#endif
    }
    std::printf("\n");
    for (const std::string& name : set) unsetenv(name.c_str());
  }
}
