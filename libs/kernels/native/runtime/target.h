// Compiles what lies between BEGIN and END for an instruction set that the rest of the addon does not assume. Standard
// headers must be included before BEGIN: their inline functions are shared with code that runs everywhere.
#pragma once

#if defined(__clang__)
#define ESPARSE_PRAGMA(text) _Pragma(#text)
#define ESPARSE_TARGET_BEGIN(features) \
  ESPARSE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define ESPARSE_TARGET_END _Pragma("clang attribute pop")
#else
#define ESPARSE_PRAGMA(text) _Pragma(#text)
#define ESPARSE_TARGET_BEGIN(features) _Pragma("GCC push_options") ESPARSE_PRAGMA(GCC target(features))
#define ESPARSE_TARGET_END _Pragma("GCC pop_options")
#endif

// For the small pieces that kernels are made of: a call that is not inlined would pass vectors through memory.
#define ESPARSE_INLINE static inline __attribute__((always_inline))
#define ESPARSE_INLINE_MEMBER inline __attribute__((always_inline))

// Before a loop over registers: it must go, or they would lie in memory.
#if defined(__clang__)
#define ESPARSE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ESPARSE_UNROLL _Pragma("GCC unroll 16")
#endif
