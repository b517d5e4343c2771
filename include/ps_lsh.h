#ifndef PS_LSH_H
#define PS_LSH_H
#include "ps_context.h"

/// Locality sensitive hashing by signed random projections (Charikar 2002), searched with the Weak AND operator (Broder et al. 2003).
///
/// An item has one bucket in each table; a term is a pair of table and bucket, and its inverted list has the rows with that term, ascending. A query is
/// a list of weighted terms. WAND(terms, t) holds for a row when the weights of the query's terms that it has sum to at least t. The first level
/// finds the rows with the largest sums: t is the least sum among the best so far, and upper bounds of what the weaker terms can still add decide which
/// lists need not be read. The second level scores these candidates by f32 dot products.
///
/// Why not a merge of lists that stand at one row each: queries here have hundreds of terms whose lists interleave finely, so that a pivot moves by a row or
/// two and every step pays for keeping the lists sorted. Sums of a window of rows in cache cost one addition a posting, and the bounds are the same.

/// Rows whose sums are in memory at the same time.
#define PS_LSH_WINDOW 65536
/// No query's weights may sum to more: the sums are uint16.
#define PS_LSH_MOST_SUM 65535

/// Bit j of codes[n,t] says whether dot(rows[n,:], planes[t * bits + j,:]) + lifts[n] * plane_lifts[t * bits + j] >= thresholds[t * bits + j].
/// Shapes: rows (N,E); lifts (N), optional (0); planes (tables * bits, E); plane_lifts, thresholds (tables * bits); codes (N,tables).
/// Numerics: the dot products are those of ps_knn_scores_f32, so codes do not depend on threads; the sum is rounded twice.
/// BAD_PARAMETER: bits outside 1 ... 16, tables < 1.
ps_status ps_lsh_codes(const ps_context *ctx, const float *rows, const float *lifts, const float *planes, const float *plane_lifts,
                       const float *thresholds, int64_t N, int64_t E, int64_t tables, int64_t bits, uint16_t *codes);

/// One term of a query: the stretch begin ..< end of the postings, what it adds to a row's sum, and its table: a row has one term of a table.
typedef struct ps_lsh_term {
    int64_t begin, end;
    uint32_t weight, table;
} ps_lsh_term;

/// The k best rows of each query by f32 dot product among the `candidates` rows with the largest sums of weights (equal sums: lower rows), at least
/// one term each, of those whose bit in `allowed` is set.
/// Shapes: postings (P): rows, ascending in every list; terms of query q: terms[term_offsets[q] ..< term_offsets[q + 1]], by weight descending;
/// term_offsets (Q+1); rows (N,E); queries (Q,E); allowed (ceil(N/64)), optional; ids, scores (Q,k); counts (Q): how many were found, the places
/// beyond them get row -1 and score 0; visited (Q): postings that were read, optional.
/// Postings of a damaged file are safe: rows that are not below N, or not ascending, are passed over or end their list.
/// BAD_PARAMETER: k < 1, candidates < k, terms that are not in order, weights of 0, weights that may sum to more than PS_LSH_MOST_SUM, tables above
/// 65535. INDEX_OUT_OF_RANGE: a term outside the postings. BAD_OFFSETS: term_offsets. `most_terms`: the largest number of terms of a query.
ps_status ps_lsh_search_workspace_bytes(const ps_context *ctx, int64_t N, int64_t most_terms, int64_t candidates, int64_t *bytes);
ps_status ps_lsh_search(const ps_context *ctx, const uint32_t *postings, int64_t P, const ps_lsh_term *terms, const int64_t *term_offsets,
                        const float *rows, const float *queries, const uint64_t *allowed, int64_t N, int64_t E, int64_t Q, int64_t k,
                        int64_t candidates, int64_t *ids, float *scores, int64_t *counts, int64_t *visited, void *workspace,
                        int64_t workspace_bytes);
#endif
