#include "internal/ps_blas.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

#if defined(PS_WITHOUT_OPENBLAS) || defined(__APPLE__)
static const char *blas_core(void) { return "unknown"; }
static const char *blas_configuration(void) { return "unknown"; }
void ps_blas_set_threads(int32_t threads) { (void)threads; }
#else
int openblas_get_num_threads(void);
void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);
char *openblas_get_config(void);
static const char *blas_core(void) { return openblas_get_corename(); }
static const char *blas_configuration(void) { return openblas_get_config(); }
void ps_blas_set_threads(int32_t threads) {
    // Only on a change: OpenBLAS takes a lock and may start threads.
    if (openblas_get_num_threads() != threads) openblas_set_num_threads(threads);
}
#endif

const char *ps_blas_core_name(void) { return blas_core(); }
const char *ps_blas_configuration(void) { return blas_configuration(); }

int32_t ps_blas_parts(const ps_context *ctx, int64_t m, int64_t n, int64_t k) {
#if defined(PS_WITHOUT_OPENBLAS) || defined(__APPLE__)
    (void)ctx, (void)m, (void)n, (void)k;
    return 1;
#else
    // Saturating: sizes up to 2^31 each may overflow their product.
    double work = (double)m * (double)n * (double)k;
    return ps_team_size(ctx, work < 1e15 ? (int64_t)work : (int64_t)1e15);
#endif
}

void ps_blas_sgemm_here(int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                        const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    int32_t op_a = transpose_a ? PS_BLAS_TRANSPOSE : PS_BLAS_NO_TRANSPOSE, op_b = transpose_b ? PS_BLAS_TRANSPOSE : PS_BLAS_NO_TRANSPOSE;
    cblas_sgemm(PS_BLAS_ROW_MAJOR, op_a, op_b, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

// OpenBLAS's own pool spins on sched_yield between calls, on the cores that OpenMP's team and Swift's workers then want, so it gets one
// thread and we cut C into one slab per thread of our team.
void ps_blas_sgemm(const ps_context *ctx, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    int32_t parts = ps_blas_parts(ctx, m, n, k), by_rows = m >= n;
    #pragma omp parallel for num_threads(parts) if (parts > 1) schedule(static)
    for (int32_t part = 0; part < parts; part++) {
        ps_range range = ps_part(by_rows ? m : n, part, parts, PS_BLAS_GRAIN);
        int64_t count = range.end - range.begin;
        if (count == 0) continue;
        const float *own_a = by_rows ? a + (transpose_a ? range.begin : range.begin * lda) : a;
        const float *own_b = by_rows ? b : b + (transpose_b ? range.begin * ldb : range.begin);
        float *own_c = by_rows ? c + range.begin * ldc : c + range.begin;
        ps_blas_sgemm_here(transpose_a, transpose_b, by_rows ? count : m, by_rows ? n : count, k, alpha, own_a, lda, own_b, ldb, beta, own_c, ldc);
    }
}
