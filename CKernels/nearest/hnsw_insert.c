#include "ps_hnsw.h"
#include <string.h>
#include "../internal/ps_team.h"
#include "../internal/ps_walk.h"

/// A link from a row of the batch, as the list that gets it and the row.
typedef uint64_t ps_back_link;
enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS, CHOSEN_AT_ONCE = 8 };

int64_t ps_walk_choose(ps_walk *walk, const uint64_t *keys, int64_t count, int64_t kept, int64_t most, uint32_t *chosen) {
    float scores[CHOSEN_AT_ONCE];
    for (int64_t i = 0; i < count && kept < most; i++) {
        int64_t row = ps_pool_row(keys[i]);
        float score = ps_key_score(keys[i]);
        ps_walk_set_row(walk, row);
        int32_t nearer = 0;
        for (int64_t first = 0; first < kept && !nearer; first += CHOSEN_AT_ONCE) {
            int64_t now = kept - first < CHOSEN_AT_ONCE ? kept - first : CHOSEN_AT_ONCE;
            ps_walk_score(walk, chosen + first, now, scores);
            for (int64_t j = 0; j < now; j++) nearer |= scores[j] > score;
        }
        if (!nearer) chosen[kept++] = (uint32_t)row;
    }
    return kept;
}

/// The list that layer `layer` of a row is: lists of layer 0 come first.
static int64_t list_number(const ps_hnsw_graph *graph, int64_t row, int32_t layer) {
    return layer == 0 ? row : graph->N + graph->upper_first[row] + layer - 1;
}

/// What the rows of a batch share.
typedef struct ps_insertion {
    const ps_hnsw_graph *graph;
    const uint32_t *batch;
    const int32_t *levels;
    const int64_t *first_list;  ///< (B + 1): the lists of batch row b are first_list[b] ..< first_list[b + 1], lowest layer first
    ps_back_link *back;         ///< (lists, most)
    int32_t *back_counts;       ///< (lists)
    int64_t B, most;
    const ps_hnsw_options *options;
} ps_insertion;

static void insert_row(ps_walk *walk, const ps_insertion *all, int64_t b, float *batch_scores) {
    const ps_hnsw_graph *graph = all->graph;
    uint32_t row = all->batch[b];
    int32_t level = all->levels[b];
    ps_walk_set_row(walk, row);
    ps_walk_score(walk, all->batch, all->B, batch_scores);
    int64_t start = -1;
    float score = 0;
    if (graph->entry >= 0) start = ps_walk_descend(walk, level < graph->top ? level : graph->top, &score);
    for (int32_t layer = level; layer >= 0; layer--) {
        walk->count = 0;
        if (start >= 0 && layer <= graph->top) {
            ps_walk_layer(walk, layer, start, score);
            ps_walk_forget(walk);
            start = ps_pool_row(walk->pool[0]);
            score = ps_key_score(walk->pool[0]);
        }
        for (int64_t other = 0; other < all->B; other++) {
            if (other == b || all->levels[other] < layer) continue;
            ps_walk_offer(walk, ps_pool_key(batch_scores[other], all->batch[other]));
        }
        int64_t width, most = layer == 0 ? all->options->links : all->options->upper_links;
        uint32_t *list = ps_list(graph, row, layer, &width);
        int64_t count = ps_walk_choose(walk, walk->pool, walk->count, 0, most, walk->fresh);
        memcpy(list, walk->fresh, (size_t)count * sizeof *list);
        int64_t at = all->first_list[b] + layer;
        int32_t linked = 0;
        for (int64_t i = 0; i < count; i++) {
            // A damaged list of a layer may lead to a row that has none there.
            int64_t number = list_number(graph, list[i], layer);
            if (layer > 0 && (number >= graph->N + graph->upper_rows || graph->upper_owners[number - graph->N] != list[i])) continue;
            all->back[at * all->most + linked++] = (uint64_t)number << 32 | row;
        }
        all->back_counts[at] = linked;
        ps_walk_set_row(walk, row);  // choosing had other queries
    }
}

/// Sorts by the upper half, stably.
static void sort_back_links(ps_back_link *links, ps_back_link *scratch, int64_t count, int64_t bound) {
    for (int32_t shift = 32; shift < 64 && (bound >> (shift - 32)) > 0; shift += RADIX_BITS) {
        int64_t starts[RADIX] = {0};
        for (int64_t i = 0; i < count; i++) starts[links[i] >> shift & (RADIX - 1)]++;
        int64_t sum = 0;
        for (int32_t digit = 0; digit < RADIX; digit++) {
            int64_t size = starts[digit];
            starts[digit] = sum;
            sum += size;
        }
        for (int64_t i = 0; i < count; i++) scratch[starts[links[i] >> shift & (RADIX - 1)]++] = links[i];
        memcpy(links, scratch, (size_t)count * sizeof *links);
    }
}

/// Chooses a list of `center` anew from the rows in walk->fresh[0 ..< count].
static int64_t choose_again(ps_walk *walk, int64_t center, int64_t count, int64_t most, uint32_t *chosen) {
    ps_walk_set_row(walk, center);
    ps_walk_score(walk, walk->fresh, count, walk->scores);
    for (int64_t i = 0; i < count; i++) walk->pool[i] = ps_pool_key(walk->scores[i], walk->fresh[i]);
    ps_keys_sort_descending(walk->pool, count);
    return ps_walk_choose(walk, walk->pool, count, 0, most, chosen);
}

/// Gives one list the batch's rows.
static void extend_list(ps_walk *walk, const ps_insertion *all, int64_t center, int32_t upper, uint32_t *list, int64_t width,
                        const ps_back_link *links, int64_t added) {
    int64_t count = 0;
    while (count < width && (int64_t)list[count] < all->graph->N) count++;
    // A row of the batch that links to this one may stand in its list already: they chose each other.
    memcpy(walk->fresh, list, (size_t)count * sizeof *list);
    int64_t total = count;
    for (int64_t i = 0; i < added; i++) {
        uint32_t row = (uint32_t)links[i];
        int32_t known = 0;
        for (int64_t j = 0; j < count; j++) known |= list[j] == row;
        if (!known) walk->fresh[total++] = row;
    }
    if (total > width) total = choose_again(walk, center, total, upper ? all->options->upper_kept : all->options->links_kept, list);
    else memcpy(list, walk->fresh, (size_t)total * sizeof *list);
    for (int64_t i = total; i < width; i++) list[i] = PS_HNSW_NONE;
}

typedef struct ps_insert_layout {
    int64_t walks, first_list, back, scratch, counts, total;
    int64_t breadth, ef, most;
} ps_insert_layout;

static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

static ps_status insert_layout(const ps_context *ctx, const ps_hnsw_graph *graph, const ps_hnsw_options *o, int64_t B, int64_t lists,
                               ps_insert_layout *layout) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    PS_REQUIRE(o != NULL, PS_NULL_POINTER);
    PS_REQUIRE(B >= 0 && lists >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(graph->upper_rows <= INT32_MAX && B <= 1 << 24 && lists <= (1 << 24) * (int64_t)(PS_HNSW_MOST_LEVELS + 1), PS_SIZE_OVERFLOW);
    PS_REQUIRE(o->ef >= 1 && o->ef <= 1 << 20 && o->links >= 1 && o->links <= graph->links_width, PS_BAD_PARAMETER);
    PS_REQUIRE(o->links_kept >= 1 && o->links_kept <= graph->links_width, PS_BAD_PARAMETER);
    int32_t has_upper = graph->upper_rows > 0;
    PS_REQUIRE(!has_upper || (o->upper_links >= 1 && o->upper_links <= graph->upper_width), PS_BAD_PARAMETER);
    PS_REQUIRE(!has_upper || (o->upper_kept >= 1 && o->upper_kept <= graph->upper_width), PS_BAD_PARAMETER);
    layout->most = has_upper ? greater(o->links, o->upper_links) : o->links;
    layout->breadth = B + ps_walk_breadth(graph);
    layout->ef = greater(o->ef, layout->breadth);  // a list chosen anew has its candidates in the pool
    int64_t walk = ps_walk_bytes(graph, layout->ef, layout->breadth), scores = (B * 4 + 63) / 64 * 64;
    PS_REQUIRE(walk > 0 && ps_multiply(walk + scores, ctx->threads, &layout->walks), PS_SIZE_OVERFLOW);
    layout->first_list = (B + 1) * 8;
    PS_REQUIRE(ps_multiply(lists, layout->most * 8, &layout->back), PS_SIZE_OVERFLOW);
    layout->scratch = layout->back;
    layout->counts = (lists * 4 + 7) / 8 * 8;
    int64_t total = layout->walks;
    const int64_t parts[] = {layout->first_list, layout->back, layout->scratch, layout->counts};
    for (int32_t i = 0; i < 4; i++) PS_REQUIRE(!__builtin_add_overflow(total, parts[i], &total), PS_SIZE_OVERFLOW);
    layout->total = total;
    return PS_OK;
}

ps_status ps_hnsw_insert_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, const ps_hnsw_options *options, int64_t B,
                                         int64_t lists, int64_t *bytes) {
    PS_REQUIRE(bytes != NULL, PS_NULL_POINTER);
    ps_insert_layout layout;
    PS_TRY(insert_layout(ctx, graph, options, B, lists, &layout));
    *bytes = layout.total;
    return PS_OK;
}

ps_status ps_hnsw_insert(const ps_context *ctx, const ps_hnsw_graph *graph, const uint32_t *batch, const int32_t *levels, int64_t B,
                         const ps_hnsw_options *options, void *workspace, int64_t workspace_bytes) {
    ps_insert_layout layout;
    PS_TRY(insert_layout(ctx, graph, options, B, 0, &layout));
    PS_REQUIRE(workspace_bytes >= 0, PS_NEGATIVE_SIZE);
    int64_t N = graph->N, lists = 0;
    ps_extent scratch = {workspace, 1, workspace_bytes, workspace_bytes, 1, 1, 0};
    PS_CHECK_EXTENTS(PS_IN(batch, B), PS_IN(levels, B), PS_OUT_ROWS(graph->links, N, graph->links_width, graph->links_width),
                     PS_OUT_ROWS(graph->upper_links, graph->upper_rows, graph->upper_width, graph->upper_width), scratch);
    for (int64_t b = 0; b < B; b++) PS_REQUIRE(batch[b] < N, PS_INDEX_OUT_OF_RANGE);
    PS_TRY(ps_check_owners(graph));
    for (int64_t b = 0; b < B; b++) {
        PS_REQUIRE(levels[b] >= 0 && levels[b] <= PS_HNSW_MOST_LEVELS, PS_BAD_PARAMETER);
        PS_REQUIRE(levels[b] == 0 || (int64_t)graph->upper_first[batch[b]] + levels[b] <= graph->upper_rows, PS_BAD_PARAMETER);
        lists += levels[b] + 1;
    }
    PS_REQUIRE((uintptr_t)workspace % 8 == 0, PS_BAD_PARAMETER);
    PS_TRY(insert_layout(ctx, graph, options, B, lists, &layout));
    PS_REQUIRE(workspace_bytes >= layout.total, PS_WORKSPACE_TOO_SMALL);
    if (B == 0) return PS_OK;

    char *at = (char *)workspace + layout.walks;
    int64_t *first_list = (int64_t *)(void *)at;
    at += layout.first_list;
    ps_back_link *back = (ps_back_link *)(void *)at, *sorted = (ps_back_link *)(void *)(at + layout.back);
    at += layout.back + layout.scratch;
    int32_t *back_counts = (int32_t *)(void *)at;
    first_list[0] = 0;
    for (int64_t b = 0; b < B; b++) first_list[b + 1] = first_list[b] + levels[b] + 1;
    ps_insertion all = {graph, batch, levels, first_list, back, back_counts, B, layout.most, options};

    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, INT64_MAX / 2);
    int64_t walk_bytes = ps_walk_bytes(graph, layout.ef, layout.breadth) * ctx->threads, score_bytes = (B * 4 + 63) / 64 * 64, next = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        ps_walk walk;
        ps_walk_place(&walk, workspace, part, ctx->threads, leaves, graph, layout.ef, layout.breadth);
        walk.capacity = options->ef;
        float *batch_scores = (float *)(void *)((char *)workspace + walk_bytes + part * score_bytes);
        for (;;) {
            int64_t b = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
            if (b >= B) break;
            insert_row(&walk, &all, b, batch_scores);
        }
    }
    int64_t count = 0;
    for (int64_t list = 0; list < lists; list++) {
        memmove(back + count, back + list * layout.most, (size_t)back_counts[list] * sizeof *back);
        count += back_counts[list];
    }
    sort_back_links(back, sorted, count, N + graph->upper_rows);
    // Each thread takes a stretch of the sorted links; a list belongs to the stretch in which it begins.
    enum { STRETCH = 256 };
    next = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t part = 0; part < threads; part++) {
        ps_walk walk;
        ps_walk_place(&walk, workspace, part, ctx->threads, leaves, graph, layout.ef, layout.breadth);
        for (;;) {
            int64_t begin = __atomic_fetch_add(&next, STRETCH, __ATOMIC_RELAXED);
            if (begin >= count) break;
            int64_t end = begin + STRETCH < count ? begin + STRETCH : count;
            while (begin > 0 && begin < end && back[begin] >> 32 == back[begin - 1] >> 32) begin++;
            while (begin < end) {
                int64_t stop = begin + 1, number = (int64_t)(back[begin] >> 32);
                while (stop < count && back[stop] >> 32 == back[begin] >> 32) stop++;
                int32_t upper = number >= N;
                uint32_t *list = upper ? graph->upper_links + (number - N) * graph->upper_width : graph->links + number * graph->links_width;
                int64_t center = upper ? graph->upper_owners[number - N] : number;
                extend_list(&walk, &all, center, upper, list, upper ? graph->upper_width : graph->links_width, back + begin, stop - begin);
                begin = stop;
            }
        }
    }
    return PS_OK;
}

ps_status ps_hnsw_pack_workspace_bytes(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t *bytes) {
    PS_TRY(ps_check_graph(graph));
    return ps_rewrite_workspace_bytes(ctx, graph, ps_walk_breadth(graph), bytes);
}

static void pack_list(ps_walk *walk, const void *of_all, int64_t center, int32_t layer, const uint32_t *list, int64_t width, int64_t most,
                      uint32_t *out) {
    (void)of_all, (void)layer;
    int64_t count = 0;
    while (count < width && (int64_t)list[count] < walk->graph->N) count++;
    if (count > most) {
        memcpy(walk->fresh, list, (size_t)count * sizeof *list);
        count = choose_again(walk, center, count, most, out);
    } else {
        memcpy(out, list, (size_t)count * sizeof *list);
    }
    for (int64_t i = count; i < most; i++) out[i] = PS_HNSW_NONE;
}

ps_status ps_hnsw_pack(const ps_context *ctx, const ps_hnsw_graph *graph, int64_t links_kept, int64_t upper_kept, uint32_t *links,
                       uint32_t *upper_links, void *workspace, int64_t workspace_bytes) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(ps_check_graph(graph));
    return ps_rewrite_lists(ctx, graph, ps_walk_breadth(graph), pack_list, NULL, links_kept, upper_kept, links, upper_links, workspace,
                            workspace_bytes);
}
