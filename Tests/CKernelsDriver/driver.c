/// Runs every kernel on every instruction set of this machine against loops in double, without Swift, OpenMP or BLAS: for processors that
/// the package's own tests do not run on (scripts/test-neon) and for the sanitizers (scripts/test-kernels-sanitized).
/// Arrays are allocated at their exact size, so that the address sanitizer sees every element read or written beside them.
#include "driver.h"

int failures, checks;
const char *where = "";

static void fail(const char *what, double actual, double expected) {
    if (failures++ < 20) printf("not ok: %s on %s: %.9g, expected %.9g\n", what, where, actual, expected);
}
void near(const char *what, float actual, double expected, double scale, double units) {
    checks++;
    if (isnan(expected) ? isnan(actual) : fabs(actual - expected) <= units * (0x1p-24 * scale + 0.75e-45)) return;
    if ((double)actual == expected || (float)expected == actual) return;  // the second: beyond f32 both are infinite
    fail(what, actual, expected);
}
void equal(const char *what, long long actual, long long expected) {
    checks++;
    if (actual != expected) fail(what, (double)actual, (double)expected);
}
void ok(const char *what, ps_status status) { equal(what, status, PS_OK); }

uint64_t state = 1;
uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
int64_t below(int64_t bound) { return (int64_t)(next() % (uint64_t)bound); }
float uniform(void) { return (float)(next() >> 40) / (float)(1 << 23) - 1.0f; }
void *room(int64_t count, size_t size) {
    void *p = malloc(count > 0 ? (size_t)count * size : 1);
    if (!p) abort();
    return p;
}
float *floats(int64_t count) {
    float *x = room(count, sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = below(9) == 0 ? 0.0f : below(9) == 0 ? uniform() * 0x1p-133f : uniform();
    return x;
}
float *copied(const float *x, int64_t count) {
    float *y = room(count, sizeof *y);
    memcpy(y, x, (size_t)count * sizeof *y);
    return y;
}
float bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

lists ragged(int64_t B, int64_t N) {
    lists l = {.offsets = room(B + 1, 8)};
    l.offsets[0] = 0;
    for (int64_t b = 0; b < B; b++) l.offsets[b + 1] = l.offsets[b] + (below(4) ? below(11) : 0);
    l.Z = l.offsets[B];
    l.targets = room(l.Z, 4);
    for (int64_t z = 0; z < l.Z; z++) l.targets[z] = (int32_t)below(N);
    l.alpha = floats(l.Z);
    return l;
}
void release(lists l) {
    free(l.offsets);
    free(l.targets);
    free(l.alpha);
}

static void test_knn(const ps_context *ctx, int64_t E) {
    enum { N = 157, Q = 6, K = 10 };
    float *rows = room(N * E, 4), *queries = room(Q * E, 4);
    uint16_t *halves = room(N * E, 2);
    // Small whole numbers: every score is exact, so the order is, too.
    for (int64_t i = 0; i < N * E; i++) rows[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < Q * E; i++) queries[i] = (float)(below(7) - 3);
    ok("to bf16", ps_convert_f32_to_bf16(ctx, rows, N * E, halves));
    int64_t bytes = 0, *ids = room(Q * K, 8), above = 0, same = 0;
    float *scores = room(Q * K, 4), *all = room(N, 4);
    ok("workspace", ps_knn_topk_workspace_bytes(ctx, N, E, Q, K, &bytes));
    void *workspace = room(bytes, 1);
    for (int pass = 0; pass < 2; pass++) {
        ok("topk", pass ? ps_knn_topk_bf16(ctx, queries, halves, N, E, Q, K, ids, scores, workspace, bytes)
                        : ps_knn_topk_f32(ctx, queries, rows, N, E, Q, K, ids, scores, workspace, bytes));
        for (int64_t q = 0; q < Q; q++) {
            int64_t chosen[K], selected[K];
            float values[K];
            ok("scores", ps_knn_scores_f32(ctx, queries + q * E, rows, NULL, N, E, N, all));
            ok("select", ps_topk_select_f32(ctx, all, N, 1, N, K, selected, values));
            for (int64_t k = 0; k < K; k++) {
                int64_t best = -1;
                for (int64_t n = 0; n < N; n++) {
                    int taken = 0;
                    for (int64_t i = 0; i < k; i++) taken |= chosen[i] == n;
                    if (!taken && (best < 0 || all[n] > all[best])) best = n;
                }
                chosen[k] = best;
                equal("topk", ids[q * K + k], best);
                equal("select", selected[k], best);
                near("topk", scores[q * K + k], all[best], 0, 0);
            }
            ok("count above", ps_knn_count_above_f32(ctx, all, N, &all[chosen[K - 1]], 1, N, &above, &same));
            equal("count above", above < K && above + same >= K, 1);
        }
    }
    free(workspace);
    int8_t *codes = room(N * E, 1);
    float *scales = room(N, 4), *residuals = room(N, 4), *norms = room(N, 4), *bounded_scores = room(Q * K, 4);
    int64_t *bounded_ids = room(Q * K, 8), *rescored = room(Q, 8);
    for (int64_t i = 0; i < N * E; i++) rows[i] = uniform();
    ok("workspace", ps_knn_topk_workspace_bytes(ctx, N, E, Q, K, &bytes));
    workspace = room(bytes, 1);
    ok("topk", ps_knn_topk_f32(ctx, queries, rows, N, E, Q, K, ids, scores, workspace, bytes));
    free(workspace);
    ok("quantize", ps_knn_quantize_i8(ctx, rows, N, E, codes, scales, residuals, norms));
    ok("bounded workspace", ps_knn_topk_bounded_workspace_bytes(ctx, N, E, Q, K, &bytes));
    workspace = room(bytes, 1);
    ok("bounded", ps_knn_topk_bounded_i8(ctx, queries, rows, codes, scales, residuals, norms, N, E, Q, K, bounded_ids, bounded_scores, rescored,
                                         workspace, bytes));
    for (int64_t q = 0; q < Q; q++) equal("rows scored again", rescored[q] >= K && rescored[q] <= N, 1);
    equal("bounded ids", memcmp(ids, bounded_ids, Q * K * sizeof *ids), 0);
    equal("bounded scores", memcmp(scores, bounded_scores, Q * K * sizeof *scores), 0);
    free(codes); free(scales); free(residuals); free(norms); free(bounded_scores); free(bounded_ids); free(rescored);
    free(rows); free(queries); free(halves); free(ids); free(scores); free(all); free(workspace);
}

/// Graphs of every storage: what is found has the twin's scores, and damaged lists lead nowhere outside.
static void test_hnsw(const ps_context *ctx, int64_t E) {
    enum { N = 157, Q = 3, K = 10, EF = 40, BATCH = 37, WIDTH = 12, UPPER = 6, KEPT = 8, UPPER_KEPT = 4 };
    float *rows = room(N * E, 4), *queries = room(Q * E, 4);
    for (int64_t i = 0; i < N * E; i++) rows[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < Q * E; i++) queries[i] = (float)(below(7) - 3);
    uint16_t *halves = room(N * E, 2);
    int8_t *codes = room(N * E, 1);
    float *scales = room(N, 4), *residuals = room(N, 4), *norms = room(N, 4);
    ok("to bf16", ps_convert_f32_to_bf16(ctx, rows, N * E, halves));
    ok("quantize", ps_knn_quantize_i8(ctx, rows, N, E, codes, scales, residuals, norms));
    uint32_t *first = room(N, 4), *batch = room(N, 4);
    int32_t *levels = room(N, 4);
    int64_t lists = 0;
    for (int64_t n = 0; n < N; n++) {  // the highest levels first, as the caller has them
        levels[n] = n < 4 ? 3 : n < 12 ? 2 : n < 40 ? 1 : 0;
        batch[n] = (uint32_t)n;
        first[n] = (uint32_t)lists;
        lists += levels[n];
    }
    uint32_t *owners = room(lists, 4);
    for (int64_t n = 0; n < N; n++) {
        for (int32_t l = 0; l < levels[n]; l++) owners[first[n] + l] = (uint32_t)n;
    }
    const void *stored[] = {rows, halves, codes};
    for (int32_t storage = 0; storage < 3; storage++) {
        uint32_t *links = room(N * WIDTH, 4), *upper = room(lists * UPPER, 4), *packed = room(N * KEPT, 4), *packed_upper = room(lists * UPPER_KEPT, 4);
        memset(links, 0xff, N * WIDTH * 4);
        memset(upper, 0xff, (size_t)lists * UPPER * 4);
        ps_hnsw_graph graph = {.N = N, .E = E, .rows = stored[storage], .scales = storage == PS_HNSW_I8 ? scales : NULL, .links = links,
                               .upper_links = upper, .upper_first = first, .upper_owners = owners, .links_width = WIDTH, .upper_width = UPPER,
                               .upper_rows = lists, .entry = -1, .storage = (ps_hnsw_storage)storage};
        ps_hnsw_options options = {.ef = EF, .links = 6, .upper_links = 4, .links_kept = KEPT, .upper_kept = UPPER_KEPT};
        for (int64_t begin = 0; begin < N; begin += BATCH) {
            int64_t count = N - begin < BATCH ? N - begin : BATCH, of_batch = 0, bytes = 0;
            for (int64_t i = begin; i < begin + count; i++) of_batch += levels[i] + 1;
            ok("insert workspace", ps_hnsw_insert_workspace_bytes(ctx, &graph, &options, count, of_batch, &bytes));
            void *workspace = room(bytes, 1);
            memset(workspace, 0, (size_t)bytes);
            ok("insert", ps_hnsw_insert(ctx, &graph, batch + begin, levels + begin, count, &options, workspace, bytes));
            free(workspace);
            graph.entry = 0;
            graph.top = levels[0];
        }
        int64_t bytes = 0;
        ok("pack workspace", ps_hnsw_pack_workspace_bytes(ctx, &graph, &bytes));
        void *workspace = room(bytes, 1);
        memset(workspace, 0, (size_t)bytes);
        ok("pack", ps_hnsw_pack(ctx, &graph, KEPT, UPPER_KEPT, packed, packed_upper, workspace, bytes));
        free(workspace);
        graph.links = packed;
        graph.upper_links = packed_upper;
        graph.links_width = KEPT;
        graph.upper_width = UPPER_KEPT;
        ok("search workspace", ps_hnsw_search_workspace_bytes(ctx, &graph, EF, &bytes));
        workspace = room(bytes, 1);
        memset(workspace, 0, (size_t)bytes);
        int64_t *ids = room(Q * K, 8), *counts = room(Q, 8);
        float *scores = room(Q * K, 4);
        for (int32_t damaged = 0; damaged < 2; damaged++) {
            for (int64_t i = 0; damaged && i < N * KEPT; i++) packed[i] = below(4) == 0 ? (uint32_t)next() : (uint32_t)below(N);
            for (int64_t i = 0; damaged && i < lists * UPPER_KEPT; i++) packed_upper[i] = below(4) == 0 ? (uint32_t)next() : (uint32_t)below(N);
            ok("search", ps_hnsw_search(ctx, &graph, queries, rows, NULL, Q, K, EF, EF, ids, scores, counts, workspace, bytes));
            for (int64_t q = 0; q < Q; q++) {
                equal("found", counts[q] >= 1 && counts[q] <= K, 1);
                for (int64_t i = 0; i < counts[q]; i++) {
                    double dot = 0;
                    for (int64_t e = 0; e < E; e++) dot += (double)queries[q * E + e] * rows[ids[q * K + i] * E + e];
                    equal("score", (long long)scores[q * K + i], (long long)dot);
                }
            }
            // Every fourth row goes: nothing leads to it any more, whatever the lists hold.
            uint64_t *removed = room((N + 63) / 64, 8);
            memset(removed, 0, (N + 63) / 64 * 8);
            for (int64_t n = 0; n < N; n += 4) removed[n / 64] |= 1ull << (n % 64);
            uint32_t *repaired = room(N * KEPT, 4), *repaired_upper = room(lists * UPPER_KEPT, 4);
            int64_t repair_bytes = 0;
            ok("repair workspace", ps_hnsw_repair_workspace_bytes(ctx, &graph, &repair_bytes));
            void *repair_workspace = room(repair_bytes, 1);
            memset(repair_workspace, 0, (size_t)repair_bytes);
            ok("repair", ps_hnsw_repair(ctx, &graph, removed, KEPT, UPPER_KEPT, repaired, repaired_upper, repair_workspace, repair_bytes));
            for (int64_t n = 0; n < N; n++) {
                int32_t ended = 0;
                for (int64_t i = 0; i < KEPT; i++) {
                    uint32_t link = repaired[n * KEPT + i];
                    ended |= link == PS_HNSW_NONE;
                    equal("repaired link", ended ? link == PS_HNSW_NONE : link < N && link % 4 != 0 && n % 4 != 0, 1);
                }
            }
            free(removed), free(repaired), free(repaired_upper), free(repair_workspace);
        }
        free(links), free(upper), free(packed), free(packed_upper), free(workspace), free(ids), free(counts), free(scores);
    }
    free(rows), free(queries), free(halves), free(codes), free(scales), free(residuals), free(norms), free(first), free(batch), free(levels);
    free(owners);
}

/// Codes against signs in double, and searches against sums over all terms; damaged postings lead nowhere outside.
static void test_lsh(const ps_context *ctx, int64_t E) {
    enum { N = 157, Q = 3, K = 4, TABLES = 5, BITS = 3, CELLS = 1 << BITS, CANDIDATES = 20, TERMS = 12 };
    float *rows = room(N * E, 4), *planes = room(TABLES * BITS * E, 4), *lifts = room(N, 4), *plane_lifts = room(TABLES * BITS, 4);
    float *thresholds = room(TABLES * BITS, 4), *queries = room(Q * E, 4);
    for (int64_t i = 0; i < N * E; i++) rows[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < TABLES * BITS * E; i++) planes[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < N; i++) lifts[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < TABLES * BITS; i++) plane_lifts[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < TABLES * BITS; i++) thresholds[i] = (float)(below(7) - 3);
    for (int64_t i = 0; i < Q * E; i++) queries[i] = (float)(below(7) - 3);
    uint16_t *codes = room(N * TABLES, 2);
    ok("codes", ps_lsh_codes(ctx, rows, lifts, planes, plane_lifts, thresholds, N, E, TABLES, BITS, codes));
    for (int64_t n = 0; n < N; n++) {
        for (int64_t p = 0; p < TABLES * BITS; p++) {
            double dot = (double)lifts[n] * plane_lifts[p];
            for (int64_t e = 0; e < E; e++) dot += (double)rows[n * E + e] * planes[p * E + e];
            equal("code", codes[n * TABLES + p / BITS] >> (p % BITS) & 1, dot >= thresholds[p]);
        }
    }
    uint32_t *postings = room(TABLES * N, 4);
    int64_t starts[TABLES * CELLS + 1], count = 0;
    for (int64_t t = 0; t < TABLES; t++) {
        for (int64_t cell = 0; cell < CELLS; cell++) {
            starts[t * CELLS + cell] = count;
            for (int64_t n = 0; n < N; n++) {
                if (codes[n * TABLES + t] == cell) postings[count++] = (uint32_t)n;
            }
        }
    }
    starts[TABLES * CELLS] = count;
    ps_lsh_term *terms = room(Q * TERMS, sizeof *terms);
    int64_t offsets[Q + 1] = {0}, ids[Q * K], counts[Q], visited[Q], bytes = 0;
    float scores[Q * K];
    for (int64_t q = 0; q < Q; q++) {
        for (int64_t i = 0; i < TERMS; i++) {
            int64_t list = (i * 3 + q) % (TABLES * CELLS);
            terms[q * TERMS + i] = (ps_lsh_term){starts[list], starts[list + 1], (uint32_t)(40 - 3 * i), (uint32_t)(list / CELLS)};
        }
        offsets[q + 1] = (q + 1) * TERMS;
    }
    ok("lsh workspace", ps_lsh_search_workspace_bytes(ctx, N, TERMS, CANDIDATES, &bytes));
    void *workspace = room(bytes, 1);
    for (int32_t damaged = 0; damaged < 2; damaged++) {
        for (int64_t i = 0; damaged && i < count; i++) postings[i] = below(4) == 0 ? (uint32_t)next() : (uint32_t)below(N);
        ok("lsh", ps_lsh_search(ctx, postings, count, terms, offsets, rows, queries, NULL, N, E, Q, K, CANDIDATES, ids, scores, counts, visited,
                                workspace, bytes));
        for (int64_t q = 0; q < Q; q++) {
            int64_t sums[N] = {0};
            for (int64_t i = q * TERMS; i < (q + 1) * TERMS; i++) {
                for (int64_t p = terms[i].begin; p < terms[i].end; p++) sums[postings[p] % N] += terms[i].weight;
            }
            for (int64_t i = 0; i < counts[q]; i++) {
                double dot = 0;
                equal("lsh row", ids[q * K + i] >= 0 && ids[q * K + i] < N, 1);
                for (int64_t e = 0; e < E; e++) dot += (double)queries[q * E + e] * rows[ids[q * K + i] * E + e];
                equal("lsh score", (long long)scores[q * K + i], (long long)dot);
                int64_t better = 0;
                for (int64_t n = 0; n < N; n++) better += sums[n] > sums[ids[q * K + i]];
                if (!damaged) equal("lsh candidate", better < CANDIDATES && sums[ids[q * K + i]] > 0, 1);
            }
        }
    }
    free(rows), free(planes), free(lifts), free(plane_lifts), free(thresholds), free(queries), free(codes), free(postings), free(terms);
    free(workspace);
}

static void test_probes(const ps_context *ctx) {
    enum { COUNT = 1000 };
    float *x = floats(COUNT), *y = floats(COUNT);
    int64_t indices[] = {3, 0, 9}, flops = 0;
    double sum = 0;
    ok("probe read", ps_probe_read_f32(ctx, x, COUNT, &sum));
    ok("probe copy", ps_probe_copy_f32(ctx, x, COUNT, y));
    equal("probe copy", memcmp(x, y, sizeof(float) * COUNT), 0);
    ok("probe rows", ps_probe_rows_f32(ctx, x, indices, 10, 100, 3, 2, &sum));
    ok("probe sgemm", ps_probe_sgemm_f32(ctx, x, x, 5, 7, 11, y));
    for (int64_t i = 0; i < 35; i++) {
        double dot = 0;
        for (int64_t d = 0; d < 11; d++) dot += (double)x[i / 7 * 11 + d] * x[i % 7 * 11 + d];
        near("probe sgemm", y[i], dot, 11, 8);
    }
    ok("probe multiply", ps_probe_multiply_f32(ctx, 10, &flops, &sum));
    ok("probe bf16", ps_probe_multiply_bf16(ctx, 2, &flops, &sum));
    ok("probe i8", ps_probe_multiply_i8(ctx, 2, &flops, &sum));
    equal("probe multiply", flops > 0, 1);
    free(x); free(y);
}

int main(void) {
    const int64_t sizes[] = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 67, 130};
    for (int isa = PS_ISA_SCALAR; isa <= PS_ISA_NEON; isa++) {
        if (!ps_isa_supported((ps_isa)isa)) continue;
        for (int threads = 1; threads <= 3; threads += 2) {
            ps_context ctx;
            ok("context", ps_context_make((ps_isa)isa, threads, &ctx));
            ctx.bytes_per_thread = 1;
            where = ps_isa_name((ps_isa)isa);
            int before = checks;
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                test_gather(&ctx, sizes[i]);
                test_dense(&ctx, sizes[i]);
                test_dense_bf16(&ctx, sizes[i]);
                test_pool(&ctx, sizes[i]);
                test_norm(&ctx, sizes[i]);
                test_loss(&ctx, sizes[i]);
                test_dots(&ctx, sizes[i]);
                test_optim(&ctx, sizes[i]);
                test_knn(&ctx, sizes[i]);
                test_hnsw(&ctx, sizes[i]);
                uint64_t before_lsh = state;  // the other tests keep their numbers
                test_lsh(&ctx, sizes[i]);
                state = before_lsh;
            }
            test_probes(&ctx);
            printf("%s, %d parts: %d checks\n", where, threads, checks - before);
        }
    }
    printf(failures ? "%d of %d checks failed\n" : "ok: %d failures in %d checks\n", failures, checks);
    return failures ? 1 : 0;
}
