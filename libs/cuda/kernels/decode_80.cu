// The module `decode` for GPUs before Hopper.
#define ESPARSE_AMPERE
#include "decode.cu"
