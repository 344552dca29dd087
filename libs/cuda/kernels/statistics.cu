// Every kernel that folds activations into statistics, as one module: `npm run cuda:ptx` compiles it.
#include "statistics/amplitude.cuh"
#include "statistics/entropy.cuh"
#include "statistics/entropy_masses.cuh"
#include "statistics/products.cuh"
#include "statistics/row_sample.cuh"
