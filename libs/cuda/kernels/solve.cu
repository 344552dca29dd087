// Every kernel of solving for a linear's weights, and of the order of its inputs, as one module: plain code for any GPU, and for the processor in tests.
#include "solve/descent.cuh"
#include "solve/halves.cuh"
#include "solve/matrices.cuh"
#include "solve/rows.cuh"
#include "solve/sparse_gpt.cuh"
#include "solve/survivors.cuh"
#include "solve/swap_search.cuh"
