// AVX-512 with VBMI2 and VNNI, as Intel has it since 2019 and AMD since 2022.
#define ESPARSE_AVX512_FEATURES "avx512vbmi2,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,popcnt"
#define ESPARSE_AVX512_SUPPORTED __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni")
#define ESPARSE_AVX512_LANES Lanes512<true>
#define ESPARSE_AVX512_NAME "avx512"
#define ESPARSE_AVX512_KERNELS avx512_kernels
#include "avx512_table.inc"
