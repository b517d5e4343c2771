#ifndef PS_POOL_H
#define PS_POOL_H
#include "ps_context.h"

/// Pools ragged neighbor lists with importance weights: out[b,:] = sum over t of alpha[t] * h[neighbors[t],:], t in offsets[b] ..< offsets[b+1].
/// Source: Ying et al. 2018, Algorithm 1 line 1, section 3.2 (importance pooling). An empty list pools to 0. Weights are used as
/// given (the sampler normalises them), so this is also a sparse-times-dense product, and with alpha = 1/T mean pooling.
/// Shapes: h (N,H); offsets (B+1), offsets[0] = 0; neighbors (Z), alpha (Z); out (B,H). Z = offsets[B].
/// Numerics: fp32, summed in t order, so bit-equal for any thread count.
ps_status ps_pool_weighted_forward_f32(const ps_context *ctx, const float *h, const int64_t *offsets, const int32_t *neighbors,
                                       const float *alpha, int64_t N, int64_t H, int64_t B, float *out);
/// The same from a bfloat16 table, accumulated in f32.
ps_status ps_pool_weighted_forward_bf16(const ps_context *ctx, const uint16_t *h, const int64_t *offsets, const int32_t *neighbors,
                                        const float *alpha, int64_t N, int64_t H, int64_t B, float *out);

/// Turns ragged lists around: for each table row n, which (batch row, slot) name it, in ascending slot order.
/// Shapes: offsets (B+1), neighbors (Z); t_offsets (N+1), t_rows (Z) batch row, t_slots (Z) index into neighbors/alpha. Serial, O(Z + N).
ps_status ps_pool_transpose(const int64_t *offsets, const int32_t *neighbors, int64_t N, int64_t B, int64_t *t_offsets,
                            int32_t *t_rows, int64_t *t_slots);

/// Gradient to the vectors: dh[n,:] = (accumulate ? dh : 0) + sum over its slots of alpha[slot] * dout[row,:]; deterministic (transposed index).
/// Shapes: dout (B,H); alpha (Z); t_* from ps_pool_transpose; dh (N,H).
ps_status ps_pool_weighted_backward_f32(const ps_context *ctx, const float *dout, const float *alpha, const int64_t *t_offsets,
                                        const int32_t *t_rows, const int64_t *t_slots, int64_t N, int64_t H, int64_t B,
                                        int32_t accumulate, float *dh);
/// Gradient to the weights: dalpha[t] = dot(dout[b,:], h[neighbors[t],:]).
ps_status ps_pool_weighted_backward_alpha_f32(const ps_context *ctx, const float *dout, const float *h, const int64_t *offsets,
                                              const int32_t *neighbors, int64_t N, int64_t H, int64_t B, float *dalpha);

/// Element-wise maximum; argmax (B,H) holds the winning slot t, -1 for an empty list (which pools to 0); ties to the lower slot.
/// A NaN is above every number: the first one of a list wins its element, so that training sees it.
ps_status ps_pool_max_forward_f32(const ps_context *ctx, const float *h, const int64_t *offsets, const int32_t *neighbors,
                                  int64_t N, int64_t H, int64_t B, float *out, int32_t *argmax);
/// dh[n,j] = (accumulate ? dh : 0) + sum of dout[b,j] over slots of n that won element j; deterministic.
ps_status ps_pool_max_backward_f32(const ps_context *ctx, const float *dout, const int32_t *argmax, const int64_t *t_offsets,
                                   const int32_t *t_rows, const int64_t *t_slots, int64_t N, int64_t H, int64_t B,
                                   int32_t accumulate, float *dh);
#endif
