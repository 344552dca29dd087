// The weights of a decoder of LLaMA's shape on the device, in the order of the kernels.
#pragma once
#include <memory>
#include <vector>

#include "../kernels/arguments.h"
#include "device.h"
#include "uploader.h"

namespace esparse {

// Inputs of a linear as the device has them: whole blocks, of either format. What fills up is zeros.
constexpr int padded(int inputs) { return (inputs + kSparseInputs - 1) / kSparseInputs * kSparseInputs; }

struct DecoderShape {
  int hidden, inner;  // padded
  int layers, heads, kv_heads, dims, vocabulary;
  float epsilon, scale;
  int channels;  // of the residual stream: what `hidden` is without what fills up
  float head_epsilon;      // of the norms of q and k
  float embedding_factor;  // of the rows of the embedding
  int attended() const { return padded(heads * dims); }  // the inputs of o
};

// The linears of a block, in the order in which they are given.
enum Role { kQ, kK, kV, kO, kGate, kUp, kDown, kRoles };
constexpr const char* kRoleNames[kRoles] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

// A linear in the host's memory: 2:4 as the store has it (`StoredSparse`), or, without indices, dense rows.
struct HostLinear {
  int rows, cols;
  const std::uint16_t* values;
  const std::uint32_t* indices;
  const std::int32_t* permutation;  // 2:4: the channel at each place of the shuffled order
};

// What a block has beside its linears, in the host's memory; null where it has none.
struct HostBlock {
  const float *attention_norm, *mlp_norm;
  const float* bias;                    // of q, k and v, one after the other
  const float *query_norm, *key_norm;  // of each head
  int window;                           // of attention; 0: all before
  int rotary;                           // its table of angles
};

struct Linear {
  bool sparse = false;
  int rows = 0, cols = 0;  // padded, as the device has them
  DeviceArray<std::uint8_t> packed;
  const Format& format() const { return sparse ? kSparseFormat : kDenseFormat; }
  int blocks() const { return cols / format().inputs; }
  int tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  int panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
};

struct Layer {
  DeviceArray<float> attention_norm, mlp_norm;
  DeviceArray<float> bias, query_norm, key_norm;  // of q, k and v; none where a family has none
  int window = 0;
  std::size_t rotary = 0;  // where its angles begin, in floats
  Linear q, k, v, o, gate, up, down;         // gate and up have no memory of their own:
  DeviceArray<std::uint8_t> gate_up;         // a tile of each in a panel, rows in the order of down's inputs
  DeviceArray<std::uint16_t> sources[5];     // of q, k, v, gate, up; none where dense
  DeviceArray<std::uint16_t> orders[kRoles];  // for prefill: the channel at each place; none where dense
  DeviceArray<std::uint16_t> inverse_o;      // place of each channel in o's order
  DeviceArray<std::int32_t> down_order;      // 2:4: down's permutation
};

// What attention does to the heads of a layer.
HeadArguments heads_of(const Layer& layer, const DecoderShape& shape);

struct Decoder {
  DecoderShape shape;
  std::vector<Layer> layers;
  DeviceArray<std::uint16_t> embedding;      // rows
  DeviceArray<float> norm;
  Linear head;                               // dense: heads are not pruned
  DeviceArray<std::uint16_t> natural;        // what dense linears that read a norm are given: sources in natural order
  DeviceArray<float> rotary;                 // [tables][positions][dims / 2]: cosine and sine
  DeviceArray<std::int32_t> query_rows, key_rows;  // the row of q, of k, that stands at each place; none: as stored
};

// Fills a decoder in.
class DecoderLoader {
 public:
  DecoderLoader(const Device& device, const DecoderShape& shape, CuStream stream);

  // A tied head is null. `rotary`: so many tables, one after the other. Rows of q and k: null as they are stored.
  void outer(const std::uint16_t* embedding, const std::uint16_t* head, const float* norm, const float* rotary,
             std::size_t rotary_floats, int tables, const std::int32_t* query_rows, const std::int32_t* key_rows);
  // q, k and v are all 2:4 or all dense; so are gate and up.
  void block(int index, const HostBlock& block, const HostLinear (&linears)[kRoles]);
  // Throws Failure 'store' where a group's positions cannot be, naming it. Frees what only loading needs.
  std::unique_ptr<Decoder> finish();

 private:
  Linear describe(const HostLinear& from, bool fill_rows) const;
  void pack(const HostLinear& from, const Linear& linear, const std::int32_t* order, std::uint8_t* to, int tiles,
            TilePlaces places, std::size_t checked);
  void pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear, const std::int32_t* order, std::uint8_t* to,
                  int tiles, TilePlaces places);
  void pack_whole(const HostLinear& from, Linear& linear, bool fill_rows, std::size_t checked,
                  const std::int32_t* order = nullptr);
  std::size_t rotary_floats_ = 0;  // of a table
  // [count] and zeros up to `hidden`.
  DeviceArray<float> norm_weights(const float* from);

  const Device& device_;
  CuStream stream_;
  Uploader uploader_;
  std::unique_ptr<Decoder> decoder_;
  DeviceArray<std::uint8_t> staged_values_, staged_indices_;
  DeviceArray<unsigned long long> wrong_;  // [layers][roles]
};

}  // namespace esparse
