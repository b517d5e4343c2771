#include "ps_hnsw.h"
#include <string.h>
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

static void repair_list(ps_walk *walk, const void *of_all, int64_t center, int32_t layer, const uint32_t *list, int64_t width, int64_t most,
                        uint32_t *out) {
    const ps_repair *all = of_all;
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
    PS_TRY(ps_check_graph(graph));
    return ps_rewrite_workspace_bytes(ctx, graph, repair_breadth(graph), bytes);
}

ps_status ps_hnsw_repair(const ps_context *ctx, const ps_hnsw_graph *graph, const uint64_t *removed, int64_t links_kept, int64_t upper_kept,
                         uint32_t *links, uint32_t *upper_links, void *workspace, int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    PS_CHECK_EXTENTS(PS_IN(removed, (graph->N + 63) / 64), PS_OUT_ROWS(links, graph->N, links_kept, links_kept),
                     PS_OUT_ROWS(upper_links, graph->upper_rows, upper_kept, upper_kept), scratch);
    ps_repair all = {graph, removed};
    return ps_rewrite_lists(ctx, graph, repair_breadth(graph), repair_list, &all, links_kept, upper_kept, links, upper_links, workspace,
                            workspace_bytes);
}
