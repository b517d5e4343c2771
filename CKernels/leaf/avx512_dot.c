/// Leaves for AVX-512 with the dot products of bf16 and int8 (BF16, VNNI): Cooper Lake, Sapphire Rapids, Zen 4 and later.
#if defined(__x86_64__)
#define PS_LANES 16
#define PS_HAS_FMA 1
#define PS_HAS_BF16_DOT 1
#define PS_HAS_I8_DOT 1
#define PS_DOTS_I8 "nearest/dots_i8_vnni.h"
#define PS_TABLE ps_leaves_avx512_dot
// SwiftPM has no flags per file, so the target is set here; the system headers come first, because they must not inherit it.
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(PS_EMULATE_AVX512)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma,f16c"))), apply_to = function)
#endif
#include "body/all.h"
#pragma clang attribute pop
#endif
