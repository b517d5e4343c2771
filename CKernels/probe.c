#include "ps_probe.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

ps_status ps_probe_read_f32(const ps_context *ctx, const float *x, int64_t count, double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(x, count), PS_OUT(out, 1));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    double sum = 0;
    int32_t threads = ps_team_size(ctx, count * 4);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) reduction(+ : sum)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(count, part, threads, 1024);
        sum += leaves->probe_read_f32(x, range.begin, range.end);
    }
    *out = sum;
    return PS_OK;
}

ps_status ps_probe_copy_f32(const ps_context *ctx, const float *x, int64_t count, float *y) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(x, count), PS_OUT(y, count));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, count * 8);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(count, part, threads, 1024);
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
    int32_t threads = ps_team_size(ctx, B * D * 4);
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) reduction(+ : sum)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(B, part, threads, 1);
        sum += leaves->probe_rows_f32(table, indices, D, range.begin, range.end, ahead);
    }
    *out = sum;
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
