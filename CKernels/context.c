#define _GNU_SOURCE  // dladdr
#include "ps_context.h"
#ifdef _OPENMP
#include <dlfcn.h>
#endif
#include "internal/ps_blas.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

int32_t ps_isa_supported(ps_isa isa) {
    switch (isa) {
        case PS_ISA_SCALAR: return 1;
#if defined(__x86_64__)
        // The compiler's builtin also asks the operating system whether it saves the wide registers.
        case PS_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#if defined(PS_EMULATE_AVX512)
        case PS_ISA_AVX512: return ps_isa_supported(PS_ISA_AVX2);
#else
        case PS_ISA_AVX512:
            return ps_isa_supported(PS_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
        case PS_ISA_NEON: return 0;
#elif defined(__aarch64__)
        case PS_ISA_AVX2:
        case PS_ISA_AVX512: return 0;
        case PS_ISA_NEON: return 1;
#else
        case PS_ISA_AVX2:
        case PS_ISA_AVX512:
        case PS_ISA_NEON: return 0;
#endif
    }
    return 0;
}

ps_isa ps_isa_detect(void) {
    const ps_isa best_first[] = {PS_ISA_AVX512, PS_ISA_AVX2, PS_ISA_NEON};
    for (int32_t i = 0; i < 3; i++) {
        if (ps_isa_supported(best_first[i])) return best_first[i];
    }
    return PS_ISA_SCALAR;
}

const char *ps_isa_name(ps_isa isa) {
    switch (isa) {
        case PS_ISA_SCALAR: return "scalar";
        case PS_ISA_AVX2: return "avx2";
        case PS_ISA_AVX512: return "avx512";
        case PS_ISA_NEON: return "neon";
    }
    return "unknown";
}

static const ps_leaves *leaves_for(ps_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case PS_ISA_AVX2: return &ps_leaves_avx2;
        case PS_ISA_AVX512:
#if defined(PS_EMULATE_AVX512)
            return PS_EMULATE_AVX512 == 3 ? &ps_leaves_avx512_vnni : PS_EMULATE_AVX512 == 2 ? &ps_leaves_avx512_dot : &ps_leaves_avx512;
#else
            // Not instruction sets of their own: the same lanes, and dot products of int8 and bf16 where the processor has them. Every
            // processor with BF16 has VNNI, many with VNNI lack BF16.
            if (!__builtin_cpu_supports("avx512vnni")) return &ps_leaves_avx512;
            return __builtin_cpu_supports("avx512bf16") ? &ps_leaves_avx512_dot : &ps_leaves_avx512_vnni;
#endif
#elif defined(__aarch64__)
        case PS_ISA_NEON: return &ps_leaves_neon;
#endif
        default: return &ps_leaves_scalar;
    }
}

ps_status ps_context_make(ps_isa isa, int32_t threads, ps_context *context) {
    PS_REQUIRE(context != NULL, PS_NULL_POINTER);
    PS_REQUIRE(threads >= 1, PS_BAD_PARAMETER);
    PS_REQUIRE(ps_isa_supported(isa), PS_UNSUPPORTED_ISA);
    context->leaves = leaves_for(isa);
    context->isa = isa;
    context->threads = threads;
    // Waking a sleeping thread takes about 20 us, in which one core moves about this much.
    context->bytes_per_thread = 512 * 1024;
    // Before the first product, so that LAPACK never runs with one number of threads in one call and another in the next.
    ps_blas_set_threads(1);
    return PS_OK;
}

const char *ps_context_description(const ps_context *context) {
    if (context == NULL || context->leaves == NULL) return "unknown";
    switch (context->isa) {
        case PS_ISA_SCALAR: return "plain C";
        case PS_ISA_AVX2: return "AVX2, FMA and F16C";
        case PS_ISA_AVX512:
            if (ps_leaves_of(context)->has_bf16_dot) return "AVX-512 with BF16 and VNNI dot products";
            return ps_leaves_of(context)->has_i8_dot ? "AVX-512 with VNNI dot products" : "AVX-512 F, BW, VL and DQ";
        case PS_ISA_NEON: return "NEON";
    }
    return "unknown";
}

const char *ps_openmp_runtime(void) {
#ifdef _OPENMP
    Dl_info info;
    if (dladdr((const void *)(uintptr_t)&omp_get_thread_num, &info) && info.dli_fname) return info.dli_fname;
    return "unknown";
#else
    return "none";
#endif
}

int32_t ps_context_probe_threads(const ps_context *context) {
    if (context == NULL || context->threads < 1) return 0;
    int32_t threads = ps_team_size(context, INT64_MAX / 2), ran = 0;
    #pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : ran)
    for (int32_t part = 0; part < threads; part++) {
#ifdef _OPENMP
        // Each thread of the team gets exactly one part, unless the team is smaller: then parts beyond it are not counted.
        ran += part == omp_get_thread_num();
#else
        ran += part == 0;
#endif
    }
    return ran;
}
