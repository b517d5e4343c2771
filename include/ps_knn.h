#ifndef PS_KNN_H
#define PS_KNN_H
#include "ps_context.h"

/// Exact top-k by dot product. Results of a query are ordered by score descending, equal scores by lower row first; queries with
/// fewer than k rows get N results (R = min(k, N)).
/// Shapes: queries (Q,E); rows (N,E); ids (Q,R), scores (Q,R), R = min(k,N).
/// Numerics: each score is the f32 dot product of ps_knn's own kernel (fixed lane order per ISA), so results are bit-equal for any thread count and batch size.
/// NaN scores rank last.
ps_status ps_knn_topk_workspace_bytes(const ps_context *ctx, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *bytes);
ps_status ps_knn_topk_f32(const ps_context *ctx, const float *queries, const float *rows, int64_t N, int64_t E, int64_t Q, int64_t k,
                          int64_t *ids, float *scores, void *workspace, int64_t workspace_bytes);
/// The same over bf16 rows (f32 queries, f32 accumulation).
ps_status ps_knn_topk_bf16(const ps_context *ctx, const float *queries, const uint16_t *rows, int64_t N, int64_t E, int64_t Q,
                           int64_t k, int64_t *ids, float *scores, void *workspace, int64_t workspace_bytes);

/// Scores of one query against every row, or of a list of rows: out[i] = dot(query, rows[i]) (or rows[indices[i]]).
/// Shapes: query (E); rows (N,E); indices (B), optional (then B must be N); out (B).
ps_status ps_knn_scores_f32(const ps_context *ctx, const float *query, const float *rows, const int64_t *indices, int64_t N, int64_t E,
                            int64_t B, float *out);

/// For each query how many scores lie above and exactly at a threshold: the rank of a positive without a sort.
/// Shapes: scores (Q,N) with row stride; thresholds (Q); above, equal (Q).  NaN counts as neither.
ps_status ps_knn_count_above_f32(const ps_context *ctx, const float *scores, int64_t scores_stride, const float *thresholds, int64_t Q,
                                 int64_t N, int64_t *above, int64_t *equal);
/// Selection alone: top-k of given scores. Shapes: scores (Q,N) with row stride; ids, values (Q, min(k,N)). Order as in ps_knn_topk_f32.
ps_status ps_topk_select_f32(const ps_context *ctx, const float *scores, int64_t scores_stride, int64_t Q, int64_t N, int64_t k,
                             int64_t *ids, float *values);
#endif
