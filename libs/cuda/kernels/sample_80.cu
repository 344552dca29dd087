// The module `sample` for GPUs before Hopper.
#include "sample.cu"
