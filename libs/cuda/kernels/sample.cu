// From logits to the next token, as a module of its own: few of its kernels are needed for likeliest tokens.
#include "sample.cuh"
