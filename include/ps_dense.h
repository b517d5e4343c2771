#ifndef PS_DENSE_H
#define PS_DENSE_H
#include "ps_context.h"

typedef enum ps_activation { PS_ACTIVATION_NONE = 0, PS_ACTIVATION_RELU = 1 } ps_activation;

/// y = act(x1 W1' + x2 W2' + bias), where weight = [W1 | W2] is one (E, D1+D2) matrix: the concatenation [x1 ; x2] is never formed.
/// Source: Ying et al. 2018, Algorithm 1 (lines 1 and 2) and the dense head.
/// Shapes: x1 (B,D1), x2 (B,D2) with row strides; x2 is optional (null with D2 = 0); weight (E, D1+D2); bias (E), optional; y (B,E).
ps_status ps_dense_forward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                               const float *weight, const float *bias, int64_t B, int64_t D1, int64_t D2, int64_t E,
                               ps_activation activation, float *y);

/// Gradients of ps_dense_forward_f32. First dy is multiplied in place by the ReLU mask (y > 0) when activation is RELU, then
///   dweight = beta_weight * dweight + dy' [x1 | x2];  dbias likewise with the column sums of dy;
///   dx1 = dy W1 (+ dx1 when accumulate_dx1);  dx2 = dy W2.
/// Every output pointer is optional (null skips its product): fixed features need no dx1.
/// Shapes: as in forward; dy, y (B,E); dweight (E,D1+D2); dbias (E); dx1 (B,D1) and dx2 (B,D2) with row strides.
/// Options: accumulate_weight 0 overwrites dweight and dbias, 1 adds to them; accumulate_dx1 likewise for dx1.
ps_status ps_dense_backward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                                const float *weight, const float *y, int64_t B, int64_t D1, int64_t D2, int64_t E,
                                ps_activation activation, int32_t accumulate_weight, int32_t accumulate_dx1, float *dy,
                                float *dweight, float *dbias, float *dx1, int64_t dx1_stride, float *dx2, int64_t dx2_stride);

/// y = act(x weight' + bias) on bf16 inputs: products of bf16, accumulated in f32, by the processor's bf16 dot products where it has them
/// (ps_context_description says so), else by widening, which is slower than the f32 layer and saves memory alone.
/// Shapes: x (B,D) with row stride; weight (E,D); bias (E), optional; y (B,E).
/// Numerics: bit-equal for any thread count. The dot-product instruction adds pairs without an intermediate rounding and takes denormals as 0.
ps_status ps_dense_forward_bf16(const ps_context *ctx, const uint16_t *x, int64_t x_stride, const uint16_t *weight, const float *bias,
                                int64_t B, int64_t D, int64_t E, ps_activation activation, float *y);

/// ps_dense_forward_f32 without BLAS, on weights packed once: ps_dense_pack_f32 of weight (E,D) writes ps_dense_packed_count(D, E) floats in an order
/// that belongs to the context's instruction set. For passes that use the same weights on very many rows.
/// Numerics: the bits of a row of y depend on that row of x, the weight and the instruction set alone: not on B, the row's place among the
/// others, the number of threads, nor (for a column) on E. BLAS promises none of these. Sums of 512 products, in order, are added in order.
/// Shapes: as ps_dense_forward_f32; packed is that of (E, D1+D2).
ps_status ps_dense_packed_count(const ps_context *ctx, int64_t D, int64_t E, int64_t *count);
ps_status ps_dense_pack_f32(const ps_context *ctx, const float *weight, int64_t D, int64_t E, float *packed);
ps_status ps_dense_packed_forward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                                      const float *packed, const float *bias, int64_t B, int64_t D1, int64_t D2, int64_t E,
                                      ps_activation activation, float *y);

/// Plain product C = alpha op(A) op(B) + beta C, row-major. transpose_a / transpose_b: 0 or 1.
/// Shapes: op(A) (m,k), op(B) (k,n), C (m,n), with row strides.
ps_status ps_matmul_f32(const ps_context *ctx, const float *a, int64_t a_stride, int32_t transpose_a, const float *b,
                        int64_t b_stride, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, float beta,
                        float *c, int64_t c_stride);
#endif
