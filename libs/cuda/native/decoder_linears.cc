// How a linear comes to the device: checked, and in the order of the kernels.
#include "decoder.h"

#include "failure.h"
#include "kernel_names.h"

namespace esparse {
namespace {

// Room for at least so many bytes; what was there before may be gone.
void grow(DeviceArray<std::uint8_t>& array, std::size_t bytes) {
  if (array.bytes() >= bytes) return;
  array = DeviceArray<std::uint8_t>();
  array = DeviceArray<std::uint8_t>(bytes);
}

}  // namespace

Encoding HostLinear::encoding() const {
  const bool sparse = indices != nullptr;
  if (integers.bits == 0) return sparse ? Encoding::kSparse : Encoding::kDense;
  for (const Encoding encoding :
       {Encoding::kSparseInt8, Encoding::kSparseInt4, Encoding::kSparseInt4Fine, Encoding::kDenseInt8, Encoding::kDenseInt4}) {
    if (is_sparse(encoding) != sparse || bits_of(encoding) != integers.bits) continue;
    const IntegerOrder order = order_of(encoding);
    const int span = sparse ? order.span() / 2 : order.span();
    if (integers.span % span == 0 || integers.span >= survivors()) return encoding;
  }
  throw Failure("internal", "integers that the kernels do not have");
}

// `fill_rows`: its outputs are another linear's inputs, or the residual stream.
Linear DecoderLoader::describe(const HostLinear& from, bool fill_rows) const {
  Linear linear;
  linear.encoding = from.encoding();
  linear.rows = fill_rows ? padded(from.rows) : from.rows;
  linear.cols = padded(from.cols);
  return linear;
}

void DecoderLoader::pack_dense(const std::uint16_t* rows, const HostLinear& from, const Linear& linear,
                               const RowOrder& order, std::uint8_t* to, int tiles, TilePlaces places) {
  const StoredDense stored{rows, from.cols, order};
  device_.launch(stream_, kRepackDense,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

StoredIntegers DecoderLoader::checked_integers(const HostLinear& from, const std::uint8_t* codes,
                                               const std::uint16_t* scales, const RowOrder& order, std::size_t checked) {
  constexpr unsigned kCheckThreads = 256;
  const auto ctas = [](std::size_t count) -> Device::Launch {
    return {{static_cast<unsigned>((count + kCheckThreads - 1) / kCheckThreads), 1, 1}, kCheckThreads};
  };
  const std::uint32_t* indices = nullptr;
  if (from.indices != nullptr) {
    indices = reinterpret_cast<const std::uint32_t*>(staged_indices_.data());
    const std::size_t words = from.stored_tiles() * kTileRows * ((from.survivors() + 15) / 16);
    device_.launch(stream_, kCheckIntegerPositions, ctas(words), indices, from.rows, from.survivors(),
                   wrong_.data() + checked);
  }
  spans_[checked] = from.spans();
  device_.launch(stream_, kCheckScales, ctas(from.scale_bytes() / 2), scales, from.rows, from.spans(),
                 wrong_.data() + spans_.size() + checked);
  return {codes,          scales,       indices, from.integers.bits, from.survivors(), from.integers.span,
          from.vectors(), from.spans(), order};
}

void DecoderLoader::pack_integers(const StoredIntegers& from, const Linear& linear, std::uint8_t* to, int tiles,
                                  TilePlaces places) {
  device_.launch(stream_, kRepackIntegers,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, from,
                 order_of(linear.encoding), to, places);
}

void DecoderLoader::pack(const HostLinear& from, const Linear& linear, const RowOrder& order, std::uint8_t* to,
                         int tiles, TilePlaces places, std::size_t checked) {
  const std::size_t stored_rows = (static_cast<std::size_t>(from.rows) + kTileRows - 1) / kTileRows * kTileRows;
  if (from.integers.bits != 0) {
    grow(staged_values_, from.code_bytes());
    grow(staged_scales_, from.scale_bytes());
    uploader_.copy(staged_values_.address(), from.integers.codes, from.code_bytes());
    uploader_.copy(staged_scales_.address(), from.integers.scales, from.scale_bytes());
    if (from.indices != nullptr) {
      const std::size_t bytes = from.stored_tiles() * kCodeVector * ((from.survivors() + 15) / 16);
      grow(staged_indices_, bytes);
      uploader_.copy(staged_indices_.address(), from.indices, bytes);
    }
    const auto* const scales = reinterpret_cast<const std::uint16_t*>(staged_scales_.data());
    pack_integers(checked_integers(from, staged_values_.data(), scales, order, checked), linear, to, tiles, places);
    return;
  }
  if (!linear.sparse()) {
    const std::size_t bytes = static_cast<std::size_t>(from.rows) * from.cols * 2;
    grow(staged_values_, bytes);
    uploader_.copy(staged_values_.address(), from.values, bytes);
    pack_dense(reinterpret_cast<const std::uint16_t*>(staged_values_.data()), from, linear, order, to, tiles, places);
    return;
  }
  const int groups = from.cols / kGroup;
  const std::size_t pairs = stored_rows / kTileRows * groups, values = stored_rows * from.cols / 2 * 2;
  grow(staged_values_, values);
  grow(staged_indices_, pairs * sizeof(Words2));
  uploader_.copy(staged_values_.address(), from.values, values);
  uploader_.copy(staged_indices_.address(), from.indices, pairs * sizeof(Words2));
  const auto* const indices = reinterpret_cast<const Words2*>(staged_indices_.data());
  constexpr unsigned kCheckThreads = 256;
  device_.launch(stream_, kCheckPositions,
                 {{static_cast<unsigned>((pairs + kCheckThreads - 1) / kCheckThreads), 1, 1}, kCheckThreads}, indices,
                 pairs, wrong_.data() + checked);
  const StoredSparse stored{reinterpret_cast<const std::uint16_t*>(staged_values_.data()),
                            reinterpret_cast<const std::uint32_t*>(indices), groups, order};
  device_.launch(stream_, kRepackSparse,
                 {{static_cast<unsigned>(linear.blocks()), static_cast<unsigned>(tiles), 1}, kLanes}, stored, to, places);
}

// `linear`: as it is described, without its memory.
void DecoderLoader::pack_whole(const HostLinear& from, Linear& linear, const RowOrder& order, std::size_t checked) {
  const int tiles = linear.panels() * kPanelTiles;
  linear.packed = DeviceArray<std::uint8_t>(static_cast<std::size_t>(tiles) * linear.blocks() *
                                            linear.format().tile_bytes);
  pack(from, linear, order, linear.packed.data(), tiles, {0, 1}, checked);
}

}  // namespace esparse
