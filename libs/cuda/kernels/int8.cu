// The decode linears of weights of 8 bits, as one module, which is loaded where a model has such weights.
#include "integer_weights.cuh"
#include "linear_instances.cuh"

namespace esparse {

LINEARS_OF_INTEGERS(SparseInt8, PLANES)
LINEARS_OF_INTEGERS(DenseInt8, PAIRS)

}  // namespace esparse
