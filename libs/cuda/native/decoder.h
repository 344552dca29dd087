// The weights of a decoder on the device, in the order of the kernels.
#pragma once
#include <memory>
#include <vector>

#include "../kernels/arguments.h"
#include "../kernels/encoding.h"
#include "device.h"
#include "uploader.h"

namespace esparse {

// Inputs of a linear as the device has them: whole blocks, of either format. What fills up is zeros.
constexpr int padded(int inputs) { return (inputs + kSparseInputs - 1) / kSparseInputs * kSparseInputs; }

// The norms before attention, MLP and head; those of q and k.
enum class Norm { kNone, kRms, kLayer };
enum class HeadNorm { kNone, kHeads, kWidth };

struct DecoderShape {
  int hidden, inner;  // padded
  int layers, heads, kv_heads, vocabulary;
  int dims, head_dims;  // of a head: as attention has it, and without what fills up
  float epsilon, scale;
  int channels;  // of the residual stream: what `hidden` is without what fills up
  float head_epsilon;      // of the norms of q and k
  float embedding_factor;  // of the rows of the embedding
  Norm norm, last_norm;
  HeadNorm head_norm;
  bool norms_after;     // RMSNorms behind attention and MLP, before they are added
  float after_epsilon;  // of these
  bool biased;          // o, down, or what is before it
  Activation activation;
  float alpha, limit;  // of Activation::kClamped
  bool gated;
  bool sinks;          // of each head, in the softmax of attention
  int experts, top;    // of a mixture in the place of the MLP; 0: there is none
  bool normalises;     // the shares of a token's experts add up to 1

  // The inputs of o. Where heads are filled up, what attention gives there has a place of its own, behind the others.
  int attended() const { return padded(heads * head_dims + (head_dims < dims ? 1 : 0)); }
  int qkv_rows() const { return (heads + 2 * kv_heads) * dims; }
  // Whether what stands between linears are RMSNorms alone, and SwiGLU: those are parts of linears, for few tokens.
  bool plain() const {
    return norm == Norm::kRms && last_norm == Norm::kRms && !norms_after && !biased && gated && experts == 0 &&
           activation == Activation::kSilu;
  }
  // Whether q and k are normed before attention, which norms heads of 64 and 128 channels by itself.
  bool norms_heads_apart() const {
    return head_norm == HeadNorm::kWidth || (head_norm == HeadNorm::kHeads && (dims > 128 || head_dims < dims));
  }
  // Whether the kernels of prefill run it.
  bool prefills() const { return plain() && !norms_heads_apart() && !sinks && dims <= 128; }
};

// The linears of a block, in the order in which they are given.
enum Role { kQ, kK, kV, kO, kGate, kUp, kDown, kRoles };
constexpr const char* kRoleNames[kRoles] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

// Integers in the host's memory, as the store has them (`StoredIntegers`).
struct HostIntegers {
  int bits = 0;  // 0: the weights are bf16
  int span = 0;  // survivors that share a scale
  const std::uint8_t* codes = nullptr;
  const std::uint16_t* scales = nullptr;
};

// A linear in the host's memory, of no rows where a block has none: 2:4 as the store has it (`StoredSparse`, or integers), or,
// without indices, dense rows of bf16 or of integers.
struct HostLinear {
  int rows = 0, cols = 0;
  const std::uint16_t* values = nullptr;  // bf16
  const std::uint32_t* indices = nullptr;
  const std::int32_t* permutation = nullptr;  // 2:4: the channel at each place of the shuffled order
  HostIntegers integers{};

  // Throws Failure 'internal' for integers that the kernels do not have.
  Encoding encoding() const;
  int survivors() const { return survivors_of(indices != nullptr); }
  int survivors_of(bool sparse) const { return sparse ? cols / 2 : cols; }
  int spans() const { return (survivors() + integers.span - 1) / integers.span; }
  int vectors() const { return (survivors() + 15) / 16 * integers.bits / 2; }
  std::size_t stored_tiles() const { return (static_cast<std::size_t>(rows) + kTileRows - 1) / kTileRows; }
  std::size_t code_bytes() const { return stored_tiles() * vectors() * kCodeVector; }
  std::size_t scale_bytes() const { return stored_tiles() * spans() * kTileRows * 2; }
};

// What a block has beside its linears, in the host's memory; null where it has none.
struct HostPart {
  const float *before, *shift;  // of the norm before it, and, of a layer norm, what that adds
  const float* bias;            // of its last linear
  const float* after;           // of the norm behind it
};
struct HostBlock {
  HostPart attention, mlp;
  const float* bias;                    // of q, k and v, one after the other
  const float* inner_bias;              // of gate and up, one after the other, or of the only linear before down
  const float *query_norm, *key_norm;  // of each head, or of all
  const float* sinks;
  const float *router, *router_bias;
  int window;                           // of attention; 0: all before
  int rotary;                           // its table of angles
};

struct HostExpert {
  HostLinear gate, up, down;
  const float* inner_bias;  // of gate and up, one after the other
  const float* bias;        // of down
};

// What is outside of the blocks, in the host's memory.
struct HostOuter {
  HostLinear embedding, head;  // a tied head has no rows
  const std::uint16_t* positions;  // rows of learned positions, or null
  std::size_t position_count;
  const float *norm, *shift;
  const float* rotary;
  std::size_t rotary_floats;
  int tables;
  const std::int32_t* rows[3];
};

struct Linear {
  Encoding encoding = Encoding::kDense;
  int rows = 0, cols = 0;  // padded, as the device has them
  DeviceArray<std::uint8_t> packed;
  bool sparse() const { return is_sparse(encoding); }
  Format format() const { return format_of(encoding); }
  int blocks() const { return cols / format().inputs; }
  int tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  int panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

// As `HostPart`.
struct Part {
  DeviceArray<float> before, shift, bias, after;
};

// The experts of a block: each array has one part an expert.
struct Experts {
  DeviceArray<float> router, router_bias;
  Linear gate, down;  // as one of each is; up is as gate. The memory of all of them:
  DeviceArray<std::uint8_t> gates, ups, downs;
  DeviceArray<std::uint16_t> sources[2];  // of gate and up; none where dense
  DeviceArray<float> inner_bias, bias;
  std::vector<DeviceArray<std::int32_t>> orders;  // down's permutations, until all is packed
  std::size_t stride_of(const Linear& linear) const {
    return static_cast<std::size_t>(linear.panels()) * kPanelTiles * linear.blocks() * linear.format().tile_bytes;
  }
};

struct Layer {
  Part attention, mlp;
  DeviceArray<float> bias, query_norm, key_norm;  // of q, k and v; none where a family has none
  DeviceArray<float> inner_bias;                  // in the order of down's inputs
  DeviceArray<float> sinks;                       // by powers of 2
  Experts experts;
  int window = 0;
  std::size_t rotary = 0;  // where its angles begin, in floats
  Linear q, k, v, o, gate, up, down;         // gate and up have no memory of their own, where there are both:
  DeviceArray<std::uint8_t> gate_up;         // a tile of each in a panel, rows in the order of down's inputs
  DeviceArray<std::uint16_t> sources[5];     // of q, k, v, gate, up; none where dense
  DeviceArray<std::uint16_t> orders[kRoles];  // for prefill: the channel at each place; none where dense
  DeviceArray<std::uint16_t> inverse_o;      // place of each channel of heads, filled up, in o's order
  DeviceArray<std::uint16_t> sources_o;      // the channel of each element of o's activations
  DeviceArray<std::int32_t> down_order;      // 2:4: down's permutation
};

// What attention does to the heads of a layer.
HeadArguments heads_of(const Layer& layer, const DecoderShape& shape);

struct Decoder {
  DecoderShape shape;
  std::vector<Layer> layers;
  DeviceArray<std::uint16_t> embedding;      // rows; or, as the store has them:
  DeviceArray<std::uint8_t> embedding_codes;
  DeviceArray<std::uint16_t> embedding_scales;
  StoredIntegers embedding_integers{};       // of these two; without codes, where the embedding is bf16
  DeviceArray<std::uint16_t> positions;      // rows that are added to them; none where there are no such
  DeviceArray<float> norm, shift;            // before the head
  Linear head;                               // not 2:4: heads are not pruned
  DeviceArray<std::uint16_t> natural;        // what dense linears that read a norm are given: sources in natural order
  DeviceArray<float> rotary;                 // [tables][positions][dims / 2]: cosine and sine
  DeviceArray<std::int32_t> rows[3];         // the row of q, k and v at each place, -1: filled up; none: as stored
};

// Fills a decoder in.
class DecoderLoader {
 public:
  DecoderLoader(const Device& device, const DecoderShape& shape, CuStream stream);

  // `rotary`: so many tables, one after the other. Rows of q, k and v: null as they are stored.
  void outer(const HostOuter& from);
  // q, k and v are of one encoding; so are gate and up.
  void block(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]);
  // Of a block that has been given. Experts are bf16, all 2:4 or all dense, in gate and up, and in down.
  void expert(int index, int expert, const HostExpert& from);
  // Throws Failure 'store' where a group's positions, or a scale, cannot be, naming it. Frees what only loading needs.
  std::unique_ptr<Decoder> finish();

 private:
  Linear describe(const HostLinear& from, bool fill_rows) const;
  void pack(const HostLinear& from, const Linear& linear, const RowOrder& order, std::uint8_t* to, int tiles,
            TilePlaces places, std::size_t checked);
  void pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear, const RowOrder& order,
                  std::uint8_t* to, int tiles, TilePlaces places);
  void pack_integers(const StoredIntegers& from, const Linear& linear, std::uint8_t* to, int tiles, TilePlaces places);
  // Checks positions, which are staged, and scales.
  StoredIntegers checked_integers(const HostLinear& from, const std::uint8_t* codes, const std::uint16_t* scales,
                                  const RowOrder& order, std::size_t checked);
  void pack_whole(const HostLinear& from, Linear& linear, const RowOrder& order, std::size_t checked);
  std::size_t rotary_floats_ = 0;  // of a table
  // Of the channels of the stream, zeros up to `hidden`; none of null.
  DeviceArray<float> of_channels(const float* from);
  Part part(const HostPart& from);
  std::vector<float> inner_bias(const float* from, const HostLinear& down) const;
  void attention_of(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]);
  void mlp_of(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]);
  std::vector<std::uint16_t> places_of_heads(const HostLinear& o) const;
  std::vector<std::uint16_t> order_of_heads(const HostLinear& o) const;

  const Device& device_;
  CuStream stream_;
  Uploader uploader_;
  std::unique_ptr<Decoder> decoder_;
  DeviceArray<std::uint8_t> staged_values_, staged_indices_, staged_scales_;
  // [layers][roles], then the head and the embedding: groups of positions, and after all of these scales.
  DeviceArray<unsigned long long> wrong_;
  std::vector<int> spans_;  // of each of them, for the message
};

}  // namespace esparse
