/// Gather, dense layers and pooling.
#include "driver.h"

void test_gather(const ps_context *ctx, int64_t D) {
    enum { N = 13, B = 29 };
    float *table = floats(N * D), *out = floats(B * D);
    uint16_t *halves = room(N * D, 2);
    int64_t *indices = room(B, 8);
    for (int64_t b = 0; b < B; b++) indices[b] = below(N);
    ok("gather_f32", ps_gather_f32(ctx, table, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_f32", out[i], table[indices[i / D] * D + i % D], 0, 0);
    int32_t *short_indices = room(B, 4);
    for (int64_t b = 0; b < B; b++) short_indices[b] = (int32_t)indices[b];
    float *by_short = floats(B * D);
    ok("gather_f32_i32", ps_gather_f32_i32(ctx, table, D, short_indices, N, D, B, by_short, D));
    equal("gather_f32_i32", memcmp(by_short, out, (size_t)(B * D) * 4), 0);
    ok("convert_f32_to_bf16", ps_convert_f32_to_bf16(ctx, table, N * D, halves));
    for (int64_t i = 0; i < N * D; i++) near("convert_f32_to_bf16", bf16(halves[i]), table[i], fabs(table[i]), 0x1p16);
    ok("gather_bf16", ps_gather_bf16(ctx, halves, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_bf16", out[i], bf16(halves[indices[i / D] * D + i % D]), 0, 0);
    ok("gather_bf16_i32", ps_gather_bf16_i32(ctx, halves, D, short_indices, N, D, B, by_short, D));
    equal("gather_bf16_i32", memcmp(by_short, out, (size_t)(B * D) * 4), 0);
    float *back = room(N * D, 4);
    ok("convert_bf16_to_f32", ps_convert_bf16_to_f32(ctx, halves, N * D, back));
    for (int64_t i = 0; i < N * D; i++) near("convert_bf16_to_f32", back[i], bf16(halves[i]), 0, 0);
    ok("convert_f32_to_f16", ps_convert_f32_to_f16(ctx, table, N * D, halves));
    ok("convert_f16_to_f32", ps_convert_f16_to_f32(ctx, halves, N * D, back));
    for (int64_t i = 0; i < N * D; i++) near("f16", back[i], table[i], fabs(table[i]) + 0x1p-13, 0x1p13);
    ok("gather_f16", ps_gather_f16(ctx, halves, D, indices, N, D, B, out, D));
    for (int64_t i = 0; i < B * D; i++) near("gather_f16", out[i], back[indices[i / D] * D + i % D], 0, 0);
    ok("gather_f16_i32", ps_gather_f16_i32(ctx, halves, D, short_indices, N, D, B, by_short, D));
    equal("gather_f16_i32", memcmp(by_short, out, (size_t)(B * D) * 4), 0);
    double *sums = room(N * D, 8);
    for (int64_t i = 0; i < N * D; i++) sums[i] = table[i];
    for (int64_t i = 0; i < B * D; i++) sums[indices[i / D] * D + i % D] += out[i];
    ok("scatter_add", ps_scatter_add_f32(ctx, out, indices, N, D, B, table));
    for (int64_t i = 0; i < N * D; i++) near("scatter_add", table[i], sums[i], B, B);
    indices[3] = N;
    equal("gather range", ps_gather_f32(ctx, table, D, indices, N, D, B, out, D), PS_INDEX_OUT_OF_RANGE);
    short_indices[5] = -1;
    equal("gather range", ps_gather_f32_i32(ctx, table, D, short_indices, N, D, B, out, D), PS_INDEX_OUT_OF_RANGE);
    equal("gather stride", ps_gather_f32(ctx, table, D - 1, indices, N, D, B, out, D), PS_NEGATIVE_SIZE);
    equal("gather size", ps_gather_f32(ctx, table, D, indices, N, D, -1, out, D), PS_NEGATIVE_SIZE);
    equal("gather null", ps_gather_f32(ctx, table, D, NULL, N, D, B, out, D), PS_NULL_POINTER);
    equal("scatter range", ps_scatter_add_f32(ctx, out, indices, N, D, B, table), PS_INDEX_OUT_OF_RANGE);
    if (D > 0) equal("scatter overlap", ps_scatter_add_f32(ctx, table, indices, N, D, 1, table), PS_OVERLAP);
    free(table); free(out); free(halves); free(indices); free(back); free(sums); free(short_indices); free(by_short);
}

void test_dense(const ps_context *ctx, int64_t D) {
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
    // Once more, added to what is there: twice the gradients (the mask changes nothing the second time).
    float *once_weight = copied(dweight, E * W), *once_bias = copied(dbias, E), *once_x1 = copied(dx1, B * D1);
    ok("dense accumulates", ps_dense_backward_f32(ctx, x1, D1, x2, D2, weight, y, B, D1, D2, E, PS_ACTIVATION_RELU, 1, 1, dy, dweight, dbias, dx1,
                                                  D1, dx2, D2));
    for (int64_t i = 0; i < E * W; i++) near("dweight +=", dweight[i], 2.0 * once_weight[i], 2 * (double)B, 8);
    for (int64_t i = 0; i < E; i++) near("dbias +=", dbias[i], 2.0 * once_bias[i], 2 * (double)B, 8);
    for (int64_t i = 0; i < B * D1; i++) near("dx1 +=", dx1[i], 2.0 * once_x1[i], 2 * (double)E, 8);
    float *c = floats(B * E), *c0 = copied(c, B * E);
    ok("matmul", ps_matmul_f32(ctx, x1, D1, 0, weight, W, 1, B, E, D1, 2.0f, 0.5f, c, E));
    for (int64_t i = 0; i < B * E; i++) {
        double sum = 0.5 * c0[i];
        for (int64_t d = 0; d < D1; d++) sum += 2.0 * x1[i / E * D1 + d] * weight[i % E * W + d];
        near("matmul", c[i], sum, 2 * (double)D1 + 1, 8);
    }
    memcpy(c0, c, (size_t)(B * E) * 4);
    equal("matmul stride", ps_matmul_f32(ctx, x1, D1, 0, weight, D1 - 1, 1, B, E, D1, 1, 0, c, E), PS_NEGATIVE_SIZE);
    equal("matmul alpha", ps_matmul_f32(ctx, x1, D1, 0, weight, W, 1, B, E, D1, NAN, 0, c, E), PS_BAD_PARAMETER);
    equal("dense null", ps_dense_forward_f32(ctx, x1, D1, x2, D2, weight, bias, B, D1, D2, E, PS_ACTIVATION_RELU, NULL), PS_NULL_POINTER);
    equal("dense activation", ps_dense_forward_f32(ctx, x1, D1, x2, D2, weight, bias, B, D1, D2, E, (ps_activation)9, c), PS_BAD_PARAMETER);
    equal("dense overlap", ps_dense_forward_f32(ctx, x1, D1, x2, D2, weight, bias, B, D1, D2, E, PS_ACTIVATION_NONE, bias), PS_OVERLAP);
    equal("dense flag", ps_dense_backward_f32(ctx, x1, D1, x2, D2, weight, y, B, D1, D2, E, PS_ACTIVATION_RELU, 2, 0, dy, dweight, dbias, dx1, D1,
                                              dx2, D2), PS_BAD_PARAMETER);
    count = -5;
    equal("packed count", ps_dense_packed_count(ctx, INT64_MAX / 2, INT64_MAX / 2, &count), PS_SIZE_OVERFLOW);
    equal("packed count wrote", count, -5);
    equal("refusals wrote", memcmp(c, c0, (size_t)(B * E) * 4), 0);
    free(c); free(c0); free(once_weight); free(once_bias); free(once_x1);
    free(x1); free(x2); free(weight); free(bias); free(y); free(dy); free(dweight); free(dbias); free(dx1); free(dx2); free(gradient);
}

void test_dense_bf16(const ps_context *ctx, int64_t D) {
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

void test_pool(const ps_context *ctx, int64_t H) {
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
    float *once = copied(dh, N * H);
    ok("pool backward", ps_pool_weighted_backward_f32(ctx, out, l.alpha, offsets, rows, slots, N, H, B, 1, dh));
    for (int64_t i = 0; i < N * H; i++) near("pool backward +=", dh[i], 2.0 * once[i], 22.0 * (double)l.Z, 13);
    for (int64_t i = 0; i < N * H; i += 37) h[i] = NAN;
    ok("pool max", ps_pool_max_forward_f32(ctx, h, l.offsets, l.targets, N, H, B, out, argmax));
    for (int64_t i = 0; i < B * H; i++) {
        int64_t best = -1;
        for (int64_t t = l.offsets[i / H]; t < l.offsets[i / H + 1]; t++) {
            float v = h[l.targets[t] * H + i % H], most = best < 0 ? 0 : h[l.targets[best] * H + i % H];
            if (best < 0 || v > most || (isnan(v) && !isnan(most))) best = t;
        }
        equal("argmax", argmax[i], best);
        near("pool max", out[i], best < 0 ? 0 : h[l.targets[best] * H + i % H], 0, 0);
    }
    for (int64_t i = 0; i < B * H; i++) out[i] = uniform();
    for (int32_t accumulate = 0; accumulate < 2; accumulate++) {
        for (int64_t i = 0; i < N * H; i++) sums[i] = accumulate ? dh[i] : 0;
        for (int64_t i = 0; i < B * H; i++) {
            if (argmax[i] >= 0) sums[l.targets[argmax[i]] * H + i % H] += out[i];
        }
        ok("pool max backward", ps_pool_max_backward_f32(ctx, out, argmax, offsets, rows, slots, N, H, B, accumulate, dh));
        for (int64_t i = 0; i < N * H; i++) near("pool max backward", dh[i], sums[i], 2 * B, 2 * B);
    }
    memcpy(once, dh, (size_t)(N * H) * 4);
    equal("pool flag", ps_pool_weighted_backward_f32(ctx, out, l.alpha, offsets, rows, slots, N, H, B, 2, dh), PS_BAD_PARAMETER);
    equal("pool null", ps_pool_weighted_forward_f32(ctx, NULL, l.offsets, l.targets, l.alpha, N, H, B, dh),
          N * H > 0 ? PS_NULL_POINTER : PS_OK);
    equal("pool size", ps_pool_weighted_forward_f32(ctx, h, l.offsets, l.targets, l.alpha, N, -1, B, dh), PS_NEGATIVE_SIZE);
    if (l.Z > 0) {
        int32_t target = l.targets[0];
        l.targets[0] = N;
        equal("pool range", ps_pool_weighted_forward_f32(ctx, h, l.offsets, l.targets, l.alpha, N, H, B, out), PS_INDEX_OUT_OF_RANGE);
        l.targets[0] = target;
        l.offsets[1] = l.Z + 1;
        equal("pool offsets", ps_pool_weighted_forward_f32(ctx, h, l.offsets, l.targets, l.alpha, N, H, B, out), PS_BAD_OFFSETS);
    }
    equal("refusals wrote", memcmp(once, dh, (size_t)(N * H) * 4), 0);
    free(once);
    free(h); free(out); free(dh); free(dalpha); free(halves); free(argmax); free(rows); free(offsets); free(slots); free(sums);
    release(l);
}
