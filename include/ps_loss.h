#ifndef PS_LOSS_H
#define PS_LOSS_H
#include "ps_context.h"

/// Losses over score matrices. A pair p has one positive score, M scores against negatives shared by the batch, and a ragged
/// list of scores against hard negatives of its own (hard_offsets (P+1), hard (Zh)). Callers exclude a negative by setting its score to
/// -INFINITY. Scores are overwritten by their gradients; `losses` (P) receives each pair's loss, for the caller to sum in order.
///
/// Max-margin (Ying et al. 2018, eq. 1): loss_p = weight_shared * sum over shared n of max(0, s_n - s_p + margin)
///                                               + weight_hard * sum over hard n of max(0, s_n - s_p + margin).
/// The caller's weights make it a mean (E_n) and scale by 1/P. At the corner (argument 0) the gradient is 0.
/// Shapes: positive (P), shared (P,M), hard_offsets (P+1), hard (Zh); in place -> gradients; losses (P). hard may be null with Zh = 0.
ps_status ps_loss_max_margin_f32(const ps_context *ctx, int64_t P, int64_t M, float margin, float weight_shared, float weight_hard,
                                 float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses);

/// Sampled softmax: loss_p = -weight * log( exp(s_p/tau) / (exp(s_p/tau) + sum_n exp(s_n/tau - log_q[n]) + sum_hard exp(s_n/tau)) ).
/// log_q (M), optional: log of the expected count of each shared negative in the batch's draw (logQ correction, Bengio & Senecal 2008).
ps_status ps_loss_sampled_softmax_f32(const ps_context *ctx, int64_t P, int64_t M, float temperature, float weight, const float *log_q,
                                      float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses);

/// Binary cross-entropy of the ablation (mean-pooling-xent): loss_p = -weight * ( log sigmoid(s_p/tau) + (1/n) sum_n log sigmoid(-s_n/tau) )
/// over all n of its finite negatives, shared and hard alike.
ps_status ps_loss_cross_entropy_f32(const ps_context *ctx, int64_t P, int64_t M, float temperature, float weight,
                                    float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses);

/// out[p] = dot(a[p,:], b[p,:]).  Shapes: a, b (P,E); out (P).
ps_status ps_row_dot_f32(const ps_context *ctx, const float *a, const float *b, int64_t P, int64_t E, float *out);
/// Backward of ps_row_dot_f32: da[p,:] += dout[p] * b[p,:]; db[p,:] += dout[p] * a[p,:].
ps_status ps_row_dot_backward_f32(const ps_context *ctx, const float *a, const float *b, const float *dout, int64_t P, int64_t E,
                                  float *da, float *db);

/// Ragged dots: out[t] = dot(a[p,:], b[indices[t],:]) for t in offsets[p] ..< offsets[p+1].  Shapes: a (P,E); b (N,E); out (Z).
ps_status ps_ragged_dot_f32(const ps_context *ctx, const float *a, const float *b, const int64_t *offsets, const int32_t *indices,
                            int64_t P, int64_t N, int64_t E, float *out);
#endif
