// Rows of a table as f32: see src/inference/gather-rows.ts. No instruction set: the processor waits for memory here.
#include <cstring>

#include "runtime/half.h"
#include "runtime/kernel.h"

namespace esparse {
namespace {

struct GatherRowsArguments {
  Dtype dtype;
  StoredFloats table;
  std::size_t cols;
  Span<std::uint32_t> rows;
  std::size_t count;
  Span<float> y;  // (count, cols)
  template <typename Each>
  void fields(Each& each) {
    each("dtype", dtype), each("table", table), each("cols", cols), each("rows", rows), each("count", count);
    each("y", y);
  }
};

Napi::Value gather_rows(Call& call, const GatherRowsArguments& a) {
  call.at_least("rows", a.rows, a.count);
  call.at_least("y", a.y, a.count * a.cols);
  if (a.table.wide() != (a.dtype == kF32)) call.refuse("table", "its elements are not of that dtype");
  for (std::size_t i = 0; !call.failed() && i < a.count; i++) {
    if ((static_cast<std::size_t>(a.rows.data[i]) + 1) * a.cols > a.table.length()) {
      call.refuse("rows", "there is no row " + std::to_string(a.rows.data[i]));
    }
  }
  if (call.failed()) return call.nothing();
  for (std::size_t i = 0; i < a.count; i++) {
    const std::size_t from = static_cast<std::size_t>(a.rows.data[i]) * a.cols;
    float* to = a.y.data + i * a.cols;
    auto* bits = reinterpret_cast<std::uint32_t*>(to);
    if (a.dtype == kF32) std::memcpy(to, a.table.floats.data + from, a.cols * sizeof(float));
    else (a.dtype == kBf16 ? widen_bf16 : widen_f16)(a.table.halves.data + from, bits, a.cols);
  }
  return call.nothing();
}

}  // namespace

void register_gather_rows(Napi::Object exports) { add_kernel(exports, "gatherRows", gather_rows); }

}  // namespace esparse
