// The kinds of weights that linears have on the device: bf16, or integers with scales. The names that kernels call them by are
// those of `weights.cuh` and `integer_weights.cuh`.
#pragma once
#include "integer_layout.h"

namespace esparse {

enum class Encoding { kSparse, kDense, kSparseInt8, kSparseInt4, kSparseInt4Fine, kDenseInt8, kDenseInt4 };

// 0 of bf16.
constexpr int bits_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kSparse:
    case Encoding::kDense:
      return 0;
    case Encoding::kSparseInt8:
    case Encoding::kDenseInt8:
      return 8;
    default:
      return 4;
  }
}

// Whether it is 2:4, and its inputs in an order of their own.
constexpr bool is_sparse(Encoding encoding) {
  return encoding != Encoding::kDense && encoding != Encoding::kDenseInt8 && encoding != Encoding::kDenseInt4;
}

// Of integers.
constexpr IntegerOrder order_of(Encoding encoding) {
  return {is_sparse(encoding), bits_of(encoding), encoding == Encoding::kSparseInt4Fine ? 4 : 2};
}

// How activations of linears of integers stand where digits are made of them before.
constexpr DigitOrder digits_of(Encoding encoding) {
  if (bits_of(encoding) == 0) return {};
  return {bits_of(encoding), order_of(encoding).span(), is_sparse(encoding)};
}

constexpr Format format_of(Encoding encoding) {
  if (bits_of(encoding) != 0) return integer_format(order_of(encoding));
  return is_sparse(encoding) ? kSparseFormat : kDenseFormat;
}

}  // namespace esparse
