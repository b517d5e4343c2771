#ifndef PS_TABLE_H
#define PS_TABLE_H
#include <stdint.h>

/// What turns a query's sum of codes with row i into bounds of its f32 score: s = scale * scales[i] * dot, and
/// s -+ (norm * (residuals[i] + rounding * norms[i]) + residual * norms[i] + smallest), widened for the bounds' own rounding.
typedef struct ps_bounds {
    const float *scales, *residuals, *norms;  ///< of the rows that the dots belong to
    float scale, residual, norm;              ///< of the query
    float rounding, smallest;                 ///< relative and absolute error of the f32 kernel
    float most_residual, most_norm;           ///< the largest of these rows
} ps_bounds;

/// The leaves of one instruction set: pure loops on one thread, without OpenMP, BLAS or validation (the drivers did that).
///
/// Ranges are half open, `begin ..< end`, and name rows or flat elements of the whole arrays that the pointers start at. A leaf's result
/// for a row or element never depends on where a range was cut, which makes the drivers' results equal for any thread count.
typedef struct ps_leaves {
    int32_t has_bf16_dot;  ///< 1 when bf16 products use the processor's own dot products
    int32_t has_i8_dot;    ///< 1 when int8 products do

    // gather: leaf/body/gather.h
    void (*gather_f32_i64)(const float *table, int64_t table_stride, const int64_t *indices, int64_t D, int64_t begin, int64_t end,
                           float *out, int64_t out_stride, int32_t stream);
    void (*gather_f16_i64)(const uint16_t *table, int64_t table_stride, const int64_t *indices, int64_t D, int64_t begin, int64_t end,
                           float *out, int64_t out_stride, int32_t stream);
    void (*gather_bf16_i64)(const uint16_t *table, int64_t table_stride, const int64_t *indices, int64_t D, int64_t begin, int64_t end,
                            float *out, int64_t out_stride, int32_t stream);
    void (*gather_f32_i32)(const float *table, int64_t table_stride, const int32_t *indices, int64_t D, int64_t begin, int64_t end,
                           float *out, int64_t out_stride, int32_t stream);
    void (*gather_f16_i32)(const uint16_t *table, int64_t table_stride, const int32_t *indices, int64_t D, int64_t begin, int64_t end,
                           float *out, int64_t out_stride, int32_t stream);
    void (*gather_bf16_i32)(const uint16_t *table, int64_t table_stride, const int32_t *indices, int64_t D, int64_t begin, int64_t end,
                            float *out, int64_t out_stride, int32_t stream);
    /// Adds the rows whose index belongs to `owner` of `owners`, in order of b.
    void (*scatter_add_f32)(const float *rows, const int64_t *indices, int64_t D, int64_t B, int32_t owner, int32_t owners, float *table);
    void (*convert_f32_to_bf16)(const float *values, int64_t begin, int64_t end, uint16_t *out);
    void (*convert_bf16_to_f32)(const uint16_t *values, int64_t begin, int64_t end, float *out);
    void (*convert_f32_to_f16)(const float *values, int64_t begin, int64_t end, uint16_t *out);
    void (*convert_f16_to_f32)(const uint16_t *values, int64_t begin, int64_t end, float *out);

    // dense: leaf/body/dense/dense.h
    /// y[b,:] = act(y[b,:] + bias) for rows in the range, `y_stride` apart; bias may be null.
    void (*bias_activation_f32)(const float *bias, int64_t E, int64_t begin, int64_t end, int32_t relu, float *y, int64_t y_stride);
    /// Columns `begin ..< end` of dy: masked by y > 0 when y is not null, and summed into sums (+= when accumulate) when that is not null.
    void (*mask_column_sums_f32)(const float *y, int64_t B, int64_t E, int64_t begin, int64_t end, int32_t accumulate, float *dy,
                                 float *sums);
    /// y[b,e] = dot(x[b,:], weight[e,:]) for rows of x in the range: leaf/body/dense/dense_bf16.h
    void (*dense_bf16)(const uint16_t *x, int64_t x_stride, const uint16_t *weight, int64_t D, int64_t E, int64_t begin, int64_t end, float *y);
    /// Weights in panels of pack_columns outputs, and rows times panels: leaf/body/dense/dense_packed.h
    int64_t pack_columns;
    void (*dense_pack_f32)(const float *weight, int64_t D, int64_t E, float *packed);
    void (*dense_packed_f32)(const float *x, int64_t x_stride, const float *packed, int64_t panel_stride, int64_t D, int64_t E, int64_t begin,
                             int64_t end, int32_t add, float *y);

    // pool: leaf/body/pool.h
    void (*pool_weighted_f32)(const float *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                              int64_t begin, int64_t end, float *out);
    void (*pool_weighted_bf16)(const uint16_t *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                               int64_t begin, int64_t end, float *out);
    void (*pool_weighted_backward_f32)(const float *dout, const float *alpha, const int64_t *t_offsets, const int32_t *t_rows,
                                       const int64_t *t_slots, int64_t H, int64_t begin, int64_t end, int32_t accumulate, float *dh);
    void (*pool_alpha_f32)(const float *dout, const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t H,
                           int64_t begin, int64_t end, float *dalpha);
    void (*pool_max_f32)(const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t H, int64_t begin, int64_t end,
                         float *out, int32_t *argmax);
    void (*pool_max_backward_f32)(const float *dout, const int32_t *argmax, const int64_t *t_offsets, const int32_t *t_rows,
                                  const int64_t *t_slots, int64_t H, int64_t begin, int64_t end, int32_t accumulate, float *dh);

    // norm: leaf/body/dense/norm.h
    void (*norm_l2_f32)(const float *x, int64_t x_stride, int64_t E, int64_t begin, int64_t end, float *y, int64_t y_stride, float *norms);
    void (*norm_l2_backward_f32)(const float *y, const float *dy, const float *norms, int64_t E, int64_t begin, int64_t end, float *dx);

    // loss: leaf/body/dense/loss.h
    void (*max_margin_f32)(int64_t M, float margin, float weight_shared, float weight_hard, int64_t begin, int64_t end, float *positive,
                           float *shared, const int64_t *hard_offsets, float *hard, float *losses);
    void (*sampled_softmax_f32)(int64_t M, float temperature, float weight, const float *log_q, int64_t begin, int64_t end,
                                float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses);
    void (*cross_entropy_f32)(int64_t M, float temperature, float weight, int64_t begin, int64_t end, float *positive, float *shared,
                              const int64_t *hard_offsets, float *hard, float *losses);
    void (*row_dot_f32)(const float *a, const float *b, int64_t E, int64_t begin, int64_t end, float *out);
    void (*row_dot_backward_f32)(const float *a, const float *b, const float *dout, int64_t E, int64_t begin, int64_t end, float *da,
                                 float *db);
    void (*ragged_dot_f32)(const float *a, const float *b, const int64_t *offsets, const int32_t *indices, int64_t E, int64_t begin,
                           int64_t end, float *out);

    // optim: leaf/body/optim.h
    void (*sgd_f32)(const float *gradient, int64_t begin, int64_t end, float learning_rate, float momentum, float weight_decay, float *w,
                    float *velocity);
    /// correction1 = 1/(1-beta1^step), correction2 = 1/(1-beta2^step)
    void (*adam_f32)(const float *gradient, int64_t begin, int64_t end, float correction1, float correction2, float learning_rate,
                     float beta1, float beta2, float epsilon, float weight_decay, float *w, float *m, float *v);
    void (*adagrad_f32)(const float *gradient, int64_t begin, int64_t end, float learning_rate, float epsilon, float weight_decay,
                        float *w, float *v);
    double (*sum_squares_f32)(const float *x, int64_t begin, int64_t end);
    void (*scale_f32)(float factor, int64_t begin, int64_t end, float *x);

    // knn: leaf/body/nearest/knn.h
    /// scores[q * scores_stride + r] = dot(queries[q,:], rows[r,:]).
    void (*dots_f32)(const float *queries, const float *rows, int64_t Q, int64_t R, int64_t E, float *scores, int64_t scores_stride);
    void (*dots_bf16)(const float *queries, const uint16_t *rows, int64_t Q, int64_t R, int64_t E, float *scores, int64_t scores_stride);
    /// out[i] = dot(query, rows[indices[i],:]), i in the range; indices null means i itself.
    void (*dots_indexed_f32)(const float *query, const float *rows, const int64_t *indices, int64_t E, int64_t begin, int64_t end,
                             float *out);
    /// The first position in begin ..< end with scores[i] >= threshold, or end.
    int64_t (*find_at_least_f32)(const float *scores, int64_t begin, int64_t end, float threshold);
    void (*count_above_f32)(const float *scores, int64_t N, float threshold, int64_t *above, int64_t *equal);

    // knn, first pass: leaf/body/nearest/quantized.h
    void (*quantize_i8)(const float *rows, int64_t E, int64_t begin, int64_t end, int8_t *codes, float *scales, float *residuals, float *norms);
    /// dots[q * stride + r] = sum over e of queries[q,e] * rows[r,e], exact.
    void (*dots_i8)(const int8_t *queries, const int8_t *rows, int64_t Q, int64_t R, int64_t E, int32_t *dots, int64_t stride);
    /// The first position in begin ..< end whose upper bound is not below the threshold, or end; its bounds go to *lower and *upper.
    int64_t (*find_bounded)(const ps_bounds *bounds, const int32_t *dots, int64_t begin, int64_t end, float threshold, float *lower,
                            float *upper);

    // hnsw: leaf/body/nearest/hnsw.h and the dots_i8 files
    /// out[i] = dot(query, rows[ids[i],:]) for i in 0 ..< count; f32 and bf16 in the order of dots_f32, int8 exact.
    void (*dots_rows_f32)(const float *query, const float *rows, const uint32_t *ids, int64_t count, int64_t E, float *out);
    void (*dots_rows_bf16)(const float *query, const uint16_t *rows, const uint32_t *ids, int64_t count, int64_t E, float *out);
    void (*dots_rows_i8)(const int8_t *query, const int8_t *rows, const uint32_t *ids, int64_t count, int64_t E, int32_t *dots);

    // lsh: leaf/body/nearest/lsh.h
    /// The first position in begin ..< end with values[i] >= threshold, or end.
    int64_t (*find_at_least_u16)(const uint16_t *values, int64_t begin, int64_t end, uint16_t threshold);

    // probe: leaf/body/probe.h
    double (*probe_read_f32)(const float *x, int64_t begin, int64_t end);
    void (*probe_copy_f32)(const float *x, int64_t begin, int64_t end, float *y);
    double (*probe_rows_f32)(const float *table, const int64_t *indices, int64_t D, int64_t begin, int64_t end, int64_t ahead);
    double (*probe_multiply_f32)(int64_t rounds);
    int64_t probe_flops_per_round;
} ps_leaves;

extern const ps_leaves ps_leaves_scalar;
#if defined(__x86_64__)
extern const ps_leaves ps_leaves_avx2;
extern const ps_leaves ps_leaves_avx512;
extern const ps_leaves ps_leaves_avx512_vnni;  ///< AVX-512 with VNNI
extern const ps_leaves ps_leaves_avx512_dot;   ///< AVX-512 with VNNI and BF16
#elif defined(__aarch64__)
extern const ps_leaves ps_leaves_neon;
#endif

#endif
