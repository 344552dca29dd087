// What the kernels of a decode step are given. Plain C++: the host fills these in without CUDA.
#pragma once
#include "attention_plan.h"
#include "choice.h"
#include "linear_plan.h"

#ifdef __CUDACC__
#define ESPARSE_DEVICE __device__ __forceinline__
#else
#define ESPARSE_DEVICE
struct float2;  // CUDA's own; the host hands pointers on
#endif

namespace esparse {

constexpr int kNormThreads = 1024, kSwigluThreads = 256, kEmbedThreads = 256, kDigitiseThreads = 128;
// Tokens of a thread of `swiglu`, at most, and the rows of CTAs that there are of so many tokens: as few as leave enough of them for
// the SMs, since more than fit at once wait for each other.
constexpr int kSwigluTokens = 4;
constexpr int swiglu_rows(int inputs, int tokens) {
  constexpr int kEnough = 264;
  const int columns = (inputs / 2 + kSwigluThreads - 1) / kSwigluThreads;
  int rows = tokens;
  while (rows % 2 == 0 && tokens < kSwigluTokens * rows && columns * rows / 2 >= kEnough) rows /= 2;
  return rows;
}
constexpr int kNormHeadsThreads = 256;
constexpr int kAppendPositionThreads = 128;
constexpr int kPartLogits = 1024, kSampleThreads = 256;
constexpr int kMaxChannels = 32768;  // of a norm

// Outputs of a linear: [planes][tokens][rows] f32.
struct Planes {
  const float* data;
  int planes;  // a power of two, up to kSlices
  int tokens, rows;

  // One output, or V consecutive ones (V = float, float2, float4).
  template <class V = float>
  ESPARSE_DEVICE V sum(int token, int row) const;
};

struct NormInput {
  const float* residual;  // [tokens][channels]
  float* updated;         // residual + added, another array; unused where nothing is added
  Planes added;           // no data: nothing to add
  const float* weight;
  float epsilon;
  int channels;  // a multiple of 128, up to kMaxChannels
  int counted;   // those that are not there to fill up: the mean is over them
  float share;   // 1 / counted
};

// A linear that reads the norm: element i of its activations (in fragment order) is channel sources[i].
struct NormReader {
  const std::uint16_t* sources;
  std::uint8_t* fragments;
};

// What `join` makes of the stream: what is added to it, and what the next part is given of it. Where `input.weight` is null,
// that is the stream as it is.
struct JoinInput {
  NormInput input;
  const float* shift;       // of a layer norm; null: an RMSNorm, or none
  const float* added_bias;  // of the linear whose planes are added, or null
  const float* after;       // of the RMSNorm that these pass before they are added, or null
  float after_epsilon;
};

struct NormArguments {
  NormInput input;
  int tokens;
  NormReader readers[3];
  int reader_count;
  DigitOrder digits;  // how the readers have their activations
};

// CTAs of a token: of each reader its own, which norms it once more, where there are few of them; then that is sooner done.
inline int norm_ctas(int tokens, int readers, const DigitOrder& digits) {
  constexpr int kFewTokens = 8, kFewOfDigits = 2;
  return tokens <= (digits.bits == 0 ? kFewTokens : kFewOfDigits) ? readers : 1;
}

struct JoinArguments {
  JoinInput join;
  int tokens;
  NormReader readers[3];
  int reader_count;
  float* rows;  // [tokens][channels]: what readers are given, in the natural order; null where nobody wants that
  bool as_rows;  // activations stand as rows
};

enum class Activation { kSilu, kGelu, kRelu, kClamped };
enum class Input { kFragments, kNormed, kMerged };
enum class Output { kPlanes, kPairedPlanes, kSwiglu };

struct LinearSegment {
  const std::uint8_t* weights;
  int panels;
  int first_cta;
  int rows, first_row;  // of the outputs
  bool apart;           // of gate or up by itself: the panel's tiles are in two panels of the pair
  int ctas = 0;         // of this segment, and
  std::uint32_t panel_bytes = 0;  // from one of its panels to the next, and
  std::uint64_t step_bytes = 0;   // from one of a warp's to its next
};

// Where activations come from: one array a segment, or, where the tiles of a panel have their own, one a tile.
struct LinearActivations {
  const std::uint8_t* fragments;  // Input::kFragments
  const std::uint16_t* sources;   // Input::kNormed, kMerged: the channel of each element, in fragment order
  bool digits = false;            // of integers: they stand as digits
};

// What attention gives of one token's heads, split by split (`AttentionArguments`), for o to add up.
struct MergeInput {
  const float* outputs;
  const float2* weights;
  const float* sinks;
  const std::int32_t* positions;
  int heads, dims_shift, splits, window;  // heads of 1 << dims_shift channels
};

struct LinearArguments {
  LinearSegment segments[kMaxSegments];
  LinearActivations activations[kMaxSegments];
  int segment_count;
  int blocks;  // along the inputs
  LinearPlan plan;
  NormInput norm;    // Input::kNormed: of the stream as it is, nothing is added
  MergeInput merge;  // Input::kMerged
  float* out;      // planes: [planes][tokens][out_rows]; of pairs, gate's rows before up's
  const float* stream;  // of one token: what is added to its outputs, the residual stream; it may be `out`. Null: nothing
  int out_rows;
  std::uint8_t* fragments;  // Output::kSwiglu
  float* pending;  // of `linear_widest`: room for the partial sums of each CTA
};

using LinearKernel = void (*)(LinearArguments);

// Gives each segment its CTAs, by the plan.
inline void place_segments(LinearArguments& args, const Format& format) {
  const LinearPlan& plan = args.plan;
  for (int s = 0; s < args.segment_count; s++) {
    LinearSegment& segment = args.segments[s];
    segment.first_cta = plan.first_cta[s];
    segment.ctas = (s + 1 < args.segment_count ? plan.first_cta[s + 1] : plan.ctas) - plan.first_cta[s];
    segment.panel_bytes = args.blocks * format.tile_bytes * kPanelTiles * (segment.apart ? kPanelTiles : 1);
    segment.step_bytes = static_cast<std::uint64_t>(segment.ctas) * plan.planes * segment.panel_bytes;
  }
}

// What is done to heads before they are rotated.
struct HeadArguments {
  const float* bias;                   // of all rows of q, k and v, or null
  const float *query_norm, *key_norm;  // [dims], or null: an RMSNorm of each head
  float epsilon;
};

// RMSNorms of q and k, each over groups of channels that have a weight in common.
struct NormHeadsArguments {
  Planes qkv;
  const float* bias;       // of all rows, or null
  const float* weight[2];  // of a group of q, and of k
  int rows[2];             // of q, and of k, which v has as many of
  int groups[2];
  int counted[2];  // channels of a group that are not there to fill up: the mean is over them
  float epsilon;
  float* out;  // [tokens][rows]: a plane
};

struct AttentionArguments {
  Planes qkv;  // rows: heads * dims of q, kv_heads * dims of k, the same of v
  HeadArguments head;
  int tokens;
  int heads, kv_heads;
  int queries, groups;             // query heads that share a key head, and their groups (`query_groups`)
  std::uint16_t *keys, *values;    // [page][kv_heads][kPagePositions][dims]
  const std::int32_t* page_table;  // [tokens][max_pages]: the pages of a token's sequence, in order
  const std::int32_t* positions;   // [tokens]: of the new token; -1: no token
  int max_pages;
  // Whether `append_positions` has written the keys and values of the step: where a sequence has several tokens in it,
  // each attends to those before it.
  bool appended;
  int window;            // the positions that a token attends to, its own among them; 0: all before it
  const float2* rotary;  // [positions][dims / 2]: cosine and sine
  float scale;
  const float* sinks;            // [heads], or null: take part in the softmax, by powers of 2, and have no value
  const std::uint16_t* inverse;  // [heads * dims]: the place of each output in the order of o's inputs
  int inputs;                    // of o, whole blocks
  std::uint8_t* fragments;       // the activations of o; null: that linear adds splits up
  bool rows;                     // they stand as rows
  // What splits give, where a sequence has several:
  float* outputs;         // [tokens][heads][splits of max_pages][dims], relative to the split's maximum
  float2* weights;        // [tokens][heads][splits]: maximum of the scores (by powers of 2), sum of the weights
  std::uint32_t* arrived;  // [tokens][kv_heads x query groups]: how many splits are done; 0 between steps
};

// A mixture of experts (`experts.cuh`).
constexpr int kGroupPairs = 4;  // of a token and an expert that a kernel computes at once
constexpr int kMostTop = 8, kMostExperts = 256, kMostPairs = kMostTop * kMostTokens;
constexpr int kScoreThreads = 256, kRouteThreads = 512, kGatherThreads = 256;

// Groups that pairs of so many tokens take, at most.
constexpr int expert_groups(int tokens, int top, int experts) {
  const int pairs = tokens * top;
  return std::min(pairs, (pairs + (kGroupPairs - 1) * std::min(experts, pairs)) / kGroupPairs);
}

struct RouteArguments {
  const float* rows;  // [tokens][channels]: what the router and the experts read
  const float *weight, *bias;  // [experts][channels]; [experts], or null
  const std::int32_t* positions;  // [tokens]; -1: no token
  int tokens, channels, experts, top, groups;
  bool normalise;  // the shares of a token add up to 1
  float* scores;   // [tokens][experts]
  float* shares;   // [tokens][top]
  std::int32_t* slot_of;    // [tokens][top]: where the pair stands among the groups; -1: no token
  std::int32_t* expert_of;  // [groups]; -1: none
  std::int32_t* token_of;   // [groups][kGroupPairs]; -1: none
};

struct GatherArguments {
  const float* rows;
  const std::int32_t *expert_of, *token_of;
  const std::uint16_t* sources[2];  // of each set: the channel of each element, in fragment order, of expert after expert
  int source_stride;                // from one expert's to the next; 0: all have the same
  int channels;
  std::uint8_t* fragments;  // [groups][sets]
};

struct ExpertLinearArguments {
  const std::uint8_t* weights[2];  // of one linear or two, of expert after expert
  std::size_t stride;              // from one expert's to the next
  int panels, rows, blocks;        // of each
  int sets;                        // of activations: 2 where each linear has its own
  const std::uint8_t* fragments;   // [groups][sets]
  const std::int32_t* expert_of;
  float* out;  // [groups][kGroupPairs][out_rows]: those of the first linear, then of the second
  int out_rows;
};

struct ActivateExpertsArguments {
  const float* sums;  // [slots][2][inputs]: gate, up
  const float* bias;  // [experts][2][inputs], or null
  const std::int32_t *expert_of, *token_of;
  int inputs;
  float alpha, limit;  // Activation::kClamped
  std::uint8_t* fragments;
};

struct CombineArguments {
  const float* given;  // [slots][channels]
  const float* bias;   // [experts][channels], or null
  const float* shares;
  const std::int32_t *slot_of, *expert_of;
  int top, channels;
  float* out;  // [tokens][channels]: a plane
};

// Which tiles of the device are written: tile t of the matrix becomes tile first + step * t. Two matrices of as many
// rows can share their panels, a tile each: gate (0, 2) and up (1, 2).
struct TilePlaces {
  int first, step;
  ESPARSE_BOTH int of(int tile) const { return first + step * tile; }
};

// The inputs of the step to come; none where nothing continues.
struct Sequences {
  std::int32_t* ids;        // [tokens]: of the next step
  std::int32_t* positions;  // [tokens]; -1: no sequence, nothing changes
};

constexpr unsigned long long kAllRight = ~0ull;  // see check_positions

// Sampling: see `choice.h`.
struct ChoiceArguments {
  float* logits;  // [rows][stride], as the model gives them
  int vocabulary, stride, parts;
  Choice* choices;          // [rows]
  std::uint32_t* counts;    // [rows][stride]: see kInPrompt. Null where no row has penalties. Zeros between steps
  std::int32_t* history;    // [rows][most_history]: tokens so far, where a row has penalties
  int most_history;
  std::uint64_t *keys, *plain_keys;  // [rows][parts]: the greatest, with penalties and without
  std::uint64_t* totals;             // [rows][parts]: of weights
  std::uint64_t* octave_sums;        // [rows][kOctaves]
  std::uint32_t* octave_counts;      // [rows][kOctaves]
  std::uint64_t* candidates;         // [rows][kMaxCandidates]
  std::uint32_t* found;              // [rows]: how many of them there are
  Sequences sequences;
  std::int32_t* chosen;              // [rows]
  std::uint64_t* reported_keys;      // [rows][parts][kMaxReported]
  std::uint64_t* reported_totals;    // [rows][parts]: of weights at temperature 1, without penalties
  ChoiceReport* reports;             // [rows]
};

}  // namespace esparse
