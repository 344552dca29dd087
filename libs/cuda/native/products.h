// Matrix products by cuBLASLt. Equal products of one library, GPU and driver have equal bits: the algorithm is the one
// that the library likes best of those that sum each entry in one piece, and it is looked up once for each shape.
#pragma once
#include <map>
#include <memory>

#include "cublaslt.h"
#include "memory.h"

namespace esparse {

enum class Elements : int { kF32 = 0, kBf16 = 1, kF16 = 2 };

// d = alpha * left * right + beta * c, all row-major: left (m x k), right (k x n), c and d (m x n), of one batch after the other.
// A transposed left lies in memory as (k x m), a transposed right as (n x k).
struct ProductShape {
  int m, n, k;
  bool transpose_left, transpose_right;
  Elements inputs, outputs;
  long long left_stride, right_stride, out_stride;  // elements from one row in memory to the next
  int batch;
  long long left_step, right_step, out_step;  // elements from one of the batch to the next

  auto key() const {
    return std::make_tuple(m, n, k, transpose_left, transpose_right, inputs, outputs, left_stride, right_stride,
                           out_stride, batch, left_step, right_step, out_step);
  }
  bool operator<(const ProductShape& other) const { return key() < other.key(); }
};

class Products {
 public:
  // Throws Failure 'usage' where there is no library.
  Products();
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  struct Operands {
    CuPointer left, right, c, out;
    float alpha, beta;
  };
  void multiply(const ProductShape& shape, const Operands& operands, CuStream stream);

 private:
  struct Plan;
  const Plan& plan(const ProductShape& shape);

  LtHandle handle_{};
  DeviceArray<std::uint8_t> workspace_;
  std::map<ProductShape, std::unique_ptr<Plan>> plans_;
};

}  // namespace esparse
