#include "ps_context.h"
#include "internal/ps_blas.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

#if defined(PS_WITHOUT_OPENBLAS) || defined(__APPLE__)
static const char *blas_core(void) { return "unknown"; }
static const char *blas_configuration(void) { return "unknown"; }
static void set_blas_threads(int32_t threads) { (void)threads; }
#else
int openblas_get_num_threads(void);
void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);
char *openblas_get_config(void);
static const char *blas_core(void) { return openblas_get_corename(); }
static const char *blas_configuration(void) { return openblas_get_config(); }
static void set_blas_threads(int32_t threads) {
    // Only on a change: setting it tears down and restarts OpenBLAS's pool.
    if (openblas_get_num_threads() != threads) openblas_set_num_threads(threads);
}
#endif

const char *ps_blas_core_name(void) { return blas_core(); }
const char *ps_blas_configuration(void) { return blas_configuration(); }

#if defined(PS_WITHOUT_OPENBLAS) || defined(__APPLE__)
static int32_t parts_of(const ps_context *ctx, int64_t multiply_adds) { (void)ctx, (void)multiply_adds; return 1; }
#else
static int32_t parts_of(const ps_context *ctx, int64_t multiply_adds) { return ps_team_size(ctx, multiply_adds); }
#endif

// OpenBLAS's own pool spins on sched_yield between calls, on the cores that OpenMP's team and Swift's workers then want, so it gets one
// thread and we cut C into one slab per thread of our team.
void ps_blas_sgemm(const ps_context *ctx, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    int32_t op_a = transpose_a ? PS_BLAS_TRANSPOSE : PS_BLAS_NO_TRANSPOSE, op_b = transpose_b ? PS_BLAS_TRANSPOSE : PS_BLAS_NO_TRANSPOSE;
    // Saturating: sizes up to 2^31 each may overflow their product.
    double work = (double)m * (double)n * (double)k;
    int32_t parts = parts_of(ctx, work < 1e15 ? (int64_t)work : (int64_t)1e15);
    int32_t by_rows = m >= n;
    #pragma omp parallel for num_threads(parts) if (parts > 1) schedule(static)
    for (int32_t part = 0; part < parts; part++) {
        // Multiples of 16 rows or columns: no part but the last works on the edges of OpenBLAS's tiles.
        ps_range range = ps_part(by_rows ? m : n, part, parts, 16);
        int64_t count = range.end - range.begin;
        if (count == 0) continue;
        const float *own_a = by_rows ? a + (transpose_a ? range.begin : range.begin * lda) : a;
        const float *own_b = by_rows ? b : b + (transpose_b ? range.begin * ldb : range.begin);
        float *own_c = by_rows ? c + range.begin * ldc : c + range.begin;
        cblas_sgemm(PS_BLAS_ROW_MAJOR, op_a, op_b, (int)(by_rows ? count : m), (int)(by_rows ? n : count), (int)k, alpha, own_a, (int)lda,
                    own_b, (int)ldb, beta, own_c, (int)ldc);
    }
}

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
            return PS_EMULATE_AVX512 == 2 ? &ps_leaves_avx512_dot : &ps_leaves_avx512;
#else
            // Not an instruction set of its own: the same lanes, and dot products of bf16 and int8 where the processor has them.
            return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") ? &ps_leaves_avx512_dot : &ps_leaves_avx512;
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
    set_blas_threads(1);
    return PS_OK;
}

const char *ps_context_description(const ps_context *context) {
    if (context == NULL || context->leaves == NULL) return "unknown";
    switch (context->isa) {
        case PS_ISA_SCALAR: return "plain C";
        case PS_ISA_AVX2: return "AVX2, FMA and F16C";
        case PS_ISA_AVX512:
            return ps_leaves_of(context)->has_bf16_dot ? "AVX-512 with BF16 and VNNI dot products" : "AVX-512 F, BW, VL and DQ";
        case PS_ISA_NEON: return "NEON";
    }
    return "unknown";
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
