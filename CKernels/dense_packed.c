#include "ps_dense.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

ps_status ps_dense_packed_count(const ps_context *ctx, int64_t D, int64_t E, int64_t *count) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(count != NULL, PS_NULL_POINTER);
    PS_REQUIRE(D >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    int64_t columns = ps_leaves_of(ctx)->pack_columns;
    PS_REQUIRE(E <= INT64_MAX - columns, PS_SIZE_OVERFLOW);
    int64_t panels = (E + columns - 1) / columns, panel, all;
    PS_REQUIRE(ps_multiply(D, columns, &panel) && ps_multiply(panel, panels, &all), PS_SIZE_OVERFLOW);
    *count = all;  // only now: ps_multiply leaves the wrapped product behind when it fails
    return PS_OK;
}

ps_status ps_dense_pack_f32(const ps_context *ctx, const float *weight, int64_t D, int64_t E, float *packed) {
    int64_t count;
    PS_TRY(ps_dense_packed_count(ctx, D, E, &count));
    PS_CHECK_EXTENTS(PS_IN_ROWS(weight, E, D, D), PS_OUT(packed, count));
    ps_leaves_of(ctx)->dense_pack_f32(weight, D, E, packed);
    return PS_OK;
}

ps_status ps_dense_packed_forward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                                      const float *packed, const float *bias, int64_t B, int64_t D1, int64_t D2, int64_t E,
                                      ps_activation activation, float *y) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(B >= 0 && D1 >= 0 && D2 >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(D1 <= INT64_MAX - D2, PS_SIZE_OVERFLOW);
    int64_t count;
    PS_TRY(ps_dense_packed_count(ctx, D1 + D2, E, &count));
    PS_CHECK_EXTENTS(PS_IN_ROWS(x1, B, D1, x1_stride), PS_IN_ROWS(x2, B, D2, D2 == 0 ? 0 : x2_stride), PS_IN(packed, count),
                     PS_IN_OPTIONAL(bias, E), PS_OUT_ROWS(y, B, E, E));
    PS_REQUIRE(activation == PS_ACTIVATION_NONE || activation == PS_ACTIVATION_RELU, PS_BAD_PARAMETER);
    if (B == 0 || E == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t columns = leaves->pack_columns, panel = (D1 + D2) * columns, work;
    if (!ps_multiply(B * E, D1 + D2, &work)) work = INT64_MAX / 2;
    int32_t relu = activation == PS_ACTIVATION_RELU, threads = ps_team_size(ctx, work), parts = threads == 1 ? 1 : threads * 4;
    int32_t next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    for (int32_t part; (part = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < parts;) {
        ps_range range = ps_part(B, part, parts, 6);  // whole tiles
        if (D1 + D2 == 0) {
            for (int64_t i = range.begin * E; i < range.end * E; i++) y[i] = 0.0f;
        }
        if (D1 > 0) leaves->dense_packed_f32(x1, x1_stride, packed, panel, D1, E, range.begin, range.end, 0, y);
        if (D2 > 0) leaves->dense_packed_f32(x2, x2_stride, packed + D1 * columns, panel, D2, E, range.begin, range.end, D1 > 0, y);
        if (bias || relu) leaves->bias_activation_f32(bias, E, range.begin, range.end, relu, y, E);
    }
    return PS_OK;
}
