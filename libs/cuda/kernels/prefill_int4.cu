// The linears of prefill of weights of 4 bits, as one module, which is loaded where a model has such weights.
#include "prefill_instances.cuh"

namespace esparse {

LINEARS(SparseInt4, 128)
LINEARS(SparseInt4, 256)
LINEARS(SparseInt4Fine, 128)
LINEARS(SparseInt4Fine, 256)
LINEARS(DenseInt4, 128)
LINEARS(DenseInt4, 256)

}  // namespace esparse
