// AVX-512 without VBMI2, as Intel had it since 2017.
#define ESPARSE_AVX512_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,popcnt"
#define ESPARSE_AVX512_SUPPORTED true
#define ESPARSE_AVX512_LANES Lanes512<false>
#define ESPARSE_AVX512_NAME "avx512-base"
#define ESPARSE_AVX512_KERNELS avx512_base_kernels
#include "avx512_table.inc"
