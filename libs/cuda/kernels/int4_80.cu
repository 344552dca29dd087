// The module `int4` for GPUs before Hopper.
#define ESPARSE_AMPERE
#include "int4.cu"
