#include "ps_probe.h"
#include <string.h>
#include "internal/ps_blas.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

ps_status ps_probe_read_f32(const ps_context *ctx, const float *x, int64_t count, double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(x, count), PS_OUT(out, 1));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    double sum = 0;
    int32_t threads = ps_team_size(ctx, count * 4), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1) reduction(+ : sum)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, 1024);
        sum += leaves->probe_read_f32(x, range.begin, range.end);
    }
    *out = sum;
    return PS_OK;
}

ps_status ps_probe_copy_f32(const ps_context *ctx, const float *x, int64_t count, float *y) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(x, count), PS_OUT(y, count));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, count * 8), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, 1024);
        leaves->probe_copy_f32(x, range.begin, range.end, y);
    }
    return PS_OK;
}

ps_status ps_probe_rows_f32(const ps_context *ctx, const float *table, const int64_t *indices, int64_t N, int64_t D, int64_t B, int64_t ahead,
                            double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN_ROWS(table, N, D, D), PS_IN(indices, B), PS_OUT(out, 1));
    PS_TRY(ps_check_indices_i64(ctx, indices, B, N));
    PS_REQUIRE(ahead >= 0, PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    double sum = 0;
    int32_t threads = ps_team_size(ctx, B * D * 4), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1) reduction(+ : sum)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        sum += leaves->probe_rows_f32(table, indices, D, range.begin, range.end, ahead);
    }
    *out = sum;
    return PS_OK;
}

ps_status ps_probe_sgemm_f32(const ps_context *ctx, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float *c) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN_ROWS(a, m, k, k), PS_IN_ROWS(b, n, k, k), PS_OUT_ROWS(c, m, n, n));
    PS_REQUIRE(ps_blas_fits(m) && ps_blas_fits(n) && ps_blas_fits(k), PS_SIZE_OVERFLOW);
    if (m == 0 || n == 0 || k == 0) return PS_OK;
    ps_blas_set_threads(ctx->threads);
    ps_blas_sgemm_here(0, 1, m, n, k, 1.0f, a, k, b, k, 0.0f, c, n);
    ps_blas_set_threads(1);
    return PS_OK;
}

ps_status ps_probe_multiply_f32(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(rounds >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(flops != NULL && out != NULL, PS_NULL_POINTER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t per_thread, all;
    PS_REQUIRE(ps_multiply(rounds, leaves->probe_flops_per_round, &per_thread) && ps_multiply(per_thread, ctx->threads, &all), PS_SIZE_OVERFLOW);
    double sum = 0;
    int32_t threads = ps_team_size(ctx, INT64_MAX / 2);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1) reduction(+ : sum)
    for (int32_t part = 0; part < threads; part++) sum += leaves->probe_multiply_f32(rounds);
    *flops = all;
    *out = sum;
    return PS_OK;
}

/// Operands of the in-cache products: 12 rows by 16 columns of 256.
enum { PROBE_ROWS = 12, PROBE_COLUMNS = 16, PROBE_WIDTH = 256, PROBE_FLOPS = 2 * PROBE_ROWS * PROBE_COLUMNS * PROBE_WIDTH };

static double multiply_bf16(const ps_leaves *leaves, int64_t rounds) {
    uint16_t x[PROBE_ROWS * PROBE_WIDTH], weight[PROBE_COLUMNS * PROBE_WIDTH];
    float y[PROBE_ROWS * PROBE_COLUMNS];
    for (int32_t i = 0; i < PROBE_ROWS * PROBE_WIDTH; i++) x[i] = 0x3f80;
    for (int32_t i = 0; i < PROBE_COLUMNS * PROBE_WIDTH; i++) weight[i] = 0x3f00;
    for (int64_t round = 0; round < rounds; round++) {
        leaves->dense_bf16(x, PROBE_WIDTH, weight, PROBE_WIDTH, PROBE_COLUMNS, 0, PROBE_ROWS, y);
    }
    return rounds > 0 ? y[0] : 0;
}

static double multiply_i8(const ps_leaves *leaves, int64_t rounds) {
    int8_t x[PROBE_ROWS * PROBE_WIDTH], rows[PROBE_COLUMNS * PROBE_WIDTH];
    int32_t dots[PROBE_ROWS * PROBE_COLUMNS];
    memset(x, 3, sizeof x);
    memset(rows, 5, sizeof rows);
    for (int64_t round = 0; round < rounds; round++) {
        leaves->dots_i8(x, rows, PROBE_ROWS, PROBE_COLUMNS, PROBE_WIDTH, dots, PROBE_COLUMNS);
    }
    return rounds > 0 ? dots[0] : 0;
}

static ps_status probe_products(const ps_context *ctx, double (*body)(const ps_leaves *, int64_t), int64_t rounds, int64_t *flops, double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(rounds >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(flops != NULL && out != NULL, PS_NULL_POINTER);
    int64_t per_thread, all;
    PS_REQUIRE(ps_multiply(rounds, PROBE_FLOPS, &per_thread) && ps_multiply(per_thread, ctx->threads, &all), PS_SIZE_OVERFLOW);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    double sum = 0;
    int32_t threads = ps_team_size(ctx, INT64_MAX / 2);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1) reduction(+ : sum)
    for (int32_t part = 0; part < threads; part++) sum += body(leaves, rounds);
    *flops = all;
    *out = sum;
    return PS_OK;
}

ps_status ps_probe_multiply_bf16(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out) {
    return probe_products(ctx, multiply_bf16, rounds, flops, out);
}
ps_status ps_probe_multiply_i8(const ps_context *ctx, int64_t rounds, int64_t *flops, double *out) {
    return probe_products(ctx, multiply_i8, rounds, flops, out);
}
