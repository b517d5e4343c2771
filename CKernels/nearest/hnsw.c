#include "ps_hnsw.h"
#include <string.h>
#include "../internal/ps_team.h"
#include "../internal/ps_walk.h"

/// Rows scored by one call of a leaf, while the next ones are on their way from memory.
enum { ROWS_AT_ONCE = 8 };

static int64_t row_bytes(const ps_hnsw_graph *graph) {
    return graph->storage == PS_HNSW_F32 ? graph->E * 4 : graph->storage == PS_HNSW_BF16 ? graph->E * 2 : graph->E;
}

ps_status ps_check_graph(const ps_hnsw_graph *g) {
    PS_REQUIRE(g != NULL, PS_NULL_POINTER);
    PS_REQUIRE(g->N >= 0 && g->E >= 0 && g->links_width >= 0 && g->upper_width >= 0 && g->upper_rows >= 0, PS_NEGATIVE_SIZE);
    int32_t element = g->storage == PS_HNSW_F32 ? 4 : g->storage == PS_HNSW_BF16 ? 2 : 1;
    ps_extent rows = {g->rows, g->N, g->E, g->E, element, 0, 0};
    PS_CHECK_EXTENTS(rows, PS_IN_ROWS(g->links, g->N, g->links_width, g->links_width),
                     PS_IN_ROWS(g->upper_links, g->upper_rows, g->upper_width, g->upper_width), PS_IN(g->upper_first, g->N),
                     PS_IN(g->scales, g->storage == PS_HNSW_I8 ? g->N : 0));
    PS_REQUIRE(g->N <= INT32_MAX && g->E <= 131072 && g->links_width <= 65536 && g->upper_width <= 65536, PS_SIZE_OVERFLOW);
    PS_REQUIRE(g->storage == PS_HNSW_F32 || g->storage == PS_HNSW_BF16 || g->storage == PS_HNSW_I8, PS_BAD_PARAMETER);
    PS_REQUIRE(g->top >= 0 && g->top <= PS_HNSW_MOST_LEVELS && g->entry >= -1 && g->entry < g->N, PS_BAD_PARAMETER);
    PS_REQUIRE(g->links_width >= 1, PS_BAD_PARAMETER);
    return PS_OK;
}

static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// More rows than a search of this pool usually visits; when they are more, all bits are cleared instead.
static int64_t touched_capacity(const ps_hnsw_graph *graph, int64_t ef) {
    int64_t most = (ef + 64) * 32;
    return most < graph->N ? most : graph->N;
}

int64_t ps_walk_marks_bytes(const ps_hnsw_graph *graph) { return padded((graph->N + 63) / 64 * 8); }

int64_t ps_walk_bytes(const ps_hnsw_graph *graph, int64_t ef, int64_t breadth) {
    if (ef > INT32_MAX || breadth > INT32_MAX) return 0;  // so that no sum below overflows
    return padded(touched_capacity(graph, ef) * 4) + padded(ef * 8) + 3 * padded(breadth * 4) + padded(graph->E * 4) + padded(graph->E) +
           ps_walk_marks_bytes(graph);
}

void ps_walk_place(ps_walk *walk, void *workspace, int32_t part, int32_t parts, const ps_leaves *leaves, const ps_hnsw_graph *graph, int64_t ef,
                   int64_t breadth) {
    int64_t marks = ps_walk_marks_bytes(graph);
    char *at = (char *)workspace + parts * marks + part * (ps_walk_bytes(graph, ef, breadth) - marks);
    *walk = (ps_walk){.leaves = leaves, .graph = graph, .touched_capacity = touched_capacity(graph, ef), .capacity = ef, .breadth = breadth};
    // All marks first, so that they lie in the same place whatever ef is.
    walk->visited = (uint64_t *)(void *)((char *)workspace + part * marks);
    walk->touched = (uint32_t *)(void *)at;
    at += padded(walk->touched_capacity * 4);
    walk->pool = (uint64_t *)(void *)at;
    at += padded(ef * 8);
    walk->fresh = (uint32_t *)(void *)at;
    at += padded(breadth * 4);
    walk->scores = (float *)(void *)at;
    at += padded(breadth * 4);
    walk->sums = (int32_t *)(void *)at;
    at += padded(breadth * 4);
    walk->widened = (float *)(void *)at;
    at += padded(graph->E * 4);
    walk->quantised = (int8_t *)at;
}

void ps_walk_set_query(ps_walk *walk, const float *query) {
    walk->query = query;
    if (walk->graph->storage != PS_HNSW_I8) return;
    float residual, norm;
    walk->leaves->quantize_i8(query, walk->graph->E, 0, 1, walk->quantised, &walk->scale, &residual, &norm);
    walk->codes = walk->quantised;
}

void ps_walk_set_row(ps_walk *walk, int64_t row) {
    const ps_hnsw_graph *graph = walk->graph;
    switch (graph->storage) {
        case PS_HNSW_F32: walk->query = (const float *)graph->rows + row * graph->E; break;
        case PS_HNSW_BF16:
            walk->leaves->convert_bf16_to_f32((const uint16_t *)graph->rows + row * graph->E, 0, graph->E, walk->widened);
            walk->query = walk->widened;
            break;
        case PS_HNSW_I8:
            walk->codes = (const int8_t *)graph->rows + row * graph->E;
            walk->scale = graph->scales[row];
            break;
    }
}

static void prefetch_rows(const ps_hnsw_graph *graph, int64_t bytes, const uint32_t *ids, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        ps_prefetch_bytes((const char *)graph->rows + ids[i] * bytes, bytes);
        if (graph->scales) __builtin_prefetch(graph->scales + ids[i]);
    }
}

void ps_walk_score(ps_walk *walk, const uint32_t *ids, int64_t count, float *scores) {
    const ps_hnsw_graph *graph = walk->graph;
    const ps_leaves *leaves = walk->leaves;
    int64_t E = graph->E, bytes = row_bytes(graph);
    int32_t sums[ROWS_AT_ONCE];
    for (int64_t i = 0; i < count; i += ROWS_AT_ONCE) {
        int64_t now = count - i < ROWS_AT_ONCE ? count - i : ROWS_AT_ONCE, left = count - i - now;
        prefetch_rows(graph, bytes, ids + i + now, left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
        switch (graph->storage) {
            case PS_HNSW_F32: leaves->dots_rows_f32(walk->query, graph->rows, ids + i, now, E, scores + i); break;
            case PS_HNSW_BF16: leaves->dots_rows_bf16(walk->query, graph->rows, ids + i, now, E, scores + i); break;
            case PS_HNSW_I8:
                leaves->dots_rows_i8(walk->codes, graph->rows, ids + i, now, E, sums);
                for (int64_t j = 0; j < now; j++) scores[i + j] = (float)sums[j] * walk->scale * graph->scales[ids[i + j]];
                break;
        }
    }
}

int64_t ps_walk_descend(ps_walk *walk, int32_t layer, float *score) {
    const ps_hnsw_graph *graph = walk->graph;
    uint32_t best = (uint32_t)graph->entry;
    ps_walk_score(walk, &best, 1, score);
    uint64_t key = ps_pool_key(*score, best);
    for (int32_t l = graph->top; l > layer; l--) {
        for (int32_t moved = 1; moved;) {
            moved = 0;
            int64_t width, count = 0;
            const uint32_t *list = ps_list(graph, best, l, &width);
            while (count < width && (int64_t)list[count] < graph->N) count++;
            prefetch_rows(graph, row_bytes(graph), list, count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE);
            ps_walk_score(walk, list, count, walk->scores);
            for (int64_t i = 0; i < count; i++) {
                uint64_t other = ps_pool_key(walk->scores[i], list[i]);
                if (other <= key) continue;
                key = other;
                *score = walk->scores[i];
                best = list[i];
                moved = 1;
            }
        }
    }
    return best;
}

int64_t ps_walk_offer(ps_walk *walk, uint64_t key) {
    uint64_t *pool = walk->pool;
    int64_t count = walk->count;
    if (count == walk->capacity && key < pool[count - 1]) return -1;
    // Where it belongs, without branches: where they would go is as good as random.
    int64_t low = 0;
    for (int64_t length = count; length > 0; length /= 2) {
        int64_t half = length - length / 2;
        low = pool[low + half - 1] > key ? low + half : low;
    }
    if (count < walk->capacity) walk->count = ++count;
    memmove(pool + low + 1, pool + low, (size_t)(count - 1 - low) * sizeof *pool);
    pool[low] = key;
    return low;
}

void ps_walk_forget(ps_walk *walk) {
    if (walk->touched_count > walk->touched_capacity) {
        memset(walk->visited, 0, (size_t)((walk->graph->N + 63) / 64) * 8);
    } else {
        for (int64_t i = 0; i < walk->touched_count; i++) walk->visited[walk->touched[i] >> 6] = 0;
    }
    walk->touched_count = 0;
}

/// The lists that are followed next unless this one brings better rows: on their way while its rows are scored.
static inline void prefetch_next_lists(const ps_walk *walk, int32_t layer, int64_t place) {
    int32_t wanted = 2;
    for (; place < walk->count && wanted > 0; place++) {
        if (!(walk->pool[place] & 1)) continue;
        int64_t width;
        const uint32_t *list = ps_list(walk->graph, ps_pool_row(walk->pool[place]), layer, &width);
        ps_prefetch_bytes(list, width * 4);
        wanted--;
    }
}

void ps_walk_layer(ps_walk *walk, int32_t layer, int64_t start, float score) {
    const ps_hnsw_graph *graph = walk->graph;
    int64_t bytes = row_bytes(graph), next = 0;
    if (walk->count == 0) {
        ps_walk_mark(walk, (uint32_t)start);
        ps_walk_offer(walk, ps_pool_key(score, start));
    }
    while (next < walk->count) {
        if (!(walk->pool[next] & 1)) {
            next++;
            continue;
        }
        walk->pool[next] &= ~1ull;
        prefetch_next_lists(walk, layer, next + 1);
        int64_t width, count = 0;
        const uint32_t *list = ps_list(graph, ps_pool_row(walk->pool[next]), layer, &width);
        for (int64_t i = 0; i < width && (int64_t)list[i] < graph->N; i++) {
            if (ps_walk_mark(walk, list[i])) continue;
            if (count < ROWS_AT_ONCE) prefetch_rows(graph, bytes, &list[i], 1);
            walk->fresh[count++] = list[i];
        }
        ps_walk_score(walk, walk->fresh, count, walk->scores);
        int64_t first = next + 1;
        for (int64_t i = 0; i < count; i++) {
            int64_t place = ps_walk_offer(walk, ps_pool_key(walk->scores[i], walk->fresh[i]));
            if (place < 0) continue;
            if (place <= first) {
                // Likely to be followed next: its links will be here by then.
                int64_t its_width;
                ps_prefetch_bytes(ps_list(graph, walk->fresh[i], layer, &its_width), its_width * 4);
                first = place < first ? place : first;
            }
        }
        next = first;
    }
}

ps_status ps_hnsw_search_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t ef, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    PS_REQUIRE(ef >= 1, PS_BAD_PARAMETER);
    int64_t breadth = ps_walk_breadth(graph);
    int64_t each = ps_walk_bytes(graph, ef, ef > breadth ? ef : breadth), all;
    PS_REQUIRE(each > 0 && ps_multiply(each, ctx->threads, &all), PS_SIZE_OVERFLOW);
    *bytes = all;
    return PS_OK;
}

typedef struct ps_hnsw_query {
    const float *exact;
    const uint64_t *allowed;
    int64_t k, rerank;
} ps_hnsw_query;

static int64_t search_one(ps_walk *walk, const float *query, const ps_hnsw_query *how, int64_t *ids, float *scores) {
    const ps_hnsw_graph *graph = walk->graph;
    walk->count = 0;
    ps_walk_set_query(walk, query);
    float score;
    int64_t start = ps_walk_descend(walk, 0, &score);
    ps_walk_layer(walk, 0, start, score);
    ps_walk_forget(walk);
    int64_t most = how->exact ? how->rerank : how->k, count = 0;
    for (int64_t i = 0; i < walk->count && count < most; i++) {
        int64_t row = ps_pool_row(walk->pool[i]);
        if (how->allowed && !(how->allowed[row >> 6] >> (row & 63) & 1)) continue;
        walk->pool[count] = walk->pool[i];
        walk->fresh[count++] = (uint32_t)row;
    }
    if (how->exact) {
        int64_t bytes = graph->E * 4;
        for (int64_t i = 0; i < count && i < ROWS_AT_ONCE; i++) ps_prefetch_bytes(how->exact + walk->fresh[i] * graph->E, bytes);
        for (int64_t i = 0; i < count; i += ROWS_AT_ONCE) {
            int64_t end = i + ROWS_AT_ONCE < count ? i + ROWS_AT_ONCE : count;
            for (int64_t j = end; j < end + ROWS_AT_ONCE && j < count; j++) {
                ps_prefetch_bytes(how->exact + walk->fresh[j] * graph->E, bytes);
            }
            walk->leaves->dots_rows_f32(query, how->exact, walk->fresh + i, end - i, graph->E, walk->scores + i);
        }
        for (int64_t i = 0; i < count; i++) walk->pool[i] = ps_pool_key(walk->scores[i], walk->fresh[i]);
        ps_keys_sort_descending(walk->pool, count);
    }
    int64_t found = count < how->k ? count : how->k;
    for (int64_t i = 0; i < found; i++) {
        ids[i] = ps_pool_row(walk->pool[i]);
        scores[i] = ps_key_score(walk->pool[i]);
    }
    for (int64_t i = found; i < how->k; i++) {
        ids[i] = -1;
        scores[i] = 0;
    }
    return found;
}

ps_status ps_hnsw_search(const ps_context *ctx, const ps_hnsw_graph *graph, const float *queries, const float *exact, const uint64_t *allowed,
                         int64_t Q, int64_t k, int64_t ef, int64_t rerank, int64_t *ids, float *scores, int64_t *counts, void *workspace,
                         int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    PS_REQUIRE(Q >= 0 && k >= 0 && workspace_bytes >= 0, PS_NEGATIVE_SIZE);
    int64_t N = graph->N, E = graph->E;
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    ps_extent rows = {exact, N, E, E, 4, 0, 1};
    PS_CHECK_EXTENTS(PS_IN_ROWS(queries, Q, E, E), rows, PS_IN_OPTIONAL(allowed, (N + 63) / 64), PS_OUT_ROWS(ids, Q, k, k),
                     PS_OUT_ROWS(scores, Q, k, k), PS_OUT(counts, Q), scratch);
    PS_REQUIRE(k >= 1 && ef >= k && rerank >= k && (uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    int64_t needed;
    PS_TRY(ps_hnsw_search_workspace_bytes(ctx, graph, ef, &needed));
    PS_REQUIRE(workspace_bytes >= needed, PS_WORKSPACE_TOO_SMALL);
    if (Q == 0) return PS_OK;
    if (graph->entry < 0) {
        for (int64_t i = 0; i < Q * k; i++) {
            ids[i] = -1;
            scores[i] = 0;
        }
        for (int64_t q = 0; q < Q; q++) counts[q] = 0;
        return PS_OK;
    }
    ps_hnsw_query how = {exact, allowed, k, rerank < ef ? rerank : ef};
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t work;
    if (!ps_multiply(Q * row_bytes(graph), ef * 8, &work)) work = INT64_MAX / 2;
    int32_t threads = ps_team_size(ctx, work);
    if (threads > Q) threads = (int32_t)Q;
    int64_t breadth = ps_walk_breadth(graph), next = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        ps_walk walk;
        ps_walk_place(&walk, workspace, part, ctx->threads, leaves, graph, ef, ef > breadth ? ef : breadth);
        // Queries are taken as threads become free: their costs differ, and so do the cores.
        for (;;) {
            int64_t q = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
            if (q >= Q) break;
            counts[q] = search_one(&walk, queries + q * E, &how, ids + q * k, scores + q * k);
        }
    }
    return PS_OK;
}
