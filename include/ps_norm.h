#ifndef PS_NORM_H
#define PS_NORM_H
#include "ps_context.h"

/// Row L2 normalisation: y[b,:] = x[b,:] / ||x[b,:]||; a row of zeros stays zeros (norm 0). y may be x itself.
/// Source: Algorithm 1 line 3. Shapes: x, y (B,E) with row strides; norms (B), optional in forward.
ps_status ps_norm_l2_forward_f32(const ps_context *ctx, const float *x, int64_t x_stride, int64_t B, int64_t E, float *y,
                                 int64_t y_stride, float *norms);
/// dx = (dy - y (y . dy)) / norm, 0 where norm is 0. dx may be dy itself. Shapes: y, dy, dx (B,E) contiguous; norms (B).
ps_status ps_norm_l2_backward_f32(const ps_context *ctx, const float *y, const float *dy, const float *norms, int64_t B, int64_t E,
                                  float *dx);
#endif
