// The decode linears of weights of 4 bits, as one module, which is loaded where a model has such weights.
#include "integer_weights.cuh"
#include "linear_instances.cuh"

namespace esparse {

LINEARS_OF_INTEGERS(SparseInt4, PLANES)
LINEARS_OF_INTEGERS(SparseInt4Fine, PLANES)
LINEARS_OF_INTEGERS(DenseInt4, PAIRS)

}  // namespace esparse
