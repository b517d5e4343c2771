#ifndef PS_BLAS_H
#define PS_BLAS_H
#include <stdint.h>
#include "ps_context.h"

/// The BLAS functions that we call, declared here so that a build needs no cblas.h.
enum { PS_BLAS_ROW_MAJOR = 101, PS_BLAS_NO_TRANSPOSE = 111, PS_BLAS_TRANSPOSE = 112 };
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc);

/// How many threads OpenBLAS itself may use, for the whole process; 1 but for ps_probe_sgemm_f32.
void ps_blas_set_threads(int32_t threads);

/// Cuts between slabs fall on multiples of this many rows or columns: no slab but the last works on the edges of OpenBLAS's tiles.
enum { PS_BLAS_GRAIN = 16 };
/// How many slabs, one a thread, a product deserves.
int32_t ps_blas_parts(const ps_context *ctx, int64_t m, int64_t n, int64_t k);

/// C = alpha op(A) op(B) + beta C on the calling thread alone.
void ps_blas_sgemm_here(int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                        const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
/// C = alpha op(A) op(B) + beta C on ctx->threads threads. Sizes were checked to fit BLAS's 32-bit ints (ps_blas_fits).
/// Never called inside a parallel region: it makes one. OpenBLAS itself has one thread, set when a context is made, for the whole process.
void ps_blas_sgemm(const ps_context *ctx, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static inline int32_t ps_blas_fits(int64_t size) { return size <= INT32_MAX; }

#endif
