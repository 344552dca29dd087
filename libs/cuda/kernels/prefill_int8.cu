// The linears of prefill of weights of 8 bits, as one module, which is loaded where a model has such weights.
#include "prefill_instances.cuh"

namespace esparse {

LINEARS(SparseInt8, 128)
LINEARS(SparseInt8, 256)
LINEARS(DenseInt8, 128)
LINEARS(DenseInt8, 256)

}  // namespace esparse
