// Which kernel makes each part of a prompt, and what it is given: by wgmma where the GPU has it, or by products of a warp.
#include "prefill_launch.h"

#include "kernel_names.h"

namespace esparse {

// Those that are compiled for every GPU do not wait for each other by themselves.
Device::Launch Prefill::launch_of(unsigned x, unsigned y, unsigned threads, int shared) const {
  return {{x, y, 1}, threads, static_cast<unsigned>(shared), device_.has_wgmma()};
}

void Prefill::norm(const DeviceArray<float>& weight,
                   const DeviceArray<std::uint16_t>* const (&orders)[kMaxSegments], int readers) {
  const DecoderShape& s = decoder_.shape;
  PrefillNorm args{{residual_.data(), nullptr, {}, weight.data(), s.epsilon, s.hidden, s.channels, 1.0f / s.channels}, tokens_, {}, readers};
  for (int i = 0; i < readers; i++) {
    args.readers[i] = {orders[i]->count() == 0 ? nullptr : orders[i]->data(), normed_[i].rows.data()};
  }
  device_.launch(stream_, kNormRows, launch_of(ceil_div(tokens_, 2), 1, kPrefillNormThreads, s.hidden * 8), args);
}

void Prefill::launch(const LinearLaunch& linear) {
  const int sms = device_.facts().multiprocessors;
  if (device_.has_wgmma()) {
    const int row_tiles = linear.row_tiles(kPrefillRows), tile = prefill_tile(row_tiles, tokens_, sms);
    PrefillArguments args = linear.of_tiles(kPrefillRows, tokens_);
    for (int i = 0; i < args.segment_count; i++) {
      args.activations[i] = linear.from[i]->maps[tile == kPrefillTiles[0] ? 0 : 1];
    }
    device_.launch(stream_, prefill_linear_name(linear.encoding, tile, linear.output),
                   launch_of(row_tiles, ceil_div(tokens_, tile), kPrefillThreads, kPrefillShared), args);
    return;
  }
  // Bits do not depend on the tile: rows are in all of them the same.
  const bool sparse = is_sparse(linear.encoding);
  const int row_tiles = linear.row_tiles(kPrefillRows);
  const MmaTile tile = mma_tile(row_tiles, tokens_, sms);
  PrefillArguments args = linear.of_tiles(kPrefillRows, tokens_);
  args.output = linear.output;
  args.together = kMmaTogether;
  for (int i = 0; i < args.segment_count; i++) args.rows[i] = linear.from[i]->rows.data();
  device_.launch(stream_, prefill_linear_mma_name(sparse, tile),
                 launch_of(row_tiles * ceil_div(tokens_, tile.tokens()), 1, kMmaThreads, tile.shared(sparse)), args);
}

void Prefill::attend(const Layer& layer, int index) {
  const DecoderShape& s = decoder_.shape;
  const std::size_t half = static_cast<std::size_t>(cache_.pages) * s.kv_heads * kPagePositions * s.dims;
  const bool shuffled = layer.orders[kO].count() != 0;
  PrefillAttention args{};
  args.qkv = qkv_.data();
  args.head = heads_of(layer, s);
  args.window = layer.window;
  args.heads = s.heads;
  args.kv_heads = s.kv_heads;
  args.keys = cache_.memory.data() + 2 * half * index;
  args.values = args.keys + half;
  args.cache = cache_map_;
  args.first_key = static_cast<int>(2 * half * index / s.dims);
  args.first_value = args.first_key + static_cast<int>(half / s.dims);
  args.pages = inputs_.data() + first_page_;
  args.positions = inputs_.data() + tokens_;
  args.first_page = inputs_.data() + 2 * tokens_;
  args.tiles = reinterpret_cast<const QueryTile*>(inputs_.data() + first_tile_);
  args.rotary = reinterpret_cast<const float2*>(decoder_.rotary.data() + layer.rotary);
  args.scale = s.scale;
  args.out = shuffled ? heads_.data() : attended_.rows.data();
  device_.launch(stream_, append_name(s.dims), launch_of(tokens_, 1, kAppendThreads, 0), args);
  if (device_.has_wgmma()) {
    device_.launch(stream_, attend_chunk_name(s.dims),
                   launch_of(tiles_, s.heads, kChunkThreads, prefill_attention_shared(s.dims)), args);
  } else {
    device_.launch(stream_, attend_chunk_mma_name(s.dims),
                   launch_of(tiles_ * kMmaChunkParts, s.heads, kMmaThreads, mma_attention_shared(s.dims)), args);
  }
  if (!shuffled) return;
  const int channels = s.heads * s.dims, inputs = layer.o.cols;
  device_.launch(stream_, kShuffle, launch_of(tokens_, 1, kShuffleThreads, std::max(inputs, channels) * 2), heads_.data(),
                 layer.orders[kO].data(), channels, inputs, attended_.rows.data());
}

}  // namespace esparse
