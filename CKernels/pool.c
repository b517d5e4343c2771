#include "ps_pool.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

/// Offsets, then Z = offsets[B] and the neighbors.
static ps_status check_lists(const ps_context *ctx, const int64_t *offsets, const int32_t *neighbors, int64_t N, int64_t B) {
    PS_TRY(ps_check_offsets(ctx, offsets, B));
    PS_REQUIRE(neighbors != NULL || offsets[B] == 0, PS_NULL_POINTER);
    return ps_check_indices_i32(ctx, neighbors, offsets[B], N);
}

/// The sizes and the offsets pointer, before offsets[B] may be read.
static ps_status check_list_sizes(const ps_context *ctx, const int64_t *offsets, int64_t N, int64_t H, int64_t B) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && H >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(offsets != NULL, PS_NULL_POINTER);
    PS_REQUIRE(B < INT64_MAX / 8, PS_SIZE_OVERFLOW);
    PS_REQUIRE(offsets[0] == 0 && offsets[B] >= 0, PS_BAD_OFFSETS);
    return PS_OK;
}

/// Memory traffic of pooling Z rows into B rows, capped so that it cannot overflow.
static int64_t traffic(int64_t Z, int64_t B, int64_t H) {
    int64_t bytes;
    return ps_multiply(Z + B, H * 4, &bytes) ? bytes : INT64_MAX / 2;
}

/// Runs the block for every part. Lists differ in length, so whoever is free takes the next; which thread computes a row changes nothing in it.
#define FOR_RAGGED_PARTS(bytes) \
    int32_t threads = ps_team_size(ctx, (bytes)), parts = ps_parts(threads), next = 0; \
    _Pragma("omp parallel num_threads(threads) if (threads > 1)") \
    PS_EACH_PART(next, parts, part)

ps_status ps_pool_weighted_forward_f32(const ps_context *ctx, const float *h, const int64_t *offsets, const int32_t *neighbors,
                                       const float *alpha, int64_t N, int64_t H, int64_t B, float *out) {
    PS_TRY(check_list_sizes(ctx, offsets, N, H, B));
    int64_t Z = offsets[B];
    PS_CHECK_EXTENTS(PS_IN_ROWS(h, N, H, H), PS_IN(offsets, B + 1), PS_IN(neighbors, Z), PS_IN(alpha, Z), PS_OUT_ROWS(out, B, H, H));
    PS_TRY(check_lists(ctx, offsets, neighbors, N, B));
    if (B == 0 || H == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(Z, B, H)) {
        ps_range range = ps_part_ragged(offsets, B, part, parts);
        leaves->pool_weighted_f32(h, offsets, neighbors, alpha, H, range.begin, range.end, out);
    }
    return PS_OK;
}

ps_status ps_pool_weighted_forward_bf16(const ps_context *ctx, const uint16_t *h, const int64_t *offsets, const int32_t *neighbors,
                                        const float *alpha, int64_t N, int64_t H, int64_t B, float *out) {
    PS_TRY(check_list_sizes(ctx, offsets, N, H, B));
    int64_t Z = offsets[B];
    PS_CHECK_EXTENTS(PS_IN_ROWS(h, N, H, H), PS_IN(offsets, B + 1), PS_IN(neighbors, Z), PS_IN(alpha, Z), PS_OUT_ROWS(out, B, H, H));
    PS_TRY(check_lists(ctx, offsets, neighbors, N, B));
    if (B == 0 || H == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(Z, B, H)) {
        ps_range range = ps_part_ragged(offsets, B, part, parts);
        leaves->pool_weighted_bf16(h, offsets, neighbors, alpha, H, range.begin, range.end, out);
    }
    return PS_OK;
}

ps_status ps_pool_transpose(const int64_t *offsets, const int32_t *neighbors, int64_t N, int64_t B, int64_t *t_offsets, int32_t *t_rows,
                            int64_t *t_slots) {
    PS_REQUIRE(N >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(offsets != NULL, PS_NULL_POINTER);
    PS_REQUIRE(B <= INT32_MAX && N < INT64_MAX / 8, PS_SIZE_OVERFLOW);
    PS_REQUIRE(offsets[0] == 0 && offsets[B] >= 0, PS_BAD_OFFSETS);
    int64_t Z = offsets[B];
    PS_CHECK_EXTENTS(PS_IN(offsets, B + 1), PS_IN(neighbors, Z), PS_OUT(t_offsets, N + 1), PS_OUT(t_rows, Z), PS_OUT(t_slots, Z));
    const ps_context serial = {.threads = 1, .bytes_per_thread = INT64_MAX};
    PS_TRY(check_lists(&serial, offsets, neighbors, N, B));
    // A counting sort: t_offsets[n] first counts row n - 1, then is the place of row n's next slot, and ends as the start of row n + 1.
    for (int64_t n = 0; n <= N; n++) t_offsets[n] = 0;
    for (int64_t z = 0; z < Z; z++) t_offsets[neighbors[z] + 1]++;
    for (int64_t n = 0; n < N; n++) t_offsets[n + 1] += t_offsets[n];
    for (int64_t b = 0; b < B; b++) {
        for (int64_t z = offsets[b]; z < offsets[b + 1]; z++) {
            int64_t place = t_offsets[neighbors[z]]++;
            t_rows[place] = (int32_t)b;
            t_slots[place] = z;
        }
    }
    for (int64_t n = N; n > 0; n--) t_offsets[n] = t_offsets[n - 1];
    t_offsets[0] = 0;
    return PS_OK;
}

/// A transposed index: offsets, rows below B, slots below their own count.
static ps_status check_transposed(const ps_context *ctx, const int64_t *t_offsets, const int32_t *t_rows, const int64_t *t_slots, int64_t N,
                                  int64_t B) {
    PS_TRY(check_lists(ctx, t_offsets, t_rows, B, N));
    return ps_check_indices_i64(ctx, t_slots, t_offsets[N], t_offsets[N]);
}

ps_status ps_pool_weighted_backward_f32(const ps_context *ctx, const float *dout, const float *alpha, const int64_t *t_offsets,
                                        const int32_t *t_rows, const int64_t *t_slots, int64_t N, int64_t H, int64_t B, int32_t accumulate,
                                        float *dh) {
    PS_TRY(check_list_sizes(ctx, t_offsets, B, H, N));
    int64_t Z = t_offsets[N];
    PS_REQUIRE(B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(dout, B, H, H), PS_IN(alpha, Z), PS_IN(t_offsets, N + 1), PS_IN(t_rows, Z), PS_IN(t_slots, Z),
                     PS_OUT_ROWS(dh, N, H, H));
    PS_TRY(check_transposed(ctx, t_offsets, t_rows, t_slots, N, B));
    PS_REQUIRE((accumulate | 1) == 1, PS_BAD_PARAMETER);
    if (N == 0 || H == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(Z, N, H)) {
        ps_range range = ps_part_ragged(t_offsets, N, part, parts);
        leaves->pool_weighted_backward_f32(dout, alpha, t_offsets, t_rows, t_slots, H, range.begin, range.end, accumulate, dh);
    }
    return PS_OK;
}

ps_status ps_pool_weighted_backward_alpha_f32(const ps_context *ctx, const float *dout, const float *h, const int64_t *offsets,
                                              const int32_t *neighbors, int64_t N, int64_t H, int64_t B, float *dalpha) {
    PS_TRY(check_list_sizes(ctx, offsets, N, H, B));
    int64_t Z = offsets[B];
    PS_CHECK_EXTENTS(PS_IN_ROWS(dout, B, H, H), PS_IN_ROWS(h, N, H, H), PS_IN(offsets, B + 1), PS_IN(neighbors, Z), PS_OUT(dalpha, Z));
    PS_TRY(check_lists(ctx, offsets, neighbors, N, B));
    if (Z == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(Z, B, H)) {
        ps_range range = ps_part_ragged(offsets, B, part, parts);
        leaves->pool_alpha_f32(dout, h, offsets, neighbors, H, range.begin, range.end, dalpha);
    }
    return PS_OK;
}

ps_status ps_pool_max_forward_f32(const ps_context *ctx, const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t N,
                                  int64_t H, int64_t B, float *out, int32_t *argmax) {
    PS_TRY(check_list_sizes(ctx, offsets, N, H, B));
    int64_t Z = offsets[B];
    PS_CHECK_EXTENTS(PS_IN_ROWS(h, N, H, H), PS_IN(offsets, B + 1), PS_IN(neighbors, Z), PS_OUT_ROWS(out, B, H, H),
                     PS_OUT_ROWS(argmax, B, H, H));
    PS_REQUIRE(Z <= INT32_MAX, PS_SIZE_OVERFLOW);
    PS_TRY(check_lists(ctx, offsets, neighbors, N, B));
    if (B == 0 || H == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(Z, B, H)) {
        ps_range range = ps_part_ragged(offsets, B, part, parts);
        leaves->pool_max_f32(h, offsets, neighbors, H, range.begin, range.end, out, argmax);
    }
    return PS_OK;
}

ps_status ps_pool_max_backward_f32(const ps_context *ctx, const float *dout, const int32_t *argmax, const int64_t *t_offsets,
                                   const int32_t *t_rows, const int64_t *t_slots, int64_t N, int64_t H, int64_t B, int32_t accumulate,
                                   float *dh) {
    PS_TRY(check_list_sizes(ctx, t_offsets, B, H, N));
    int64_t Z = t_offsets[N];
    PS_CHECK_EXTENTS(PS_IN_ROWS(dout, B, H, H), PS_IN_ROWS(argmax, B, H, H), PS_IN(t_offsets, N + 1), PS_IN(t_rows, Z), PS_IN(t_slots, Z),
                     PS_OUT_ROWS(dh, N, H, H));
    PS_REQUIRE(Z <= INT32_MAX, PS_SIZE_OVERFLOW);
    PS_TRY(check_transposed(ctx, t_offsets, t_rows, t_slots, N, B));
    PS_REQUIRE((accumulate | 1) == 1, PS_BAD_PARAMETER);
    if (N == 0 || H == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    FOR_RAGGED_PARTS(traffic(2 * Z, N, H)) {
        ps_range range = ps_part_ragged(t_offsets, N, part, parts);
        leaves->pool_max_backward_f32(dout, argmax, t_offsets, t_rows, t_slots, H, range.begin, range.end, accumulate, dh);
    }
    return PS_OK;
}
