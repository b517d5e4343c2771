/// Normalisation, losses, dot products and optimizers.
#include "driver.h"

void test_norm(const ps_context *ctx, int64_t E) {
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

void test_loss(const ps_context *ctx, int64_t M) {
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
            // The gradients, from the formulas: of a negative by its own score, of the positive by minus their sum (and its own sigmoid).
            double positive_gradient = kind == 2 ? -2.0 / (1 + exp(positive[i] / 0.5)) : 0, size = fabs(positive_gradient);
            for (int64_t z = 0; z < M + l.offsets[i + 1] - l.offsets[i]; z++) {
                int is_hard = z >= M;
                double score = is_hard ? l.alpha[l.offsets[i] + z - M] : shared[i * M + z], gradient = 0;
                float actual = is_hard ? hard[l.offsets[i] + z - M] : s[i * M + z];
                if (score != -INFINITY) {
                    if (kind == 0 && score - positive[i] + 0.25 > 0) gradient = is_hard ? 2.0 : 0.5;
                    if (kind == 1) gradient = 2.0 * exp(score / 0.5 - (is_hard ? 0 : log_q[z])) / (own + others);
                    if (kind == 2) gradient = 2.0 / (1 + exp(-score / 0.5)) / count;
                }
                // At the hinge's corner f32 and double may disagree.
                if (kind == 0 && fabs(score - positive[i] + 0.25) < 1e-6) gradient = actual;
                near("negative's gradient", actual, gradient, gradient, 200);
                if (kind != 2) positive_gradient -= gradient;
                size += gradient;
            }
            near("positive's gradient", p[i], positive_gradient, size, 200);
        }
        free(s); free(p); free(hard);
    }
    equal("loss temperature", ps_loss_sampled_softmax_f32(ctx, P, M, 0, 1, log_q, positive, shared, l.offsets, l.alpha, losses), PS_BAD_PARAMETER);
    equal("loss overlap", ps_loss_max_margin_f32(ctx, P, M, 0.1f, 1, 1, positive, shared, l.offsets, l.alpha, positive), PS_OVERLAP);
    equal("loss size", ps_loss_cross_entropy_f32(ctx, -1, M, 1, 1, positive, shared, NULL, NULL, losses), PS_NEGATIVE_SIZE);
    free(positive); free(shared); free(losses); free(log_q);
    release(l);
}

void test_dots(const ps_context *ctx, int64_t E) {
    enum { P = 7 };
    lists l = ragged(P, P);
    float *a = floats(P * E), *b = floats(P * E), *out = floats(P), *da = floats(P * E), *db = floats(P * E), *many = floats(l.Z);
    ok("row dot", ps_row_dot_f32(ctx, a, b, P, E, out));
    ok("ragged dot", ps_ragged_dot_f32(ctx, a, b, l.offsets, l.targets, P, P, E, many));
    float *before = copied(da, P * E), *before_b = copied(db, P * E);
    ok("row dot backward", ps_row_dot_backward_f32(ctx, a, b, out, P, E, da, db));
    for (int64_t p = 0; p < P; p++) {
        double sum = 0;
        for (int64_t e = 0; e < E; e++) {
            sum += (double)a[p * E + e] * b[p * E + e];
            near("da", da[p * E + e], before[p * E + e] + (double)out[p] * b[p * E + e], (double)E + 1, 3);
            near("db", db[p * E + e], before_b[p * E + e] + (double)out[p] * a[p * E + e], (double)E + 1, 3);
        }
        near("row dot", out[p], sum, (double)E, 8);
        for (int64_t t = l.offsets[p]; t < l.offsets[p + 1]; t++) {
            sum = 0;
            for (int64_t e = 0; e < E; e++) sum += (double)a[p * E + e] * b[l.targets[t] * E + e];
            near("ragged dot", many[t], sum, (double)E, 8);
        }
    }
    free(a); free(b); free(out); free(da); free(db); free(many); free(before); free(before_b);
    release(l);
}

void test_optim(const ps_context *ctx, int64_t count) {
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
        near("adagrad v", v[i], v0[i] + gradient * gradient, 3, 4);
        near("adagrad", w[i], w0[i] - 0.125 * gradient / (sqrt(v0[i] + gradient * gradient) + 0.0625), 4, 8);
        squares += (double)g[i] * g[i];
    }
    ok("sum of squares", ps_sum_squares_f32(ctx, g, count, &sum));
    near("sum of squares", (float)sum, squares, squares, 2);
    memcpy(w0, w, (size_t)count * 4);
    ok("scale", ps_scale_f32(ctx, 0.3f, count, w));
    for (int64_t i = 0; i < count; i++) near("scale", w[i], 0.3f * w0[i], 0, 0);
    equal("scale nan", ps_scale_f32(ctx, NAN, count, w), PS_BAD_PARAMETER);
    equal("sgd momentum", ps_optim_sgd_f32(ctx, g, count, 0.1f, 1, 0, w, m), PS_BAD_PARAMETER);
    equal("adam step", ps_optim_adam_f32(ctx, g, count, 0, 0.1f, 0.9f, 0.9f, 0, 0, w, m, v), PS_BAD_PARAMETER);
    equal("adagrad size", ps_optim_adagrad_f32(ctx, g, -1, 0.1f, 0, 0, w, v), PS_NEGATIVE_SIZE);
    int64_t rows[2] = {0, 2};
    float *table = floats(3 * count), *tm = floats(3 * count), *tv = floats(3 * count), *two = floats(2 * count);
    for (int64_t i = 0; i < 3 * count; i++) tv[i] = fabsf(tv[i]);
    float *kept = copied(table, 3 * count), *kept_m = copied(tm, 3 * count), *kept_v = copied(tv, 3 * count);
    ok("adam rows", ps_optim_adam_rows_f32(ctx, two, rows, 3, count, 2, 3, 0.125f, 0.5f, 0.75f, 0.0625f, 0.25f, table, tm, tv));
    for (int64_t i = 0; i < 3 * count; i++) {
        double first = kept_m[i], second = kept_v[i], weight = kept[i];
        if (i / count != 1) {
            double gradient = two[(i / count / 2) * count + i % count];
            first = 0.5 * first + 0.5 * gradient;
            second = 0.75 * second + 0.25 * gradient * gradient;
            weight -= 0.125 * (first / 0.875 / (sqrt(second / (1 - 0.421875)) + 0.0625) + 0.25 * weight);
        }
        near("adam rows m", tm[i], first, i / count == 1 ? 0 : 2, 4);
        near("adam rows v", tv[i], second, i / count == 1 ? 0 : 2, 4);
        near("adam rows", table[i], weight, i / count == 1 ? 0 : 8, 8);
    }
    int64_t twice[2] = {1, 1};
    equal("adam rows twice", ps_optim_adam_rows_f32(ctx, two, twice, 3, count, 2, 3, 0.1f, 0.5f, 0.75f, 0, 0, table, tm, tv), PS_BAD_PARAMETER);
    memcpy(table, kept, (size_t)count * 12);
    memcpy(tm, kept_m, (size_t)count * 12);
    ok("sgd rows", ps_optim_sgd_rows_f32(ctx, two, rows, 3, count, 2, 0.125f, 0.5f, 0.25f, table, tm));
    for (int64_t i = 0; i < 3 * count; i++) {
        int untouched = i / count == 1;
        double velocity = untouched ? kept_m[i] : 0.5 * kept_m[i] + two[(i / count / 2) * count + i % count] + 0.25 * kept[i];
        near("sgd rows velocity", tm[i], velocity, untouched ? 0 : 3, 4);
        near("sgd rows", table[i], untouched ? kept[i] : kept[i] - 0.125 * velocity, untouched ? 0 : 3, 4);
    }
    memcpy(table, kept, (size_t)count * 12);
    memcpy(tv, kept_v, (size_t)count * 12);
    ok("adagrad rows", ps_optim_adagrad_rows_f32(ctx, two, rows, 3, count, 2, 0.125f, 0.0625f, 0.25f, table, tv));
    for (int64_t i = 0; i < 3 * count; i++) {
        int untouched = i / count == 1;
        double gradient = untouched ? 0 : two[(i / count / 2) * count + i % count] + 0.25 * kept[i], sum = kept_v[i] + gradient * gradient;
        near("adagrad rows v", tv[i], sum, untouched ? 0 : 3, 4);
        near("adagrad rows", table[i], untouched ? kept[i] : kept[i] - 0.125 * gradient / (sqrt(sum) + 0.0625), untouched ? 0 : 4, 8);
    }
    free(kept_m); free(kept_v);
    free(g); free(w); free(m); free(v); free(w0); free(m0); free(v0); free(table); free(tm); free(tv); free(two); free(kept);
}
