// Every kernel that runs blocks of a model over whole sequences, as one module: `npm run cuda:ptx` compiles it. Matrix
// products are cuBLASLt's.
#include "block/activations.cuh"
#include "block/attention.cuh"
#include "block/elementwise.cuh"
#include "block/norms.cuh"
#include "block/rope.cuh"
#include "block/unpack.cuh"
