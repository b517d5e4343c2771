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

/// Prepares rows for ps_knn_topk_bounded_i8: codes[n,:] = round(rows[n,:] / scales[n]) in -127 ... 127 with scales[n] = max|rows[n,:]| / 127,
/// residuals[n] >= ||rows[n,:] - scales[n] codes[n,:]|| and norms[n] >= both ||rows[n,:]|| and ||scales[n] codes[n,:]||.
/// A row with a value that is not finite, or whose largest is outside 1e-15 ... 1e15 and not 0, gets code 0 and an infinite residual:
/// it is then always compared in f32.
/// Shapes: rows (N,E); codes (N,E); scales, residuals, norms (N).  SIZE_OVERFLOW when E > 131072 (a sum of codes must fit an int32).
ps_status ps_knn_quantize_i8(const ps_context *ctx, const float *rows, int64_t N, int64_t E, int8_t *codes, float *scales, float *residuals,
                             float *norms);

/// The result of ps_knn_topk_f32, bit for bit, from a first pass over the int8 codes: a quarter of the memory traffic.
///
/// Why it is exact. Let q = q^ + dq and x = x^ + dx, where hats are the quantised vectors. Then q.x - q^.x^ = dq.x^ + q.dx, so by Cauchy-Schwarz
///     |q.x - q^.x^| <= ||dq|| ||x^|| + ||q|| ||dx||,
/// and the f32 kernel's own score s differs from q.x by at most g ||q|| ||x||, g = (E+8) 2^-24 / (1 - (E+8) 2^-24), plus (E+8) denormal
/// steps. The sum of codes is an exact int32, so each row has computed bounds L <= s <= U (widened by 2^-20 for their own rounding). At
/// least k rows have L >= t, the k-th largest L; hence the k-th best s is >= t, and a row with U < t cannot be among the k best, nor tie with
/// them. All others are scored again by the f32 kernel and selected in its order.
/// Shapes: as in ps_knn_topk_f32; codes, scales, residuals, norms from ps_knn_quantize_i8 over the same rows; rescored (Q), optional: how many rows
/// were scored again, which on more than one thread depends on who was first.
/// Cost: the share of rows that must be scored again depends on the data: 0.1 % of 1M uniform directions in 256 dimensions for k = 100.
ps_status ps_knn_topk_bounded_workspace_bytes(const ps_context *ctx, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *bytes);
ps_status ps_knn_topk_bounded_i8(const ps_context *ctx, const float *queries, const float *rows, const int8_t *codes, const float *scales,
                                 const float *residuals, const float *norms, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *ids,
                                 float *scores, int64_t *rescored, void *workspace, int64_t workspace_bytes);

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
