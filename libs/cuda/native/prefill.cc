#include "prefill.h"

#include "embed.h"
#include "failure.h"
#include "prefill_launch.h"

namespace esparse {
namespace {

std::size_t elements(int tokens, int channels) { return static_cast<std::size_t>(tokens) * channels; }

// Rows of bf16 for the copy engine, in boxes of 64 columns.
TensorMap map_of(std::uint16_t* from, int columns, unsigned long long rows, int box_rows) {
  TensorMap map;
  const unsigned long long sizes[] = {static_cast<unsigned long long>(columns), rows};
  const unsigned long long strides[] = {static_cast<unsigned long long>(columns) * 2};
  const unsigned box[] = {kStageInputs, static_cast<unsigned>(box_rows)}, steps[] = {1, 1};
  check(driver().encode_tensor_map(&map, kCuTensorBf16, 2, from, sizes, strides, box, steps, 0, kCuSwizzle128,
                                   kCuPromote256, 0),
        "prepare prefill");
  return map;
}

}  // namespace

Prefill::Activations::Activations(const Device& device, int inputs, int most_tokens) : rows(elements(most_tokens, inputs)) {
  if (!device.has_wgmma()) return;
  for (int i = 0; i < 2; i++) maps[i] = map_of(rows.data(), inputs, most_tokens, kPrefillTiles[i]);
}

Prefill::Prefill(const Device& device, const Decoder& decoder, const Cache& cache, int most_tokens, CuStream stream)
    : device_(device), decoder_(decoder), cache_(cache), most_tokens_(most_tokens), stream_(stream) {
  const DecoderShape& s = decoder.shape;
  residual_ = DeviceArray<float>(elements(most_tokens, s.hidden));
  qkv_ = DeviceArray<std::uint16_t>(elements(most_tokens, s.qkv_rows()));
  heads_ = DeviceArray<std::uint16_t>(elements(most_tokens, s.heads * s.dims));
  for (auto& normed : normed_) normed = Activations(device, s.hidden, most_tokens);
  attended_ = Activations(device, s.attended(), most_tokens);
  activated_ = Activations(device, s.inner, most_tokens);
}

std::size_t Prefill::bytes(const DecoderShape& s, int most_tokens) {
  return elements(most_tokens, 4 * s.hidden + 2 * (s.qkv_rows() + s.heads * s.dims + s.attended() + 3 * s.hidden + s.inner));
}

void Prefill::use_cache() {
  if (!device_.has_wgmma()) return;
  const int dims = decoder_.shape.dims;
  cache_map_ = map_of(cache_.memory.data(), dims, cache_.memory.count() / dims, kPagePositions);
}

void Prefill::run(const std::vector<PromptPart>& parts) {
  wait();  // the inputs of the last one have been read
  take(parts);
  enqueue();
  check(driver().record_event(done_.get(), stream_), "take in a prompt");
}

void Prefill::take(const std::vector<PromptPart>& parts) {
  std::vector<QueryTile> tiles;
  std::vector<std::int32_t> ids, positions, first_pages, pages;
  for (const PromptPart& part : parts) {
    const int row = static_cast<int>(ids.size()), first_page = static_cast<int>(pages.size());
    for (int i = 0; i < part.count; i++) {
      ids.push_back(static_cast<std::int32_t>(part.ids[i]));
      positions.push_back(part.position + i);
      first_pages.push_back(first_page);
    }
    for (int i = 0; i < part.count; i += kQueryTile) {
      tiles.push_back({row + i, std::min(kQueryTile, part.count - i), part.position + i, first_page});
    }
    const int used = static_cast<int>(ceil_div(part.position + part.count, kPagePositions));
    pages.insert(pages.end(), part.pages, part.pages + used);
  }
  tokens_ = static_cast<int>(ids.size());
  tiles_ = static_cast<int>(tiles.size());
  if (tokens_ < 1 || tokens_ > most_tokens_) {
    throw Failure("internal", "a prefill of " + std::to_string(tokens_) + " tokens");
  }
  // Those with most positions before them first, so that they do not end last.
  std::stable_sort(tiles.begin(), tiles.end(),
                   [](const QueryTile& a, const QueryTile& b) { return a.first_position > b.first_position; });
  first_tile_ = (3 * static_cast<std::size_t>(tokens_) + 3) / 4 * 4;
  first_page_ = first_tile_ + 4 * tiles.size();
  const std::size_t count = first_page_ + pages.size();
  if (inputs_.count() < count) {
    host_inputs_ = PinnedArray<std::int32_t>(2 * count);
    inputs_ = DeviceArray<std::int32_t>(2 * count);
  }
  std::int32_t* const to = host_inputs_.data();
  std::copy(ids.begin(), ids.end(), to);
  std::copy(positions.begin(), positions.end(), to + tokens_);
  std::copy(first_pages.begin(), first_pages.end(), to + 2 * tokens_);
  std::memcpy(to + first_tile_, tiles.data(), tiles.size() * sizeof(QueryTile));
  std::copy(pages.begin(), pages.end(), to + first_page_);
  check(driver().copy_to_device(inputs_.address(), to, count * 4, stream_), "take in a prompt");
}

void Prefill::enqueue() {
  const DecoderShape& s = decoder_.shape;
  embed(device_, decoder_, stream_, tokens_, inputs_.data(), inputs_.data() + tokens_, residual_.data());
  for (int index = 0; index < s.layers; index++) {
    const Layer& layer = decoder_.layers[index];
    const auto& orders = layer.orders;
    norm(layer.attention.before, {&orders[kQ], &orders[kK], &orders[kV]}, layer.q.sparse() ? 3 : 1);
    LinearLaunch qkv(PrefillOutput::kRows, s.qkv_rows());
    qkv.args.out = qkv_.data();
    qkv.add(layer.q, layer.q.packed.data(), {0, 1}, normed_[0]);
    qkv.add(layer.k, layer.k.packed.data(), {0, 1}, normed_[layer.k.sparse() ? 1 : 0]);
    qkv.add(layer.v, layer.v.packed.data(), {0, 1}, normed_[layer.v.sparse() ? 2 : 0]);
    launch(qkv);
    attend(layer, index);
    LinearLaunch o(PrefillOutput::kAdded, s.hidden);
    o.args.added = residual_.data();
    o.add(layer.o, layer.o.packed.data(), {0, 1}, attended_);
    launch(o);
    norm(layer.mlp.before, {&orders[kGate], &orders[kUp], nullptr}, layer.gate.sparse() ? 2 : 1);
    LinearLaunch gate(PrefillOutput::kRows, s.inner);
    gate.args.out = activated_.rows.data();
    gate.add(layer.gate, layer.gate_up.data(), {0, 2}, normed_[0]);
    launch(gate);
    LinearLaunch up(PrefillOutput::kGated, s.inner);
    up.args.out = activated_.rows.data();
    up.add(layer.up, layer.gate_up.data(), {1, 2}, normed_[layer.up.sparse() ? 1 : 0]);
    launch(up);
    LinearLaunch down(PrefillOutput::kAdded, s.hidden);
    down.args.added = residual_.data();
    down.add(layer.down, layer.down.packed.data(), {0, 1}, activated_);
    launch(down);
  }
}

}  // namespace esparse
