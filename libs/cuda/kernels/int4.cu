// The decode linears of weights of 4 bits, as one module, which is loaded where a model has such weights.
#include "integer_weights.cuh"
#include "linear_instances.cuh"

namespace esparse {

LINEARS(SparseInt4)
LINEARS(SparseInt4Fine)
LINEARS(DenseInt4)

}  // namespace esparse
