#ifndef PS_PROBE_H
#define PS_PROBE_H
#include "ps_context.h"

/// What the machine itself can do: loops that only read, copy or multiply, against which `bench` and `doctor` measure the kernels.
/// `out` receives a sum that depends on every element, so that no loop can be dropped; its value means nothing else.

/// Reads `count` floats in order.
ps_status ps_probe_read_f32(const ps_context *ctx, const float *x, int64_t count, double *out);
/// Copies `count` floats, past the caches where both pointers are aligned to a vector.
ps_status ps_probe_copy_f32(const ps_context *ctx, const float *x, int64_t count, float *y);
/// Reads rows by index, four side by side, asking for each row `4 * ahead` rows before its turn. Shapes: table (N,D); indices (B), below N.
ps_status ps_probe_rows_f32(const ps_context *ctx, const float *table, const int64_t *indices, int64_t N, int64_t D, int64_t B, int64_t ahead,
                            double *out);
/// A bare product C = A B' by BLAS on its own threads, ctx->threads of them: what ps_dense and ps_matmul, which cut the product themselves, are
/// measured against. Sets BLAS's threads for the whole process and sets them back to 1, so nothing else may use BLAS meanwhile.
/// Shapes: a (m,k), b (n,k), c (m,n), contiguous.  SIZE_OVERFLOW where a size exceeds BLAS's 32-bit integers.
ps_status ps_probe_sgemm_f32(const ps_context *ctx, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float *c);
/// Multiplies and adds in registers alone, `rounds` times per thread; *flops receives how many operations that were in all.
ps_status ps_probe_multiply_f32(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out);
/// The same with bf16 and with int8 products, by the kernels' own tiles on operands that stay in the first-level cache.
ps_status ps_probe_multiply_bf16(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out);
ps_status ps_probe_multiply_i8(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out);
#endif
