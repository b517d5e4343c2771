#include "ps_lsh.h"
#include <math.h>
#include <string.h>
#include "../internal/ps_check.h"
#include "../internal/ps_select.h"
#include "../internal/ps_team.h"
#include "../internal/ps_walk.h"

/// Rows that are hashed at once: their block and a table's planes stay in cache.
enum { HASHED_AT_ONCE = 48, MOST_BITS = 16, SCORED_AT_ONCE = 8 };

ps_status ps_lsh_codes(const ps_context *ctx, const float *rows, const float *lifts, const float *planes, const float *plane_lifts,
                       const float *thresholds, int64_t N, int64_t E, int64_t tables, int64_t bits, uint16_t *codes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && E >= 0 && tables >= 0 && bits >= 0, PS_NEGATIVE_SIZE);
    int64_t P;
    PS_REQUIRE(ps_multiply(tables, bits, &P), PS_SIZE_OVERFLOW);
    PS_CHECK_EXTENTS(PS_IN_ROWS(rows, N, E, E), PS_IN_OPTIONAL(lifts, N), PS_IN_ROWS(planes, P, E, E), PS_IN(plane_lifts, P), PS_IN(thresholds, P),
                     PS_OUT_ROWS(codes, N, tables, tables));
    PS_REQUIRE(bits >= 1 && bits <= MOST_BITS && tables >= 1, PS_BAD_PARAMETER);
    if (N == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t work;
    if (!ps_multiply(N * E, P, &work)) work = INT64_MAX / 2;
    int32_t threads = ps_team_size(ctx, work);
    int64_t next = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        float scores[HASHED_AT_ONCE * MOST_BITS];
        for (;;) {
            int64_t begin = __atomic_fetch_add(&next, HASHED_AT_ONCE, __ATOMIC_RELAXED);
            if (begin >= N) break;
            int64_t count = N - begin < HASHED_AT_ONCE ? N - begin : HASHED_AT_ONCE;
            for (int64_t t = 0; t < tables; t++) {
                leaves->dots_f32(rows + begin * E, planes + t * bits * E, count, bits, E, scores, bits);
                for (int64_t i = 0; i < count; i++) {
                    uint32_t code = 0;
                    float lift = lifts ? lifts[begin + i] : 0;
                    for (int64_t j = 0; j < bits; j++) {
                        int64_t plane = t * bits + j;
                        float lifted = lift * plane_lifts[plane];
                        code |= (uint32_t)(scores[i * bits + j] + lifted >= thresholds[plane]) << j;
                    }
                    codes[(begin + i) * tables + t] = (uint16_t)code;
                }
            }
        }
    }
    return PS_OK;
}

typedef struct ps_lsh_layout {
    int64_t sums, cursors, bounds, marks, found, keys, picked, scores, total;
} ps_lsh_layout;

static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Offsets of one thread's memory.
static ps_lsh_layout layout_of(int64_t N, int64_t terms, int64_t candidates) {
    int64_t window = N < PS_LSH_WINDOW ? N : PS_LSH_WINDOW;
    ps_lsh_layout l;
    l.sums = 0;
    l.cursors = l.sums + padded(window * 2);
    l.bounds = l.cursors + padded(terms * 8);
    l.marks = l.bounds + padded((terms + 1) * 4);
    l.found = l.marks + padded(65536 * 4);
    l.keys = l.found + padded(window * 4);
    l.picked = l.keys + padded(ps_candidate_capacity(candidates) * 8);
    l.scores = l.picked + padded(candidates * 4);
    l.total = l.scores + padded(candidates * 4);
    return l;
}

ps_status ps_lsh_search_workspace_bytes(const ps_context *ctx, int64_t N, int64_t most_terms, int64_t candidates, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && most_terms >= 0 && candidates >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    PS_REQUIRE(N <= INT32_MAX && most_terms <= INT32_MAX && candidates <= INT32_MAX, PS_SIZE_OVERFLOW);
    int64_t all;
    PS_REQUIRE(ps_multiply(layout_of(N, most_terms, candidates).total, ctx->threads, &all), PS_SIZE_OVERFLOW);
    *bytes = all;
    return PS_OK;
}

/// What the queries of a call share.
typedef struct ps_lsh_search_call {
    const ps_leaves *leaves;
    const uint32_t *postings;
    const float *rows;
    const uint64_t *allowed;
    int64_t N, E, k, candidates;
} ps_lsh_search_call;

/// bounds[i]: the most that terms i, i + 1, ... can add to one row: the largest weight of each table among them.
static void suffix_bounds(const ps_lsh_term *terms, int64_t count, uint32_t *marks, uint32_t *bounds) {
    bounds[count] = 0;
    for (int64_t i = count - 1; i >= 0; i--) {
        // Weights only rise towards the front, so this one is the largest of its table so far.
        bounds[i] = bounds[i + 1] + terms[i].weight - marks[terms[i].table];
        marks[terms[i].table] = terms[i].weight;
    }
    for (int64_t i = 0; i < count; i++) marks[terms[i].table] = 0;
}

/// Adds a list's postings below `end` to the sums of the window that begins at `start`; returns where it stopped.
static int64_t add_list(const uint32_t *postings, int64_t at, int64_t stop, uint32_t start, uint32_t size, uint32_t weight, uint16_t *sums) {
    for (; at < stop; at++) {
        uint32_t place = postings[at] - start;  // a row before the window wraps around and ends the list here
        if (place >= size) break;
        sums[place] = (uint16_t)(sums[place] + weight);
    }
    return at;
}

/// The first place in at ..< stop with a row that is not below `row`.
static int64_t skip_to(const uint32_t *postings, int64_t at, int64_t stop, uint32_t row) {
    int64_t step = 1;
    while (at + step < stop && postings[at + step] < row) {
        at += step;
        step *= 2;
    }
    int64_t high = at + step < stop ? at + step : stop;
    while (at < high) {
        int64_t middle = at + (high - at) / 2;
        if (postings[middle] < row) at = middle + 1;
        else high = middle;
    }
    return at;
}

/// First level: the rows with the largest sums, as keys of sum and row. Returns the postings read.
static int64_t weak_and(const ps_lsh_search_call *call, const ps_lsh_term *terms, int64_t count, char *memory, const ps_lsh_layout *l,
                        ps_candidates *best) {
    uint16_t *sums = (uint16_t *)(void *)(memory + l->sums);
    int64_t *cursors = (int64_t *)(void *)(memory + l->cursors), read = 0, needed = count;
    uint32_t *bounds = (uint32_t *)(void *)(memory + l->bounds), *found = (uint32_t *)(void *)(memory + l->found);
    suffix_bounds(terms, count, (uint32_t *)(void *)(memory + l->marks), bounds);
    for (int64_t i = 0; i < count; i++) cursors[i] = terms[i].begin;
    for (int64_t start = 0; start < call->N; start += PS_LSH_WINDOW) {
        uint32_t size = (uint32_t)(call->N - start < PS_LSH_WINDOW ? call->N - start : PS_LSH_WINDOW), first = (uint32_t)start;
        memset(sums, 0, size * sizeof *sums);
        // Rows come in ascending order, so one with no more than the threshold's sum would lose the tie.
        uint32_t least = best->threshold == 0 ? 1 : (uint32_t)(best->threshold >> 32) + 1;
        if (least > bounds[0]) break;
        // Without one of the first terms a row cannot get there.
        while (needed > 0 && bounds[needed - 1] < least) needed--;
        for (int64_t i = 0; i < needed; i++) {
            int64_t at = cursors[i];
            // Windows were left out for it while it was not needed, or it is damaged.
            if (at < terms[i].end && call->postings[at] < first) at = skip_to(call->postings, at, terms[i].end, first);
            cursors[i] = add_list(call->postings, at, terms[i].end, first, size, terms[i].weight, sums);
            read += cursors[i] - at;
        }
        uint32_t enough = least - bounds[needed] > 1 ? least - bounds[needed] : 1;
        int64_t hits = 0;
        for (int64_t i = 0;;) {
            i = call->leaves->find_at_least_u16(sums, i, size, (uint16_t)enough);
            if (i == size) break;
            int64_t row = start + i;
            if (!call->allowed || (call->allowed[row >> 6] >> (row & 63) & 1)) found[hits++] = (uint32_t)i;
            i++;
        }
        if (hits > 0) {
            for (int64_t i = needed; i < count; i++) {
                int64_t at = cursors[i];
                if (at < terms[i].end && call->postings[at] < first) at = skip_to(call->postings, at, terms[i].end, first);
                cursors[i] = add_list(call->postings, at, terms[i].end, first, size, terms[i].weight, sums);
                read += cursors[i] - at;
            }
        }
        for (int64_t i = 0; i < hits; i++) {
            uint64_t sum = sums[found[i]];
            ps_candidates_push(best, sum << 32 | (UINT32_MAX - (uint32_t)(start + found[i])));
        }
    }
    return read;
}

static int64_t search_one(const ps_lsh_search_call *call, const float *query, const ps_lsh_term *terms, int64_t count, char *memory,
                          const ps_lsh_layout *l, int64_t *ids, float *scores, int64_t *found) {
    uint64_t *keys = (uint64_t *)(void *)(memory + l->keys);
    uint32_t *picked = (uint32_t *)(void *)(memory + l->picked);
    float *products = (float *)(void *)(memory + l->scores);
    ps_candidates best = {keys, 0, ps_candidate_capacity(call->candidates), call->candidates, 0, NAN};
    int64_t read = weak_and(call, terms, count, memory, l, &best), most = best.count < call->candidates ? best.count : call->candidates;
    if (best.count > most) ps_keys_partition(keys, best.count, most);
    for (int64_t i = 0; i < most; i++) picked[i] = (uint32_t)ps_key_row(keys[i]);
    int64_t E = call->E, bytes = E * 4;
    for (int64_t i = 0; i < most && i < SCORED_AT_ONCE; i++) ps_prefetch_bytes(call->rows + picked[i] * E, bytes);
    for (int64_t i = 0; i < most; i += SCORED_AT_ONCE) {
        int64_t end = i + SCORED_AT_ONCE < most ? i + SCORED_AT_ONCE : most;
        for (int64_t j = end; j < end + SCORED_AT_ONCE && j < most; j++) ps_prefetch_bytes(call->rows + picked[j] * E, bytes);
        call->leaves->dots_rows_f32(query, call->rows, picked + i, end - i, E, products + i);
    }
    for (int64_t i = 0; i < most; i++) keys[i] = ps_key(products[i], picked[i]);
    int64_t kept = most < call->k ? most : call->k;
    if (most > kept) ps_keys_partition(keys, most, kept);
    ps_keys_sort_descending(keys, kept);
    for (int64_t i = 0; i < call->k; i++) {
        ids[i] = i < kept ? ps_key_row(keys[i]) : -1;
        scores[i] = i < kept ? ps_key_score(keys[i]) : 0;
    }
    *found = kept;
    return read;
}

/// Terms inside the postings, of tables and weights in their ranges, in order.
static ps_status check_terms(const ps_lsh_term *terms, const int64_t *offsets, int64_t Q, int64_t P, int64_t *tables) {
    *tables = 0;
    for (int64_t q = 0; q < Q; q++) {
        for (int64_t i = offsets[q]; i < offsets[q + 1]; i++) {
            PS_REQUIRE(terms[i].begin >= 0 && terms[i].begin <= terms[i].end && terms[i].end <= P, PS_INDEX_OUT_OF_RANGE);
            PS_REQUIRE(terms[i].table <= 65535 && terms[i].weight >= 1 && terms[i].weight <= PS_LSH_MOST_SUM, PS_BAD_PARAMETER);
            PS_REQUIRE(i == offsets[q] || terms[i].weight <= terms[i - 1].weight, PS_BAD_PARAMETER);
            if (terms[i].table >= *tables) *tables = (int64_t)terms[i].table + 1;
        }
    }
    return PS_OK;
}

ps_status ps_lsh_search(const ps_context *ctx, const uint32_t *postings, int64_t P, const ps_lsh_term *terms, const int64_t *term_offsets,
                        const float *rows, const float *queries, const uint64_t *allowed, int64_t N, int64_t E, int64_t Q, int64_t k,
                        int64_t candidates, int64_t *ids, float *scores, int64_t *counts, int64_t *visited, void *workspace,
                        int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(P >= 0 && N >= 0 && E >= 0 && Q >= 0 && k >= 0 && candidates >= 0 && workspace_bytes >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(N <= INT32_MAX && Q < INT64_MAX, PS_SIZE_OVERFLOW);
    PS_CHECK_EXTENTS(PS_IN(term_offsets, Q + 1));
    PS_TRY(ps_check_offsets(ctx, term_offsets, Q));
    int64_t all_terms = term_offsets[Q], most_terms = 0, needed;
    for (int64_t q = 0; q < Q; q++) {
        int64_t count = term_offsets[q + 1] - term_offsets[q];
        most_terms = count > most_terms ? count : most_terms;
    }
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    PS_CHECK_EXTENTS(PS_IN(postings, P), PS_IN(terms, all_terms), PS_IN_ROWS(rows, N, E, E), PS_IN_ROWS(queries, Q, E, E),
                     PS_IN_OPTIONAL(allowed, (N + 63) / 64), PS_OUT_ROWS(ids, Q, k, k), PS_OUT_ROWS(scores, Q, k, k), PS_OUT(counts, Q),
                     PS_OUT_OPTIONAL(visited, Q), scratch);
    PS_REQUIRE(k >= 1 && candidates >= k && (uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    int64_t tables;
    PS_TRY(check_terms(terms, term_offsets, Q, P, &tables));
    PS_TRY(ps_lsh_search_workspace_bytes(ctx, N, most_terms, candidates, &needed));
    PS_REQUIRE(workspace_bytes >= needed, PS_WORKSPACE_TOO_SMALL);
    ps_lsh_layout layout = layout_of(N, most_terms, candidates);
    // The largest sum of each query must fit; its bounds need a thread's scratch memory.
    uint32_t *marks = (uint32_t *)(void *)((char *)workspace + layout.marks), *bounds = (uint32_t *)(void *)((char *)workspace + layout.bounds);
    for (int32_t part = 0; part < ctx->threads; part++) memset((char *)workspace + part * layout.total + layout.marks, 0, (size_t)tables * 4);
    for (int64_t q = 0; q < Q; q++) {
        suffix_bounds(terms + term_offsets[q], term_offsets[q + 1] - term_offsets[q], marks, bounds);
        PS_REQUIRE(bounds[0] <= PS_LSH_MOST_SUM, PS_BAD_PARAMETER);
    }
    if (Q == 0) return PS_OK;
    ps_lsh_search_call call = {ps_leaves_of(ctx), postings, rows, allowed, N, E, k, candidates};
    int64_t work;
    if (!ps_multiply(Q, (all_terms / Q + 1) * 4096, &work)) work = INT64_MAX / 2;
    int32_t threads = ps_team_size(ctx, work);
    if (threads > Q) threads = (int32_t)Q;
    int64_t next = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        char *memory = (char *)workspace + part * layout.total;
        for (;;) {
            int64_t q = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
            if (q >= Q) break;
            int64_t read = search_one(&call, queries + q * E, terms + term_offsets[q], term_offsets[q + 1] - term_offsets[q], memory, &layout,
                                      ids + q * k, scores + q * k, counts + q);
            if (visited) visited[q] = read;
        }
    }
    return PS_OK;
}
