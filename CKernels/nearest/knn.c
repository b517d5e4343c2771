#include "ps_knn.h"
#include <math.h>
#include "../internal/ps_check.h"
#include "../internal/ps_select.h"
#include "../internal/ps_team.h"

/// Rows whose scores are computed before they are offered: for one query about as many as a memory page or more, for a batch as many
/// as stay in the second-level cache while all queries pass over them.
enum { BLOCK_BYTES = 128 * 1024, LEAST_BLOCK = 12, MOST_BLOCK = 192, QUERIES_AT_ONCE = 3 };

static int64_t block_rows(int64_t E, int64_t element_bytes) {
    int64_t rows = E > 0 ? BLOCK_BYTES / (E * element_bytes) : MOST_BLOCK;
    rows = rows / 12 * 12;  // a multiple of the tiles' 4 rows
    return rows < LEAST_BLOCK ? LEAST_BLOCK : rows > MOST_BLOCK ? MOST_BLOCK : rows;
}

/// One list of candidates per thread and query: its header, then its keys.
static int32_t candidate_bytes(int64_t k, int64_t *bytes) {
    int64_t keys;
    if (k > INT64_MAX / 4 || !ps_multiply(ps_candidate_capacity(k), 8, &keys)) return 0;
    return !__builtin_add_overflow(keys, (int64_t)sizeof(ps_candidates), bytes);
}

ps_status ps_knn_topk_workspace_bytes(const ps_context *ctx, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && Q >= 0 && k >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    int64_t results = k < N ? k : N, each, all;
    PS_REQUIRE(candidate_bytes(results, &each) && ps_multiply(each, Q, &all) && ps_multiply(all, ctx->threads, &all), PS_SIZE_OVERFLOW);
    *bytes = all;
    return PS_OK;
}

/// A search whose arguments have been checked.
typedef struct ps_search {
    const float *queries;
    const float *rows_f32;
    const uint16_t *rows_bf16;
    int32_t is_bf16;
    int64_t N, E, Q, R;
} ps_search;

/// Candidates of all queries among rows begin ..< end.
static void scan_rows(const ps_leaves *leaves, const ps_search *search, int64_t begin, int64_t end, ps_candidates *candidates) {
    float scores[QUERIES_AT_ONCE * MOST_BLOCK];
    int64_t E = search->E, step = block_rows(E, search->is_bf16 ? 2 : 4);
    for (int64_t first = begin; first < end; first += step) {
        int64_t count = first + step < end ? step : end - first;
        for (int64_t q = 0; q < search->Q; q += QUERIES_AT_ONCE) {
            int64_t at_once = q + QUERIES_AT_ONCE <= search->Q ? QUERIES_AT_ONCE : search->Q - q;
            const float *queries = search->queries + q * E;
            if (!search->is_bf16) leaves->dots_f32(queries, search->rows_f32 + first * E, at_once, count, E, scores, MOST_BLOCK);
            else leaves->dots_bf16(queries, search->rows_bf16 + first * E, at_once, count, E, scores, MOST_BLOCK);
            for (int64_t i = 0; i < at_once; i++) {
                ps_candidates_offer(&candidates[q + i], leaves, scores + i * MOST_BLOCK, count, first);
            }
        }
    }
}

static void search_rows(const ps_context *ctx, const ps_search *search, int64_t *ids, float *scores, void *workspace) {
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t N = search->N, Q = search->Q, R = search->R;
    int64_t work;
    if (!ps_multiply(N * search->E, Q, &work)) work = INT64_MAX / 2;
    int32_t threads = ps_team_size(ctx, work);
    // All headers, then all keys: headers of one thread lie together.
    ps_candidates *candidates = workspace;
    uint64_t *keys = (uint64_t *)(void *)(candidates + (int64_t)threads * Q);
    int64_t capacity = ps_candidate_capacity(R);
    for (int64_t i = 0; i < (int64_t)threads * Q; i++) {
        candidates[i] = (ps_candidates){keys + i * capacity, 0, capacity, R, 0, NAN};
    }
    // Each thread keeps candidates of its own; the k best of all rows are one definite set, whoever saw which rows.
    int32_t parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(N, part, parts, 12);
        scan_rows(leaves, search, range.begin, range.end, candidates + ps_thread() * Q);
    }
    int32_t mergers = ps_team_size(ctx, Q * R * 64);
    #pragma omp parallel for num_threads(mergers) if (mergers > 1) schedule(static)
    for (int64_t q = 0; q < Q; q++) {
        ps_candidates *merged = &candidates[q];
        for (int32_t part = 1; part < threads; part++) {
            const ps_candidates *other = &candidates[part * Q + q];
            for (int64_t i = 0; i < other->count; i++) ps_candidates_push(merged, other->keys[i]);
        }
        ps_keys_partition(merged->keys, merged->count, R);
        ps_keys_sort_descending(merged->keys, R);
        for (int64_t i = 0; i < R; i++) {
            ids[q * R + i] = ps_key_row(merged->keys[i]);
            scores[q * R + i] = ps_key_score(merged->keys[i]);
        }
    }
}

static ps_status check_topk(const ps_context *ctx, ps_extent rows, const float *queries, int64_t N, int64_t E, int64_t Q, int64_t k,
                            int64_t *ids, float *scores, void *workspace, int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && Q >= 0 && k >= 0 && workspace_bytes >= 0, PS_NEGATIVE_SIZE);
    int64_t R = k < N ? k : N, needed;
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 1};
    PS_CHECK_EXTENTS(PS_IN_ROWS(queries, Q, E, E), rows, PS_OUT_ROWS(ids, Q, R, R), PS_OUT_ROWS(scores, Q, R, R), scratch);
    PS_REQUIRE(N <= PS_MAX_SELECT_ROWS, PS_SIZE_OVERFLOW);
    PS_REQUIRE((uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    PS_TRY(ps_knn_topk_workspace_bytes(ctx, N, E, Q, k, &needed));
    if (Q == 0 || R == 0) return PS_OK;
    PS_REQUIRE(workspace != NULL, PS_NULL_POINTER);
    PS_REQUIRE(workspace_bytes >= needed, PS_WORKSPACE_TOO_SMALL);
    return PS_OK;
}

ps_status ps_knn_topk_f32(const ps_context *ctx, const float *queries, const float *rows, int64_t N, int64_t E, int64_t Q, int64_t k,
                          int64_t *ids, float *scores, void *workspace, int64_t workspace_bytes) {
    PS_TRY(check_topk(ctx, (ps_extent)PS_IN_ROWS(rows, N, E, E), queries, N, E, Q, k, ids, scores, workspace, workspace_bytes));
    int64_t R = k < N ? k : N;
    if (Q == 0 || R == 0) return PS_OK;
    search_rows(ctx, &(ps_search){queries, rows, NULL, 0, N, E, Q, R}, ids, scores, workspace);
    return PS_OK;
}

ps_status ps_knn_topk_bf16(const ps_context *ctx, const float *queries, const uint16_t *rows, int64_t N, int64_t E, int64_t Q, int64_t k,
                           int64_t *ids, float *scores, void *workspace, int64_t workspace_bytes) {
    PS_TRY(check_topk(ctx, (ps_extent)PS_IN_ROWS(rows, N, E, E), queries, N, E, Q, k, ids, scores, workspace, workspace_bytes));
    int64_t R = k < N ? k : N;
    if (Q == 0 || R == 0) return PS_OK;
    search_rows(ctx, &(ps_search){queries, NULL, rows, 1, N, E, Q, R}, ids, scores, workspace);
    return PS_OK;
}

ps_status ps_knn_scores_f32(const ps_context *ctx, const float *query, const float *rows, const int64_t *indices, int64_t N, int64_t E,
                            int64_t B, float *out) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN(query, E), PS_IN_ROWS(rows, N, E, E), PS_IN_OPTIONAL(indices, B), PS_OUT(out, B));
    if (indices) PS_TRY(ps_check_indices_i64(ctx, indices, B, N));
    PS_REQUIRE(indices || B == N, PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * E * 4);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(B, part, threads, 16);
        leaves->dots_indexed_f32(query, rows, indices, E, range.begin, range.end, out);
    }
    return PS_OK;
}

ps_status ps_knn_count_above_f32(const ps_context *ctx, const float *scores, int64_t scores_stride, const float *thresholds, int64_t Q,
                                 int64_t N, int64_t *above, int64_t *equal) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && Q >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(scores, Q, N, scores_stride), PS_IN(thresholds, Q), PS_OUT(above, Q), PS_OUT(equal, Q));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, Q * N * 4);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int64_t q = 0; q < Q; q++) leaves->count_above_f32(scores + q * scores_stride, N, thresholds[q], &above[q], &equal[q]);
    return PS_OK;
}

ps_status ps_topk_select_f32(const ps_context *ctx, const float *scores, int64_t scores_stride, int64_t Q, int64_t N, int64_t k,
                             int64_t *ids, float *values) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && Q >= 0 && k >= 0, PS_NEGATIVE_SIZE);
    int64_t R = k < N ? k : N;
    PS_CHECK_EXTENTS(PS_IN_ROWS(scores, Q, N, scores_stride), PS_OUT_ROWS(ids, Q, R, R), PS_OUT_ROWS(values, Q, R, R));
    PS_REQUIRE(N <= PS_MAX_SELECT_ROWS, PS_SIZE_OVERFLOW);
    if (Q == 0 || R == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, Q * N * 4);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int64_t q = 0; q < Q; q++) {
        uint64_t *heap = (uint64_t *)(void *)(ids + q * R);  // the ids' memory holds the keys until the end: no workspace
        ps_heap_select(heap, leaves, scores + q * scores_stride, N, R);
        for (int64_t i = 0; i < R; i++) {
            uint64_t key = heap[i];
            ids[q * R + i] = ps_key_row(key);
            values[q * R + i] = ps_key_score(key);
        }
    }
    return PS_OK;
}
