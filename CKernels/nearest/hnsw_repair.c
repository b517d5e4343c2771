#include "ps_hnsw.h"
#include <string.h>
#include "../internal/ps_team.h"
#include "../internal/ps_walk.h"

/// One repair: what all threads read.
typedef struct ps_repair {
    const ps_hnsw_graph *graph;
    const uint64_t *removed;
} ps_repair;

static inline int32_t is_removed(const ps_repair *all, uint32_t row) { return all->removed[row >> 6] >> (row & 63) & 1; }

/// The room that the candidates of one list take: the rows that are followed and the rows that are found.
static int64_t repair_breadth(const ps_hnsw_graph *graph) { return ps_walk_breadth(graph) + PS_HNSW_REPAIR_MOST; }

/// Rows that stay and that removed ones led to: walk->fresh[*kept ..< returned], with those that stay in the list before them.
///
/// walk->touched, which the marks need, is not the queue: that is walk->sums, as no int8 score is under way.
static int64_t candidates_of(ps_walk *walk, const ps_repair *all, int64_t center, int32_t layer, const uint32_t *list, int64_t width, int64_t *kept) {
    const ps_hnsw_graph *graph = all->graph;
    int64_t count = 0, queued = 0, next = 0, most = ps_walk_breadth(graph) + PS_HNSW_REPAIR_MOST;
    uint32_t *queue = (uint32_t *)walk->sums;
    ps_walk_mark(walk, (uint32_t)center);
    for (int64_t i = 0; i < width && (int64_t)list[i] < graph->N; i++) {
        if (ps_walk_mark(walk, list[i])) continue;
        if (is_removed(all, list[i])) queue[queued++] = list[i];
        else walk->fresh[count++] = list[i];
    }
    *kept = count;
    for (; next < queued && count < most; next++) {
        int64_t its_width;
        const uint32_t *its = ps_list(graph, queue[next], layer, &its_width);
        for (int64_t i = 0; i < its_width && (int64_t)its[i] < graph->N && count < most; i++) {
            if (ps_walk_mark(walk, its[i])) continue;
            if (!is_removed(all, its[i])) walk->fresh[count++] = its[i];
            else if (queued < most) queue[queued++] = its[i];
        }
    }
    ps_walk_forget(walk);
    return count;
}

static void repair_list(ps_walk *walk, const ps_repair *all, int64_t center, int32_t layer, const uint32_t *list, int64_t width, int64_t most,
                        uint32_t *out) {
    int64_t N = all->graph->N, count = 0, lost = 0;
    if (!is_removed(all, (uint32_t)center)) {
        for (int64_t i = 0; i < width && (int64_t)list[i] < N; i++) {
            if (is_removed(all, list[i])) lost++;
            else if (count < most) out[count++] = list[i];
        }
    }
    if (lost > 0 && count < most) {
        int64_t kept, total = candidates_of(walk, all, center, layer, list, width, &kept);
        if (kept > most) kept = most;
        memcpy(out, walk->fresh, (size_t)kept * sizeof *out);
        ps_walk_set_row(walk, center);
        ps_walk_score(walk, walk->fresh + kept, total - kept, walk->scores);
        for (int64_t i = kept; i < total; i++) walk->pool[i - kept] = ps_pool_key(walk->scores[i - kept], walk->fresh[i]);
        ps_keys_sort_descending(walk->pool, total - kept);
        count = ps_walk_choose(walk, walk->pool, total - kept, kept, most, out);
    }
    for (int64_t i = count; i < most; i++) out[i] = PS_HNSW_NONE;
}

ps_status ps_hnsw_repair_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    int64_t breadth = repair_breadth(graph), each = ps_walk_bytes(graph, breadth, breadth);
    PS_REQUIRE(each > 0 && ps_multiply(each, ctx->threads, bytes), PS_SIZE_OVERFLOW);
    return PS_OK;
}

ps_status ps_hnsw_repair(const ps_context *ctx, const ps_hnsw_graph *graph, const uint64_t *removed, int64_t links_kept, int64_t upper_kept,
                         uint32_t *links, uint32_t *upper_links, void *workspace, int64_t workspace_bytes) {
    int64_t needed;
    PS_TRY(ps_hnsw_repair_workspace_bytes(ctx, graph, &needed));
    PS_REQUIRE(workspace_bytes >= 0 && links_kept >= 0 && upper_kept >= 0, PS_NEGATIVE_SIZE);
    int64_t N = graph->N;
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    PS_CHECK_EXTENTS(PS_IN(removed, (N + 63) / 64), PS_IN_ROWS(graph->links, N, graph->links_width, graph->links_width),
                     PS_IN_ROWS(graph->upper_links, graph->upper_rows, graph->upper_width, graph->upper_width),
                     PS_OUT_ROWS(links, N, links_kept, links_kept), PS_OUT_ROWS(upper_links, graph->upper_rows, upper_kept, upper_kept), scratch);
    PS_REQUIRE(graph->upper_owners != NULL || graph->upper_rows == 0, PS_NULL_POINTER);
    for (int64_t i = 0; i < graph->upper_rows; i++) PS_REQUIRE(graph->upper_owners[i] < N, PS_INDEX_OUT_OF_RANGE);
    PS_REQUIRE((uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    PS_REQUIRE(workspace_bytes >= needed, PS_WORKSPACE_TOO_SMALL);
    ps_repair all = {graph, removed};
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, N * graph->links_width * 64);
    int64_t breadth = repair_breadth(graph), next = 0, lists = N + graph->upper_rows;
    enum { STRETCH = 64 };
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        ps_walk walk;
        ps_walk_place(&walk, workspace, part, ctx->threads, leaves, graph, breadth, breadth);
        for (;;) {
            int64_t begin = __atomic_fetch_add(&next, STRETCH, __ATOMIC_RELAXED);
            if (begin >= lists) break;
            int64_t end = begin + STRETCH < lists ? begin + STRETCH : lists;
            for (int64_t i = begin; i < end; i++) {
                if (i < N) {
                    repair_list(&walk, &all, i, 0, graph->links + i * graph->links_width, graph->links_width, links_kept, links + i * links_kept);
                    continue;
                }
                int64_t at = i - N, owner = graph->upper_owners[at], layer = at - graph->upper_first[owner] + 1;
                // A damaged table of first lists: the layer only decides where links through removed rows are read.
                if (layer < 1 || layer > PS_HNSW_MOST_LEVELS) layer = 1;
                repair_list(&walk, &all, owner, (int32_t)layer, graph->upper_links + at * graph->upper_width, graph->upper_width, upper_kept,
                            upper_links + at * upper_kept);
            }
        }
    }
    return PS_OK;
}
