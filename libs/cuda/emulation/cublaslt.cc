// cuBLASLt without a GPU, as far as esparse calls it: plain loops in f64 over memory that is the host's. A product beyond the memory
// of the driver beside it ends the process.
#include "../native/cublaslt.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace esparse {

// Of every f16.
const std::vector<float>& halves() {
  static const std::vector<float> all = [] {
    std::vector<float> of(1 << 16);
    for (int bits = 0; bits < 1 << 16; bits++) {
      const int exponent = bits >> 10 & 31, rest = bits & 0x3ff;
      const float size = exponent == 31 ? (rest == 0 ? HUGE_VALF : NAN)
                                        : std::ldexp(exponent == 0 ? rest : 1024.0f + rest, exponent == 0 ? -24 : exponent - 25);
      of[bits] = bits & 0x8000 ? -size : size;
    }
    return of;
  }();
  return all;
}

struct LtHandleObject {};
struct LtProductObject {
  std::int32_t transpose[2] = {0, 0};
};
struct LtLayoutObject {
  int type;
  std::uint64_t rows, columns;
  std::int64_t stride;
  std::int32_t batch = 1;
  std::int64_t step = 0;

  // From the first element to the last, of all products of a batch.
  std::size_t bytes() const {
    const std::size_t elements = (batch - 1) * step + (columns - 1) * stride + rows;
    return elements * (type == kLtF32 ? 4 : 2);
  }
  // By columns.
  double at(const void* data, int of_batch, std::uint64_t row, std::uint64_t column) const {
    const std::int64_t i = of_batch * step + column * stride + row;
    if (type == kLtF32) return static_cast<const float*>(data)[i];
    if (type == kLtF16) return halves()[static_cast<const std::uint16_t*>(data)[i]];
    const std::uint32_t bits = static_cast<std::uint32_t>(static_cast<const std::uint16_t*>(data)[i]) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  void put(void* data, int of_batch, std::uint64_t row, std::uint64_t column, float value) const {
    const std::int64_t i = of_batch * step + column * stride + row;
    if (type == kLtF32) {
      static_cast<float*>(data)[i] = value;
      return;
    }
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    static_cast<std::uint16_t*>(data)[i] = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
};
struct LtPreferenceObject {};

namespace {

// Whether a matrix is to be looked at; the driver ends the process where it is not all within one piece of memory.
bool is_there(const void* data, const LtLayoutObject& layout) {
  using Check = bool (*)(std::uint64_t, std::size_t);
  static const auto check = reinterpret_cast<Check>(
      dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_cuda_product"));
  return check(reinterpret_cast<std::uint64_t>(data), layout.bytes());
}

}  // namespace

}  // namespace esparse

using namespace esparse;

extern "C" {

std::size_t cublasLtGetVersion() { return 130000; }
int cublasLtCreate(LtHandle* out) { return *out = new LtHandleObject, 0; }
int cublasLtDestroy(LtHandle handle) { return delete handle, 0; }
int cublasLtMatmulDescCreate(LtProduct* out, int, int) { return *out = new LtProductObject, 0; }
int cublasLtMatmulDescDestroy(LtProduct product) { return delete product, 0; }
int cublasLtMatmulDescSetAttribute(LtProduct product, int which, const void* value, std::size_t) {
  std::memcpy(&product->transpose[which - kLtTransposeA], value, sizeof(std::int32_t));
  return 0;
}
int cublasLtMatrixLayoutCreate(LtLayout* out, int type, std::uint64_t rows, std::uint64_t columns, std::int64_t stride) {
  return *out = new LtLayoutObject{type, rows, columns, stride}, 0;
}
int cublasLtMatrixLayoutDestroy(LtLayout layout) { return delete layout, 0; }
int cublasLtMatrixLayoutSetAttribute(LtLayout layout, int which, const void* value, std::size_t) {
  if (which == kLtBatchCount) std::memcpy(&layout->batch, value, sizeof layout->batch);
  else std::memcpy(&layout->step, value, sizeof layout->step);
  return 0;
}
int cublasLtMatmulPreferenceCreate(LtPreference* out) { return *out = new LtPreferenceObject, 0; }
int cublasLtMatmulPreferenceDestroy(LtPreference preference) { return delete preference, 0; }
int cublasLtMatmulPreferenceSetAttribute(LtPreference, int, const void*, std::size_t) { return 0; }

int cublasLtMatmulAlgoGetHeuristic(LtHandle, LtProduct product, LtLayout a, LtLayout b, LtLayout c, LtLayout d,
                                   LtPreference, int, LtChoice*, int* found) {
  const auto rows = [](const LtLayoutObject& of, int transposed) { return transposed ? of.columns : of.rows; };
  const auto columns = [](const LtLayoutObject& of, int transposed) { return transposed ? of.rows : of.columns; };
  const bool fit = columns(*a, product->transpose[0]) == rows(*b, product->transpose[1]) &&
                   rows(*a, product->transpose[0]) == d->rows && columns(*b, product->transpose[1]) == d->columns &&
                   c->rows == d->rows && c->columns == d->columns && a->batch == d->batch && b->batch == d->batch;
  *found = fit ? 1 : 0;
  return fit ? 0 : 7;
}

int cublasLtMatmul(LtHandle, LtProduct product, const void* alpha, const void* a, LtLayout a_layout, const void* b,
                   LtLayout b_layout, const void* beta, const void* c, LtLayout c_layout, void* d, LtLayout d_layout,
                   const LtAlgorithm*, void*, std::size_t, CuStream) {
  bool computes = is_there(a, *a_layout) && is_there(b, *b_layout) && is_there(d, *d_layout);
  if (*static_cast<const float*>(beta) != 0) computes = is_there(c, *c_layout) && computes;
  if (!computes) return 0;
  const float scale = *static_cast<const float*>(alpha), kept = *static_cast<const float*>(beta);
  const bool ta = product->transpose[0] != 0, tb = product->transpose[1] != 0;
  const std::uint64_t inner = ta ? a_layout->rows : a_layout->columns;
  for (int batch = 0; batch < d_layout->batch; batch++) {
    // Rows side by side, so that a processor adds up several at once, each in the order of `inner`.
    const std::uint64_t rows = d_layout->rows;
    std::vector<double> lefts(inner * rows), sums(rows);
    for (std::uint64_t k = 0; k < inner; k++) {
      for (std::uint64_t row = 0; row < rows; row++) lefts[k * rows + row] = a_layout->at(a, batch, ta ? k : row, ta ? row : k);
    }
    for (std::uint64_t column = 0; column < d_layout->columns; column++) {
      std::fill(sums.begin(), sums.end(), 0);
      for (std::uint64_t k = 0; k < inner; k++) {
        const double right = b_layout->at(b, batch, tb ? column : k, tb ? k : column);
        const double* const left = &lefts[k * rows];
        for (std::uint64_t row = 0; row < rows; row++) sums[row] += left[row] * right;
      }
      for (std::uint64_t row = 0; row < rows; row++) {
        const double before = kept == 0 ? 0 : kept * c_layout->at(c, batch, row, column);
        d_layout->put(d, batch, row, column, static_cast<float>(scale * sums[row] + before));
      }
    }
  }
  return 0;
}

}  // extern "C"
