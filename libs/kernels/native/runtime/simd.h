// One source, several instruction sets: the compiler clones a function for each and the loader picks the best.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && (defined(__GNUC__) || defined(__clang__))
#define ESPARSE_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ESPARSE_SIMD_CLONES
#endif
