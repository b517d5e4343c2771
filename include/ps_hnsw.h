#ifndef PS_HNSW_H
#define PS_HNSW_H
#include "ps_context.h"

/// The graph of a hierarchical navigable small world index (Malkov and Yashunin, 2016): traversal, batched insertion, packing.
///
/// Similarity is the dot product of the stored rows. Everything is ordered by keys: score descending, equal scores by lower row, so that
/// each result below is one definite set in one definite order, for any thread count. f32 scores are those of ps_knn's kernel.

/// What ps_hnsw_graph.rows holds.
typedef enum ps_hnsw_storage {
    PS_HNSW_F32 = 0,
    PS_HNSW_BF16 = 1,
    PS_HNSW_I8 = 2,  ///< codes and scales of ps_knn_quantize_i8; queries are quantised in the same way
} ps_hnsw_storage;

/// Marks the end of a list of links that is not full.
#define PS_HNSW_NONE UINT32_MAX
/// Layers above layer 0 that a row may be in.
#define PS_HNSW_MOST_LEVELS 15

/// A graph. Links are rows; a list ends at its first entry that is not below N, so damaged links are never followed outside the arrays.
/// The list of row r in layer l > 0 is row upper_first[r] + l - 1 of upper_links, and empty when that is not below `upper_rows`.
typedef struct ps_hnsw_graph {
    int64_t N, E;             ///< N < 2^31
    const void *rows;         ///< (N,E) float, uint16_t or int8_t
    const float *scales;      ///< (N) for PS_HNSW_I8, otherwise null
    uint32_t *links;          ///< (N,links_width), layer 0; written by ps_hnsw_insert only
    uint32_t *upper_links;    ///< (upper_rows,upper_width); written by ps_hnsw_insert only
    const uint32_t *upper_first;  ///< (N)
    const uint32_t *upper_owners; ///< (upper_rows): whose list each is; insertion and packing need it, searches take null
    int64_t links_width, upper_width, upper_rows;
    int64_t entry;            ///< where searches begin: a row of layer `top`; -1 while the graph is empty
    int32_t top;              ///< the highest layer, at most PS_HNSW_MOST_LEVELS
    ps_hnsw_storage storage;
} ps_hnsw_graph;

/// Searches for the k best rows of each query: greedily down to layer 1, then in layer 0 with a pool of the `ef` best rows seen; the best row of
/// the pool whose links were not followed yet is next, until there is none. Where `allowed` is not null, rows whose bit is not set
/// (bit r % 64 of word r / 64) are passed through but not returned. Where `exact` is not null, the best `rerank` rows are scored again
/// by f32 dot products with it; otherwise the scores are those of the storage.
/// Shapes: queries (Q,E); exact (N,E), optional; allowed (ceil(N/64)), optional; ids, scores (Q,k); counts (Q): how many were found, at most k; the
/// places beyond them get row -1 and score 0.
/// Workspace: all zero before its first use. The marks of visited rows lie first and are zero again after every call, so that it may be used
/// again for the same N and thread count with any ef that it has room for.
/// BAD_PARAMETER: k < 1, ef < k, rerank < k, a graph with values outside their ranges.
ps_status ps_hnsw_search_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t ef, int64_t *bytes);
ps_status ps_hnsw_search(const ps_context *ctx, const ps_hnsw_graph *graph, const float *queries, const float *exact, const uint64_t *allowed,
                         int64_t Q, int64_t k, int64_t ef, int64_t rerank, int64_t *ids, float *scores, int64_t *counts, void *workspace,
                         int64_t workspace_bytes);

/// Inserts B rows whose vectors and upper_first are in place and whose lists are empty (all PS_HNSW_NONE).
///
/// All rows of the batch search the graph as it was before the call; the candidates of a row in a layer are the `ef` best of what that found and of the
/// other rows of the batch in that layer. Of these, best first, a row is linked when it is nearer to the new row than to every row linked
/// before it, up to `links`. Then each row that was linked to gets the batch's rows in order; a list that would exceed its width is
/// chosen anew by the same rule, up to `links_kept` in layer 0 and `upper_kept` above. So the graph depends on the order of rows and on B, not on threads.
/// Shapes: batch (B): distinct rows; levels (B): the highest layer of each. `lists`: the sum of levels + 1.
/// The caller sets entry and top when the batch was inserted. In an empty graph, and in layers above its top, only rows of the batch are candidates.
/// BAD_PARAMETER: ef or links < 1, links above a width, kept above its width or < 1. INDEX_OUT_OF_RANGE: batch.
/// Workspace: as for ps_hnsw_search.
typedef struct ps_hnsw_options {
    int64_t ef, links, upper_links, links_kept, upper_kept;
} ps_hnsw_options;
ps_status ps_hnsw_insert_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, const ps_hnsw_options *options, int64_t B,
                                         int64_t lists, int64_t *bytes);
ps_status ps_hnsw_insert(const ps_context *ctx, const ps_hnsw_graph *graph, const uint32_t *batch, const int32_t *levels, int64_t B,
                         const ps_hnsw_options *options, void *workspace, int64_t workspace_bytes);

/// Copies every list to (N,links_kept) and (upper_rows,upper_kept) arrays, chosen anew where it is longer.
/// Workspace: as for ps_hnsw_search.
ps_status ps_hnsw_pack_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t *bytes);
ps_status ps_hnsw_pack(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t links_kept, int64_t upper_kept, uint32_t *links,
                       uint32_t *upper_links, void *workspace, int64_t workspace_bytes);

/// Copies every list without the rows that are `removed` (bit r % 64 of word r / 64), whose own lists become empty.
///
/// Where a list loses rows, the rows that these led to (through any number of removed rows, nearest links first, up to
/// PS_HNSW_REPAIR_MOST) are candidates to replace them: best first, a row is linked when it is nearer to the list's owner than to every row in the
/// list, up to `links_kept` in layer 0 and `upper_kept` above. The other rows of the list stay where they are.
/// Shapes: removed (ceil(N/64)); links (N,links_kept); upper_links (upper_rows,upper_kept). Lists longer than these are cut.
/// Workspace: as for ps_hnsw_search.
#define PS_HNSW_REPAIR_MOST 512
ps_status ps_hnsw_repair_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t *bytes);
ps_status ps_hnsw_repair(const ps_context *ctx, const ps_hnsw_graph *graph, const uint64_t *removed, int64_t links_kept, int64_t upper_kept,
                         uint32_t *links, uint32_t *upper_links, void *workspace, int64_t workspace_bytes);
#endif
