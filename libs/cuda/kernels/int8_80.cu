// The module `int8` for GPUs before Hopper.
#define ESPARSE_AMPERE
#include "int8.cu"
