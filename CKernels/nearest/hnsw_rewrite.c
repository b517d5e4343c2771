#include "../internal/ps_team.h"
#include "../internal/ps_walk.h"

ps_status ps_check_owners(const ps_hnsw_graph *graph) {
    PS_REQUIRE(graph->upper_owners != NULL || graph->upper_rows == 0, PS_NULL_POINTER);
    for (int64_t i = 0; i < graph->upper_rows; i++) PS_REQUIRE(graph->upper_owners[i] < graph->N, PS_INDEX_OUT_OF_RANGE);
    return PS_OK;
}

ps_status ps_rewrite_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t breadth, int64_t *bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    int64_t each = ps_walk_bytes(graph, breadth, breadth);
    PS_REQUIRE(each > 0 && ps_multiply(each, ctx->threads, bytes), PS_SIZE_OVERFLOW);
    return PS_OK;
}

/// The layer of an upper list, by the table of its owner's first list. Where that table is damaged it is another layer that exists: it only
/// decides where links through other rows are read.
static int32_t layer_of(const ps_hnsw_graph *graph, int64_t list, int64_t owner) {
    int64_t layer = list - graph->upper_first[owner] + 1;
    return layer < 1 || layer > PS_HNSW_MOST_LEVELS ? 1 : (int32_t)layer;
}

ps_status ps_rewrite_lists(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t breadth, ps_list_rewriter *rewrite, const void *of_all,
                           int64_t links_kept, int64_t upper_kept, uint32_t *links, uint32_t *upper_links, void *workspace,
                           int64_t workspace_bytes) {
    int64_t needed, N = graph->N;
    PS_TRY(ps_rewrite_workspace_bytes(ctx, graph, breadth, &needed));
    PS_REQUIRE(workspace_bytes >= 0 && links_kept >= 0 && upper_kept >= 0, PS_NEGATIVE_SIZE);
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    PS_CHECK_EXTENTS(PS_IN_ROWS(graph->links, N, graph->links_width, graph->links_width),
                     PS_IN_ROWS(graph->upper_links, graph->upper_rows, graph->upper_width, graph->upper_width),
                     PS_OUT_ROWS(links, N, links_kept, links_kept), PS_OUT_ROWS(upper_links, graph->upper_rows, upper_kept, upper_kept), scratch);
    PS_TRY(ps_check_owners(graph));
    PS_REQUIRE((uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    PS_REQUIRE(workspace_bytes >= needed, PS_WORKSPACE_TOO_SMALL);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, N * graph->links_width * 64);
    int64_t next = 0, lists = N + graph->upper_rows;
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
                    rewrite(&walk, of_all, i, 0, graph->links + i * graph->links_width, graph->links_width, links_kept, links + i * links_kept);
                } else {
                    int64_t at = i - N, owner = graph->upper_owners[at];
                    rewrite(&walk, of_all, owner, layer_of(graph, at, owner), graph->upper_links + at * graph->upper_width, graph->upper_width,
                            upper_kept, upper_links + at * upper_kept);
                }
            }
        }
    }
    return PS_OK;
}
