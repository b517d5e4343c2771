/// Runs every kernel on every instruction set of this machine against loops in double, without Swift, OpenMP or BLAS: for processors that
/// the package's own tests do not run on (scripts/test-neon) and for the sanitizers (scripts/test-kernels-sanitized).
/// Arrays are allocated at their exact size, so that the address sanitizer sees every element read or written beside them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ps_kernels.h"

static int failures, checks;
static const char *where = "";

static void fail(const char *what, double actual, double expected) {
    if (failures++ < 20) printf("not ok: %s on %s: %.9g, expected %.9g\n", what, where, actual, expected);
}
/// |actual - expected| <= units * (2^-24 * scale + half a denormal step), and NaN for NaN.
static void near(const char *what, float actual, double expected, double scale, double units) {
    checks++;
    if (isnan(expected) ? isnan(actual) : fabs(actual - expected) <= units * (0x1p-24 * scale + 0.75e-45)) return;
    if ((double)actual == expected) return;
    fail(what, actual, expected);
}
static void equal(const char *what, long long actual, long long expected) {
    checks++;
    if (actual != expected) fail(what, (double)actual, (double)expected);
}
static void ok(const char *what, ps_status status) { equal(what, status, PS_OK); }

static uint64_t state = 1;
static uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static int64_t below(int64_t bound) { return (int64_t)(next() % (uint64_t)bound); }
static float uniform(void) { return (float)(next() >> 40) / (float)(1 << 23) - 1.0f; }
static void *room(int64_t count, size_t size) {
    void *p = malloc(count > 0 ? (size_t)count * size : 1);
    if (!p) abort();
    return p;
}
static float *floats(int64_t count) {
    float *x = room(count, sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = below(9) == 0 ? 0.0f : below(9) == 0 ? uniform() * 0x1p-133f : uniform();
    return x;
}
static float *copied(const float *x, int64_t count) {
    float *y = room(count, sizeof *y);
    memcpy(y, x, (size_t)count * sizeof *y);
    return y;
}
static float bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/// Ragged lists with empty ones among them.
typedef struct lists {
    int64_t *offsets, Z;
    int32_t *targets;
    float *alpha;
} lists;
static lists ragged(int64_t B, int64_t N) {
    lists l = {.offsets = room(B + 1, 8)};
    l.offsets[0] = 0;
    for (int64_t b = 0; b < B; b++) l.offsets[b + 1] = l.offsets[b] + (below(4) ? below(11) : 0);
    l.Z = l.offsets[B];
    l.targets = room(l.Z, 4);
    for (int64_t z = 0; z < l.Z; z++) l.targets[z] = (int32_t)below(N);
    l.alpha = floats(l.Z);
    return l;
}
static void release(lists l) {
    free(l.offsets);
    free(l.targets);
    free(l.alpha);
}

static void test_gather(const ps_context *ctx, int64_t D) {
    enum { N = 13, B = 29 };
    float *table = floats(N * D), *out = floats(B * D);
    uint16_t *halves = room(N * D, 2);
    int64_t *indices = room(B, 8);
    for (int64_t b = 0; b < B; b++) indices[b] = below(N);
    ok("gather_f32", ps_gather_f32(ctx, table, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_f32", out[i], table[indices[i / D] * D + i % D], 0, 0);
    ok("convert_f32_to_bf16", ps_convert_f32_to_bf16(ctx, table, N * D, halves));
    for (int64_t i = 0; i < N * D; i++) near("convert_f32_to_bf16", bf16(halves[i]), table[i], fabs(table[i]), 0x1p16);
    ok("gather_bf16", ps_gather_bf16(ctx, halves, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_bf16", out[i], bf16(halves[indices[i / D] * D + i % D]), 0, 0);
    float *back = room(N * D, 4);
    ok("convert_bf16_to_f32", ps_convert_bf16_to_f32(ctx, halves, N * D, back));
    for (int64_t i = 0; i < N * D; i++) near("convert_bf16_to_f32", back[i], bf16(halves[i]), 0, 0);
    ok("convert_f32_to_f16", ps_convert_f32_to_f16(ctx, table, N * D, halves));
    ok("convert_f16_to_f32", ps_convert_f16_to_f32(ctx, halves, N * D, back));
    for (int64_t i = 0; i < N * D; i++) near("f16", back[i], table[i], fabs(table[i]) + 0x1p-13, 0x1p13);
    ok("gather_f16", ps_gather_f16(ctx, halves, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_f16", out[i], back[indices[i / D] * D + i % D], 0, 0);
    double *sums = room(N * D, 8);
    for (int64_t i = 0; i < N * D; i++) sums[i] = table[i];
    for (int64_t i = 0; i < B * D; i++) sums[indices[i / D] * D + i % D] += out[i];
    ok("scatter_add", ps_scatter_add_f32(ctx, out, indices, N, D, B, table));
    for (int64_t i = 0; i < N * D; i++) near("scatter_add", table[i], sums[i], B, B);
    indices[3] = N;
    equal("gather range", ps_gather_f32(ctx, table, D, indices, N, D, B, out, D), PS_INDEX_OUT_OF_RANGE);
    free(table); free(out); free(halves); free(indices); free(back); free(sums);
}

static void test_dense(const ps_context *ctx, int64_t D) {
    int64_t B = 7, D1 = D, D2 = D / 2, E = D + 1, W = D1 + D2;
    float *x1 = floats(B * D1), *x2 = floats(B * D2), *weight = floats(E * W), *bias = floats(E), *y = floats(B * E), *dy = floats(B * E);
    float *dweight = floats(E * W), *dbias = floats(E), *dx1 = floats(B * D1), *dx2 = floats(B * D2), *gradient = copied(dy, B * E);
    ok("dense_forward", ps_dense_forward_f32(ctx, x1, D1, x2, D2, weight, bias, B, D1, D2, E, PS_ACTIVATION_RELU, y));
    for (int64_t b = 0; b < B; b++) {
        for (int64_t e = 0; e < E; e++) {
            double sum = bias[e];
            for (int64_t d = 0; d < D1; d++) sum += (double)x1[b * D1 + d] * weight[e * W + d];
            for (int64_t d = 0; d < D2; d++) sum += (double)x2[b * D2 + d] * weight[e * W + D1 + d];
            near("dense_forward", y[b * E + e], sum > 0 ? sum : 0, (double)W + 1, 8);
        }
    }
    int64_t count;
    ok("dense_packed_count", ps_dense_packed_count(ctx, W, E, &count));
    float *packed = floats(count), *again = floats(B * E), *one = floats(E);
    ok("dense_pack", ps_dense_pack_f32(ctx, weight, W, E, packed));
    ok("dense_packed", ps_dense_packed_forward_f32(ctx, x1, D1, x2, D2, packed, bias, B, D1, D2, E, PS_ACTIVATION_RELU, again));
    for (int64_t b = 0; b < B; b++) {
        for (int64_t e = 0; e < E; e++) {
            double sum = bias[e];
            for (int64_t d = 0; d < D1; d++) sum += (double)x1[b * D1 + d] * weight[e * W + d];
            for (int64_t d = 0; d < D2; d++) sum += (double)x2[b * D2 + d] * weight[e * W + D1 + d];
            near("dense_packed", again[b * E + e], sum > 0 ? sum : 0, (double)W + 1, 8);
        }
        ok("dense_packed", ps_dense_packed_forward_f32(ctx, x1 + b * D1, D1, x2 + b * D2, D2, packed, bias, 1, D1, D2, E, PS_ACTIVATION_RELU, one));
        equal("a row alone", memcmp(one, again + b * E, (size_t)E * sizeof *one), 0);
    }
    free(packed); free(again); free(one);
    ok("dense_backward", ps_dense_backward_f32(ctx, x1, D1, x2, D2, weight, y, B, D1, D2, E, PS_ACTIVATION_RELU, 0, 0, dy, dweight, dbias, dx1,
                                               D1, dx2, D2));
    for (int64_t i = 0; i < B * E; i++) near("relu mask", dy[i], y[i] > 0 ? gradient[i] : 0, 0, 0);
    for (int64_t e = 0; e < E; e++) {
        double sum = 0;
        for (int64_t b = 0; b < B; b++) sum += dy[b * E + e];
        near("dbias", dbias[e], sum, (double)B, 8);
        for (int64_t d = 0; d < W; d++) {
            sum = 0;
            for (int64_t b = 0; b < B; b++) sum += (double)dy[b * E + e] * (d < D1 ? x1[b * D1 + d] : x2[b * D2 + d - D1]);
            near("dweight", dweight[e * W + d], sum, (double)B, 8);
        }
    }
    for (int64_t b = 0; b < B; b++) {
        for (int64_t d = 0; d < W; d++) {
            double sum = 0;
            for (int64_t e = 0; e < E; e++) sum += (double)dy[b * E + e] * weight[e * W + d];
            near("dx", d < D1 ? dx1[b * D1 + d] : dx2[b * D2 + d - D1], sum, (double)E, 8);
        }
    }
    free(x1); free(x2); free(weight); free(bias); free(y); free(dy); free(dweight); free(dbias); free(dx1); free(dx2); free(gradient);
}

static void test_dense_bf16(const ps_context *ctx, int64_t D) {
    int64_t B = 15, E = D + 3;
    float *x = floats(B * D), *weight = floats(E * D), *bias = floats(E), *y = floats(B * E);
    uint16_t *hx = room(B * D, 2), *hw = room(E * D, 2);
    // The dot-product instruction takes denormals as 0.
    for (int64_t i = 0; i < B * D; i++) x[i] = fabsf(x[i]) < 1e-30f ? 0 : x[i];
    ok("to bf16", ps_convert_f32_to_bf16(ctx, x, B * D, hx));
    ok("to bf16", ps_convert_f32_to_bf16(ctx, weight, E * D, hw));
    ok("dense bf16", ps_dense_forward_bf16(ctx, hx, D, hw, bias, B, D, E, PS_ACTIVATION_RELU, y));
    for (int64_t i = 0; i < B * E; i++) {
        double sum = bias[i % E];
        for (int64_t d = 0; d < D; d++) sum += (double)bf16(hx[i / E * D + d]) * bf16(hw[i % E * D + d]);
        near("dense bf16", y[i], sum > 0 ? sum : 0, (double)D + 1, 8);
    }
    free(x); free(weight); free(bias); free(y); free(hx); free(hw);
}

static void test_pool(const ps_context *ctx, int64_t H) {
    enum { N = 11, B = 17 };
    lists l = ragged(B, N);
    float *h = floats(N * H), *out = floats(B * H), *dh = floats(N * H), *dalpha = floats(l.Z);
    uint16_t *halves = room(N * H, 2);
    int32_t *argmax = room(B * H, 4), *rows = room(l.Z, 4);
    int64_t *offsets = room(N + 1, 8), *slots = room(l.Z, 8);
    double *sums = room(N * H, 8);
    ok("to bf16", ps_convert_f32_to_bf16(ctx, h, N * H, halves));
    for (int pass = 0; pass < 2; pass++) {
        ok("pool", pass ? ps_pool_weighted_forward_bf16(ctx, halves, l.offsets, l.targets, l.alpha, N, H, B, out)
                        : ps_pool_weighted_forward_f32(ctx, h, l.offsets, l.targets, l.alpha, N, H, B, out));
        for (int64_t i = 0; i < B * H; i++) {
            double sum = 0;
            for (int64_t t = l.offsets[i / H]; t < l.offsets[i / H + 1]; t++) {
                int64_t at = l.targets[t] * H + i % H;
                sum += (double)l.alpha[t] * (pass ? bf16(halves[at]) : h[at]);
            }
            near("pool", out[i], sum, 11, 13);
        }
    }
    ok("transpose", ps_pool_transpose(l.offsets, l.targets, N, B, offsets, rows, slots));
    ok("pool backward", ps_pool_weighted_backward_f32(ctx, out, l.alpha, offsets, rows, slots, N, H, B, 0, dh));
    memset(sums, 0, (size_t)(N * H) * 8);
    for (int64_t b = 0; b < B; b++) {
        for (int64_t t = l.offsets[b]; t < l.offsets[b + 1]; t++) {
            for (int64_t j = 0; j < H; j++) sums[l.targets[t] * H + j] += (double)l.alpha[t] * out[b * H + j];
        }
    }
    for (int64_t i = 0; i < N * H; i++) near("pool backward", dh[i], sums[i], 11.0 * (double)l.Z, 13);
    ok("pool alpha", ps_pool_weighted_backward_alpha_f32(ctx, out, h, l.offsets, l.targets, N, H, B, dalpha));
    for (int64_t b = 0; b < B; b++) {
        for (int64_t t = l.offsets[b]; t < l.offsets[b + 1]; t++) {
            double sum = 0;
            for (int64_t j = 0; j < H; j++) sum += (double)out[b * H + j] * h[l.targets[t] * H + j];
            near("pool alpha", dalpha[t], sum, 11.0 * (double)H, 13);
        }
    }
    ok("pool max", ps_pool_max_forward_f32(ctx, h, l.offsets, l.targets, N, H, B, out, argmax));
    for (int64_t i = 0; i < B * H; i++) {
        int64_t best = -1;
        for (int64_t t = l.offsets[i / H]; t < l.offsets[i / H + 1]; t++) {
            if (best < 0 || h[l.targets[t] * H + i % H] > h[l.targets[best] * H + i % H]) best = t;
        }
        equal("argmax", argmax[i], best);
        near("pool max", out[i], best < 0 ? 0 : h[l.targets[best] * H + i % H], 0, 0);
    }
    ok("pool max backward", ps_pool_max_backward_f32(ctx, out, argmax, offsets, rows, slots, N, H, B, 1, dh));
    free(h); free(out); free(dh); free(dalpha); free(halves); free(argmax); free(rows); free(offsets); free(slots); free(sums);
    release(l);
}

static void test_norm(const ps_context *ctx, int64_t E) {
    enum { B = 5 };
    float *x = floats(B * E), *y = floats(B * E), *norms = floats(B), *dy = floats(B * E), *dx = floats(B * E);
    for (int64_t e = 0; e < E; e++) {
        x[e] = 0;
        x[E + e] *= 1e37f;
        x[2 * E + e] *= 1e-37f;
    }
    ok("norm", ps_norm_l2_forward_f32(ctx, x, E, B, E, y, E, norms));
    ok("norm backward", ps_norm_l2_backward_f32(ctx, y, dy, norms, B, E, dx));
    for (int64_t b = 0; b < B; b++) {
        double sum = 0, along = 0;
        for (int64_t e = 0; e < E; e++) sum += (double)x[b * E + e] * x[b * E + e];
        for (int64_t e = 0; e < E; e++) along += (double)y[b * E + e] * dy[b * E + e];
        near("norms", norms[b], sqrt(sum), sqrt(sum), 2);
        for (int64_t e = 0; e < E; e++) {
            near("norm", y[b * E + e], sum > 0 ? x[b * E + e] / sqrt(sum) : 0, 1, 4);
            if (b > 2) near("norm backward", dx[b * E + e], sum > 0 ? (dy[b * E + e] - y[b * E + e] * along) / norms[b] : 0,
                            norms[b] > 0 ? (double)E / norms[b] : 0, 6);
        }
    }
    free(x); free(y); free(norms); free(dy); free(dx);
}

static void test_loss(const ps_context *ctx, int64_t M) {
    enum { P = 6 };
    lists l = ragged(P, 3);
    float *positive = floats(P), *shared = floats(P * M), *losses = floats(P), *log_q = floats(M);
    for (int kind = 0; kind < 3; kind++) {
        float *s = copied(shared, P * M), *p = copied(positive, P), *hard = copied(l.alpha, l.Z);
        if (P * M > 2) s[1] = shared[1] = -INFINITY;
        if (kind == 0) ok("max margin", ps_loss_max_margin_f32(ctx, P, M, 0.25f, 0.5f, 2.0f, p, s, l.offsets, hard, losses));
        if (kind == 1) ok("softmax", ps_loss_sampled_softmax_f32(ctx, P, M, 0.5f, 1.0f, log_q, p, s, l.offsets, hard, losses));
        if (kind == 2) ok("cross entropy", ps_loss_cross_entropy_f32(ctx, P, M, 0.5f, 1.0f, p, s, l.offsets, hard, losses));
        for (int64_t i = 0; i < P; i++) {
            double loss = 0, others = 0, own = exp(positive[i] / 0.5), count = 0;
            for (int64_t z = 0; z < M + l.offsets[i + 1] - l.offsets[i]; z++) {
                int is_hard = z >= M;
                double score = is_hard ? l.alpha[l.offsets[i] + z - M] : shared[i * M + z];
                double term = score - positive[i] + 0.25;
                if (score == -INFINITY) continue;
                count++;
                if (kind == 0 && term > 0) loss += term * (is_hard ? 2.0 : 0.5);
                if (kind == 1) others += exp(score / 0.5 - (is_hard ? 0 : log_q[z]));
                if (kind == 2) others += log1p(exp(score / 0.5));
            }
            if (kind == 1) loss = log1p(others / own);
            if (kind == 2) loss = log1p(exp(-positive[i] / 0.5)) + (count > 0 ? others / count : 0);
            near("loss", losses[i], loss, 1 + loss, 200);
        }
        free(s); free(p); free(hard);
    }
    free(positive); free(shared); free(losses); free(log_q);
    release(l);
}

static void test_dots(const ps_context *ctx, int64_t E) {
    enum { P = 7 };
    lists l = ragged(P, P);
    float *a = floats(P * E), *b = floats(P * E), *out = floats(P), *da = floats(P * E), *db = floats(P * E), *many = floats(l.Z);
    ok("row dot", ps_row_dot_f32(ctx, a, b, P, E, out));
    ok("ragged dot", ps_ragged_dot_f32(ctx, a, b, l.offsets, l.targets, P, P, E, many));
    float *before = copied(da, P * E);
    ok("row dot backward", ps_row_dot_backward_f32(ctx, a, b, out, P, E, da, db));
    for (int64_t p = 0; p < P; p++) {
        double sum = 0;
        for (int64_t e = 0; e < E; e++) {
            sum += (double)a[p * E + e] * b[p * E + e];
            near("da", da[p * E + e], before[p * E + e] + (double)out[p] * b[p * E + e], (double)E + 1, 3);
        }
        near("row dot", out[p], sum, (double)E, 8);
        for (int64_t t = l.offsets[p]; t < l.offsets[p + 1]; t++) {
            sum = 0;
            for (int64_t e = 0; e < E; e++) sum += (double)a[p * E + e] * b[l.targets[t] * E + e];
            near("ragged dot", many[t], sum, (double)E, 8);
        }
    }
    free(a); free(b); free(out); free(da); free(db); free(many); free(before);
    release(l);
}

static void test_optim(const ps_context *ctx, int64_t count) {
    float *g = floats(count), *w = floats(count), *m = floats(count), *v = floats(count);
    for (int64_t i = 0; i < count; i++) v[i] = fabsf(v[i]);
    float *w0 = copied(w, count), *m0 = copied(m, count), *v0 = copied(v, count);
    ok("sgd", ps_optim_sgd_f32(ctx, g, count, 0.125f, 0.5f, 0.25f, w, m));
    for (int64_t i = 0; i < count; i++) {
        double velocity = 0.5 * m0[i] + g[i] + 0.25 * w0[i];
        near("velocity", m[i], velocity, 3, 4);
        near("sgd", w[i], w0[i] - 0.125 * velocity, 3, 4);
    }
    memcpy(w, w0, (size_t)count * 4);
    memcpy(m, m0, (size_t)count * 4);
    ok("adam", ps_optim_adam_f32(ctx, g, count, 3, 0.125f, 0.5f, 0.75f, 0.0625f, 0.25f, w, m, v));
    for (int64_t i = 0; i < count; i++) {
        double first = 0.5 * m0[i] + 0.5 * g[i], second = 0.75 * v0[i] + 0.25 * g[i] * (double)g[i];
        near("adam m", m[i], first, 2, 4);
        near("adam v", v[i], second, 2, 4);
        near("adam", w[i], w0[i] - 0.125 * (first / 0.875 / (sqrt(second / (1 - 0.421875)) + 0.0625) + 0.25 * w0[i]), 8, 8);
    }
    memcpy(w, w0, (size_t)count * 4);
    memcpy(v, v0, (size_t)count * 4);
    ok("adagrad", ps_optim_adagrad_f32(ctx, g, count, 0.125f, 0.0625f, 0.25f, w, v));
    double squares = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double gradient = g[i] + 0.25 * w0[i];
        near("adagrad", w[i], w0[i] - 0.125 * gradient / (sqrt(v0[i] + gradient * gradient) + 0.0625), 4, 8);
        squares += (double)g[i] * g[i];
    }
    ok("sum of squares", ps_sum_squares_f32(ctx, g, count, &sum));
    near("sum of squares", (float)sum, squares, squares, 2);
    ok("scale", ps_scale_f32(ctx, 0.3f, count, w));
    int64_t rows[2] = {0, 2};
    float *table = floats(3 * count), *tm = floats(3 * count), *tv = floats(3 * count), *two = floats(2 * count);
    for (int64_t i = 0; i < 3 * count; i++) tv[i] = fabsf(tv[i]);
    float *kept = copied(table, 3 * count);
    ok("adam rows", ps_optim_adam_rows_f32(ctx, two, rows, 3, count, 2, 1, 0.1f, 0.9f, 0.99f, 1e-8f, 0, table, tm, tv));
    for (int64_t i = count; i < 2 * count; i++) near("adam rows", table[i], kept[i], 0, 0);
    free(g); free(w); free(m); free(v); free(w0); free(m0); free(v0); free(table); free(tm); free(tv); free(two); free(kept);
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
    int64_t *bounded_ids = room(Q * K, 8);
    for (int64_t i = 0; i < N * E; i++) rows[i] = uniform();
    ok("workspace", ps_knn_topk_workspace_bytes(ctx, N, E, Q, K, &bytes));
    workspace = room(bytes, 1);
    ok("topk", ps_knn_topk_f32(ctx, queries, rows, N, E, Q, K, ids, scores, workspace, bytes));
    free(workspace);
    ok("quantize", ps_knn_quantize_i8(ctx, rows, N, E, codes, scales, residuals, norms));
    ok("bounded workspace", ps_knn_topk_bounded_workspace_bytes(ctx, N, E, Q, K, &bytes));
    workspace = room(bytes, 1);
    ok("bounded", ps_knn_topk_bounded_i8(ctx, queries, rows, codes, scales, residuals, norms, N, E, Q, K, bounded_ids, bounded_scores, workspace,
                                         bytes));
    equal("bounded ids", memcmp(ids, bounded_ids, Q * K * sizeof *ids), 0);
    equal("bounded scores", memcmp(scores, bounded_scores, Q * K * sizeof *scores), 0);
    free(codes); free(scales); free(residuals); free(norms); free(bounded_scores); free(bounded_ids);
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
