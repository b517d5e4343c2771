#ifndef PS_WALK_H
#define PS_WALK_H
#include <stdint.h>
#include "ps_check.h"
#include "ps_hnsw.h"
#include "ps_select.h"

/// Keys of the pool: as in ps_select.h, but the row has 31 bits and the lowest bit says that its links were not followed yet. No two rows
/// have the same key, so the bit never decides an order.
static inline uint64_t ps_pool_key(float score, int64_t row) {
    return (ps_key(score, 0) & 0xffffffff00000000u) | (uint64_t)(INT32_MAX - row) << 1 | 1;
}
static inline int64_t ps_pool_row(uint64_t key) { return INT32_MAX - (int64_t)((uint32_t)key >> 1); }

/// One thread's search: the query, the pool of the best rows seen, and scratch. Laid out in the caller's workspace by ps_walk_place.
typedef struct ps_walk {
    const ps_leaves *leaves;
    const ps_hnsw_graph *graph;
    const float *query;      ///< for f32 and bf16 rows
    const int8_t *codes;     ///< for int8 rows
    float scale;
    uint64_t *visited;       ///< a bit per row, all zero between searches
    uint32_t *touched;       ///< the rows whose bits are set, as far as there is room
    int64_t touched_count, touched_capacity;
    uint64_t *pool;          ///< descending
    int64_t count, capacity;
    uint32_t *fresh;         ///< `breadth` rows to score, their scores and sums
    float *scores;
    int32_t *sums;
    int64_t breadth;
    float *widened;          ///< E values: a bf16 row as a query
    int8_t *quantised;       ///< E codes of a query
} ps_walk;

/// Bytes of one walk with a pool of `ef` and room for `breadth` rows at once; 0 when that does not fit an int64.
int64_t ps_walk_bytes(const ps_hnsw_graph *graph, int64_t ef, int64_t breadth);
/// Walk `part` of `parts` in a workspace of `parts` times ps_walk_bytes.
void ps_walk_place(ps_walk *walk, void *workspace, int32_t part, int32_t parts, const ps_leaves *leaves, const ps_hnsw_graph *graph, int64_t ef,
                   int64_t breadth);
/// The most rows that one list holds.
static inline int64_t ps_walk_breadth(const ps_hnsw_graph *graph) {
    return graph->links_width > graph->upper_width ? graph->links_width : graph->upper_width;
}

/// Everything about a graph but the contents of its lists.
ps_status ps_check_graph(const ps_hnsw_graph *graph);

void ps_walk_set_query(ps_walk *walk, const float *query);
/// A stored row as the query.
void ps_walk_set_row(ps_walk *walk, int64_t row);
/// Scores of rows ids[0 ..< count], any count.
void ps_walk_score(ps_walk *walk, const uint32_t *ids, int64_t count, float *scores);
/// From the entry greedily down to the best row found in layer `layer` + 1, which is returned with its score.
int64_t ps_walk_descend(ps_walk *walk, int32_t layer, float *score);
/// Fills the pool from what is in it (or from row `start` when it is empty) by following the links of one layer.
void ps_walk_layer(ps_walk *walk, int32_t layer, int64_t start, float score);
/// Offers a row to the pool. Returns its place, or -1 when it is not among the best.
int64_t ps_walk_offer(ps_walk *walk, uint64_t key);
/// Clears the visited marks.
void ps_walk_forget(ps_walk *walk);

/// Of keys[0 ..< count], best first, appends to chosen[0 ..< kept] the rows that are nearer to the center than to any row in it, until there are `most`.
/// Returns how many there are. It sets the walk's query to the rows that it looks at.
int64_t ps_walk_choose(ps_walk *walk, const uint64_t *keys, int64_t count, int64_t kept, int64_t most, uint32_t *chosen);

/// Every upper list's owner is a row.
ps_status ps_check_owners(const ps_hnsw_graph *graph);

/// Writes one list anew: `list` (`width` rows) of `center` in `layer` becomes `out` (`most` rows, PS_HNSW_NONE after the last).
typedef void ps_list_rewriter(ps_walk *walk, const void *of_all, int64_t center, int32_t layer, const uint32_t *list, int64_t width, int64_t most,
                              uint32_t *out);
/// Bytes of workspace for ps_rewrite_lists with `breadth` candidates a list.
ps_status ps_rewrite_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t breadth, int64_t *bytes);
/// Writes all lists of a checked graph anew, into other memory: links (N,links_kept), upper_links (upper_rows,upper_kept).
ps_status ps_rewrite_lists(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t breadth, ps_list_rewriter *rewrite, const void *of_all,
                           int64_t links_kept, int64_t upper_kept, uint32_t *links, uint32_t *upper_links, void *workspace,
                           int64_t workspace_bytes);

/// Whether the row was seen already; marks it.
static inline int32_t ps_walk_mark(ps_walk *walk, uint32_t row) {
    uint64_t bit = 1ull << (row & 63), *word = &walk->visited[row >> 6];
    if (*word & bit) return 1;
    *word |= bit;
    if (walk->touched_count < walk->touched_capacity) walk->touched[walk->touched_count] = row;
    walk->touched_count++;
    return 0;
}

static inline uint32_t *ps_list(const ps_hnsw_graph *graph, int64_t row, int32_t layer, int64_t *width) {
    if (layer == 0) {
        *width = graph->links_width;
        return graph->links + row * graph->links_width;
    }
    int64_t at = (int64_t)graph->upper_first[row] + layer - 1;
    *width = at < graph->upper_rows ? graph->upper_width : 0;
    return graph->upper_links + (*width > 0 ? at * graph->upper_width : 0);
}

static inline void ps_prefetch_bytes(const void *p, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 3);
}

#endif
