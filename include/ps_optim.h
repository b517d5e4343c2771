#ifndef PS_OPTIM_H
#define PS_OPTIM_H
#include "ps_context.h"

/// One step of stochastic gradient descent with momentum over a flat array:
///   g = gradient + weight_decay * w;  m = momentum * m + g;  w -= learning_rate * m.   Shapes: all (count). velocity optional when momentum is 0.
ps_status ps_optim_sgd_f32(const ps_context *ctx, const float *gradient, int64_t count, float learning_rate, float momentum,
                           float weight_decay, float *w, float *velocity);
/// One step of Adam (Kingma & Ba 2015, Algorithm 1) with decoupled weight decay (Loshchilov & Hutter 2019); step counts from 1.
///   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr * ( m/(1-b1^step) / (sqrt(v/(1-b2^step)) + epsilon) + weight_decay * w )
ps_status ps_optim_adam_f32(const ps_context *ctx, const float *gradient, int64_t count, int64_t step, float learning_rate, float beta1,
                            float beta2, float epsilon, float weight_decay, float *w, float *m, float *v);
/// Adagrad (Duchi et al. 2011): g = gradient + weight_decay * w;  v += g^2;  w -= learning_rate * g / (sqrt(v) + epsilon).
ps_status ps_optim_adagrad_f32(const ps_context *ctx, const float *gradient, int64_t count, float learning_rate, float epsilon,
                               float weight_decay, float *w, float *v);
/// Adam on the named rows of a table only (id features). rows (B) distinct, ascending; gradient (B,D); w, m, v (N,D).
/// Moments of untouched rows do not decay ("lazy" Adam).
ps_status ps_optim_adam_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                 int64_t step, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay,
                                 float *w, float *m, float *v);
/// SGD and Adagrad on the named rows of a table only: rows (B) distinct, ascending; gradient (B,D); w, velocity, v (N,D). Untouched rows keep
/// their momentum and are not decayed. velocity optional when momentum is 0.
ps_status ps_optim_sgd_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                float learning_rate, float momentum, float weight_decay, float *w, float *velocity);
ps_status ps_optim_adagrad_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                    float learning_rate, float epsilon, float weight_decay, float *w, float *v);
/// sum of squares in a fixed order (Double accumulation per 4096-element block, blocks in order): for gradient clipping.
ps_status ps_sum_squares_f32(const ps_context *ctx, const float *x, int64_t count, double *out);
/// x *= factor
ps_status ps_scale_f32(const ps_context *ctx, float factor, int64_t count, float *x);
#endif
