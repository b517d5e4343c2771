#include "ps_norm.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

ps_status ps_norm_l2_forward_f32(const ps_context *ctx, const float *x, int64_t x_stride, int64_t B, int64_t E, float *y, int64_t y_stride,
                                 float *norms) {
    PS_TRY(ps_check_context(ctx));
    ps_extent in = PS_IN_ROWS(x, B, E, x_stride);
    // In place is allowed, with the same stride: then x is y and only listed once.
    if (x == y && x_stride == y_stride) in.rows = 0;
    PS_REQUIRE(B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(in, PS_OUT_ROWS(y, B, E, y_stride), PS_OUT_OPTIONAL(norms, B));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * E * 8), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        leaves->norm_l2_f32(x, x_stride, E, range.begin, range.end, y, y_stride, norms);
    }
    return PS_OK;
}

ps_status ps_norm_l2_backward_f32(const ps_context *ctx, const float *y, const float *dy, const float *norms, int64_t B, int64_t E,
                                  float *dx) {
    PS_TRY(ps_check_context(ctx));
    ps_extent gradient = PS_IN_ROWS(dy, B, E, E);
    if (dy == dx) gradient.rows = 0;
    PS_REQUIRE(B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(y, B, E, E), gradient, PS_IN(norms, B), PS_OUT_ROWS(dx, B, E, E));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * E * 12), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        leaves->norm_l2_backward_f32(y, dy, norms, E, range.begin, range.end, dx);
    }
    return PS_OK;
}
