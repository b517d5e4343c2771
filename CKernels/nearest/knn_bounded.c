#include <math.h>
#include "ps_knn.h"
#include "../internal/ps_check.h"
#include "../internal/ps_select.h"
#include "../internal/ps_team.h"

enum { BLOCK_BYTES = 64 * 1024, LEAST_BLOCK = 12, MOST_BLOCK = 252, QUERIES_AT_ONCE = 3, MOST_WIDTH = 131072 };

static int64_t block_rows(int64_t E) {
    int64_t rows = E > 0 ? BLOCK_BYTES / E / 12 * 12 : MOST_BLOCK;
    return rows < LEAST_BLOCK ? LEAST_BLOCK : rows > MOST_BLOCK ? MOST_BLOCK : rows;
}

/// One query's open rows on one thread.
typedef struct ps_open_rows {
    ps_candidates lower;  ///< the k greatest lower bounds
    ps_candidates exact;  ///< the k best f32 scores among rows that were scored already because `list` was full
    uint64_t *list;       ///< rows that may be among the k best, as keys of their upper bounds
    int64_t count;
    int64_t scored;       ///< how many were scored by the f32 kernel
} ps_open_rows;

/// Room for the open rows of one query on one thread: about twice what 1M uniform directions need.
static int64_t list_capacity(int64_t k) { return 2048 + 4 * k; }

/// A query's codes and its side of the bounds.
typedef struct ps_coded_query {
    float scale, residual, norm;
} ps_coded_query;

typedef struct ps_layout {
    int64_t open, keys, queries, codes, total;
} ps_layout;

static int32_t workspace_layout(const ps_context *ctx, int64_t N, int64_t E, int64_t Q, int64_t k, ps_layout *layout) {
    int64_t R = k < N ? k : N, each, lists, keys;
    if (R > INT64_MAX / 64 || !ps_multiply(ctx->threads, Q, &lists)) return 0;
    each = 2 * ps_candidate_capacity(R) + list_capacity(R);
    if (!ps_multiply(lists, each, &keys) || !ps_multiply(keys, 8, &keys)) return 0;
    if (!ps_multiply(lists, sizeof(ps_open_rows), &layout->open)) return 0;
    layout->keys = keys;
    if (!ps_multiply(Q, (int64_t)sizeof(ps_coded_query), &layout->queries) || !ps_multiply(Q, E, &layout->codes)) return 0;
    layout->queries = (layout->queries + 7) / 8 * 8;
    int64_t total = layout->open;
    if (__builtin_add_overflow(total, layout->keys, &total) || __builtin_add_overflow(total, layout->queries, &total)) return 0;
    if (__builtin_add_overflow(total, layout->codes, &total)) return 0;
    // The plain search steps in for queries that cannot be quantised, so its workspace must fit as well.
    int64_t plain;
    if (ps_knn_topk_workspace_bytes(ctx, N, E, Q, k, &plain) != PS_OK) return 0;
    layout->total = total > plain ? total : plain;
    return 1;
}

ps_status ps_knn_topk_bounded_workspace_bytes(const ps_context *ctx, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && Q >= 0 && k >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    ps_layout layout;
    PS_REQUIRE(workspace_layout(ctx, N, E, Q, k, &layout), PS_SIZE_OVERFLOW);
    *bytes = layout.total;
    return PS_OK;
}

ps_status ps_knn_quantize_i8(const ps_context *ctx, const float *rows, int64_t N, int64_t E, int8_t *codes, float *scales, float *residuals,
                             float *norms) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(rows, N, E, E), PS_OUT_ROWS(codes, N, E, E), PS_OUT(scales, N), PS_OUT(residuals, N), PS_OUT(norms, N));
    PS_REQUIRE(E <= MOST_WIDTH, PS_SIZE_OVERFLOW);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, N * E * 8);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(N, part, threads, 64);
        leaves->quantize_i8(rows, E, range.begin, range.end, codes, scales, residuals, norms);
    }
    return PS_OK;
}

typedef struct ps_bounded_search {
    const float *queries, *rows, *scales, *residuals, *norms;
    const int8_t *codes, *query_codes;
    const ps_coded_query *coded;
    int64_t N, E, Q, R;
    float rounding, smallest;
} ps_bounded_search;

/// Below this no upper bound can matter: the k-th best lower bound or f32 score so far. -infinity until k are known.
static float open_threshold(const ps_open_rows *open) {
    float lower = open->lower.threshold_score, exact = open->exact.threshold_score;
    float best = -INFINITY;
    if (lower > best) best = lower;  // false for NaN
    if (exact > best) best = exact;
    return best;
}

/// Drops rows whose upper bound has fallen behind.
static void prune(ps_open_rows *open) {
    float threshold = open_threshold(open);
    int64_t kept = 0;
    for (int64_t i = 0; i < open->count; i++) {
        if (!(ps_key_score(open->list[i]) < threshold)) open->list[kept++] = open->list[i];
    }
    open->count = kept;
}

/// Scores what is still open with the f32 kernel.
static void score_open(const ps_leaves *leaves, const ps_bounded_search *search, int64_t q, ps_open_rows *open) {
    const float *query = search->queries + q * search->E;
    for (int64_t i = 0; i < open->count; i++) {
        int64_t row = ps_key_row(open->list[i]);
        if (i + 8 < open->count) {
            const char *ahead = (const char *)(search->rows + ps_key_row(open->list[i + 8]) * search->E);
            for (int64_t byte = 0; byte < search->E * 4; byte += 64) __builtin_prefetch(ahead + byte);
        }
        float score;
        leaves->dots_indexed_f32(query, search->rows, &row, search->E, 0, 1, &score);
        ps_candidates_push(&open->exact, ps_key(score, row));
    }
    open->scored += open->count;
    open->count = 0;
}

static void offer_bounds(const ps_leaves *leaves, const ps_bounded_search *search, int64_t q, const int32_t *dots, int64_t first,
                         int64_t count, ps_bounds bounds, ps_open_rows *open) {
    const ps_coded_query *coded = &search->coded[q];
    bounds.scale = coded->scale;
    bounds.residual = coded->residual;
    bounds.norm = coded->norm;
    for (int64_t i = 0; i < count; i++) {
        float lower = 0, upper = 0;
        i = leaves->find_bounded(&bounds, dots, i, count, open_threshold(open), &lower, &upper);
        if (i == count) return;
        if (open->count == list_capacity(search->R)) {
            prune(open);
            // Mostly still open: the bounds do not separate these rows, so settle them now.
            if (open->count > list_capacity(search->R) * 3 / 4) score_open(leaves, search, q, open);
        }
        open->list[open->count++] = ps_key(upper, first + i);
        ps_candidates_push(&open->lower, ps_key(lower, first + i));
    }
}

static void scan_codes(const ps_leaves *leaves, const ps_bounded_search *search, int64_t begin, int64_t end, ps_open_rows *open) {
    int32_t dots[QUERIES_AT_ONCE * MOST_BLOCK];
    int64_t E = search->E, step = block_rows(E);
    for (int64_t first = begin; first < end; first += step) {
        int64_t count = first + step < end ? step : end - first;
        ps_bounds bounds = {.scales = search->scales + first, .residuals = search->residuals + first, .norms = search->norms + first,
                            .rounding = search->rounding, .smallest = search->smallest};
        for (int64_t i = 0; i < count; i++) {
            if (bounds.residuals[i] > bounds.most_residual) bounds.most_residual = bounds.residuals[i];
            if (bounds.norms[i] > bounds.most_norm) bounds.most_norm = bounds.norms[i];
        }
        for (int64_t q = 0; q < search->Q; q += QUERIES_AT_ONCE) {
            int64_t at_once = q + QUERIES_AT_ONCE <= search->Q ? QUERIES_AT_ONCE : search->Q - q;
            leaves->dots_i8(search->query_codes + q * E, search->codes + first * E, at_once, count, E, dots, MOST_BLOCK);
            for (int64_t i = 0; i < at_once; i++) {
                offer_bounds(leaves, search, q + i, dots + i * MOST_BLOCK, first, count, bounds, &open[q + i]);
            }
        }
    }
}

/// Joins the threads' open rows of one query, scores them and writes the result.
static void finish_query(const ps_leaves *leaves, const ps_bounded_search *search, int64_t q, int32_t threads, ps_open_rows *open,
                         int64_t *ids, float *scores, int64_t *rescored) {
    ps_open_rows *joined = &open[q];
    int64_t scored = 0;
    for (int32_t part = 1; part < threads; part++) {
        ps_open_rows *other = &open[part * search->Q + q];
        for (int64_t i = 0; i < other->lower.count; i++) ps_candidates_push(&joined->lower, other->lower.keys[i]);
        for (int64_t i = 0; i < other->exact.count; i++) ps_candidates_push(&joined->exact, other->exact.keys[i]);
    }
    for (int32_t part = 0; part < threads; part++) {
        ps_open_rows *other = &open[part * search->Q + q];
        float threshold = open_threshold(joined);
        ps_open_rows view = {joined->lower, joined->exact, other->list, 0, other->scored};
        for (int64_t i = 0; i < other->count; i++) {
            if (!(ps_key_score(other->list[i]) < threshold)) other->list[view.count++] = other->list[i];
        }
        score_open(leaves, search, q, &view);
        joined->exact = view.exact;
        scored += view.scored;
    }
    if (rescored) rescored[q] = scored;
    ps_candidates *best = &joined->exact;
    ps_keys_partition(best->keys, best->count, search->R);
    ps_keys_sort_descending(best->keys, search->R);
    for (int64_t i = 0; i < search->R; i++) {
        ids[q * search->R + i] = ps_key_row(best->keys[i]);
        scores[q * search->R + i] = ps_key_score(best->keys[i]);
    }
}

ps_status ps_knn_topk_bounded_i8(const ps_context *ctx, const float *queries, const float *rows, const int8_t *codes, const float *scales,
                                 const float *residuals, const float *norms, int64_t N, int64_t E, int64_t Q, int64_t k, int64_t *ids,
                                 float *scores, int64_t *rescored, void *workspace, int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && Q >= 0 && k >= 0 && workspace_bytes >= 0, PS_NEGATIVE_SIZE);
    int64_t R = k < N ? k : N;
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 1};
    PS_CHECK_EXTENTS(PS_IN_ROWS(queries, Q, E, E), PS_IN_ROWS(rows, N, E, E), PS_IN_ROWS(codes, N, E, E), PS_IN(scales, N),
                     PS_IN(residuals, N), PS_IN(norms, N), PS_OUT_ROWS(ids, Q, R, R), PS_OUT_ROWS(scores, Q, R, R),
                     PS_OUT_OPTIONAL(rescored, Q), scratch);
    PS_REQUIRE(N <= PS_MAX_SELECT_ROWS && E <= MOST_WIDTH, PS_SIZE_OVERFLOW);
    PS_REQUIRE((uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    ps_layout layout;
    PS_REQUIRE(workspace_layout(ctx, N, E, Q, k, &layout), PS_SIZE_OVERFLOW);
    if (Q == 0 || R == 0) return PS_OK;
    PS_REQUIRE(workspace != NULL, PS_NULL_POINTER);
    PS_REQUIRE(workspace_bytes >= layout.total, PS_WORKSPACE_TOO_SMALL);

    const ps_leaves *leaves = ps_leaves_of(ctx);
    char *base = workspace;
    ps_open_rows *open = workspace;
    uint64_t *keys = (uint64_t *)(void *)(base + layout.open);
    ps_coded_query *coded = (ps_coded_query *)(void *)(base + layout.open + layout.keys);
    int8_t *query_codes = (int8_t *)(base + layout.open + layout.keys + layout.queries);
    int32_t quantised = 1;
    for (int64_t q = 0; q < Q; q++) {
        leaves->quantize_i8(queries + q * E, E, 0, 1, query_codes + q * E, &coded[q].scale, &coded[q].residual, &coded[q].norm);
        quantised &= coded[q].residual < INFINITY;
    }
    if (!quantised) {
        for (int64_t q = 0; rescored && q < Q; q++) rescored[q] = N;
        return ps_knn_topk_f32(ctx, queries, rows, N, E, Q, k, ids, scores, workspace, workspace_bytes);
    }

    int64_t work;
    if (!ps_multiply(N * E, Q, &work)) work = INT64_MAX / 2;
    int32_t threads = ps_team_size(ctx, work / 4);
    int64_t capacity = ps_candidate_capacity(R);
    for (int64_t i = 0; i < (int64_t)threads * Q; i++) {
        uint64_t *own = keys + i * (2 * capacity + list_capacity(R));
        open[i] = (ps_open_rows){{own, 0, capacity, R, 0, NAN}, {own + capacity, 0, capacity, R, 0, NAN}, own + 2 * capacity, 0, 0};
    }
    double unit = (double)(E + 8) * 0x1p-24;
    ps_bounded_search search = {queries, rows, scales, residuals, norms, codes, query_codes, coded, N, E, Q, R,
                                (float)(unit / (1 - unit) * 1.001), (float)(E + 8) * 0x1p-148f};
    int32_t parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(N, part, parts, 12);
        scan_codes(leaves, &search, range.begin, range.end, open + ps_thread() * Q);
    }
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int64_t q = 0; q < Q; q++) finish_query(leaves, &search, q, threads, open, ids, scores, rescored);
    return PS_OK;
}
