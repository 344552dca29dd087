// Every kernel of tuning a block, as one module: plain code for any GPU, and for the processor in tests.
#include "tune/activation.cuh"
#include "tune/adam.cuh"
#include "tune/attention.cuh"
#include "tune/columns.cuh"
#include "tune/loss.cuh"
#include "tune/norm.cuh"
#include "tune/rope.cuh"
#include "tune/sums.cuh"
