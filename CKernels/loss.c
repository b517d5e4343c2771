#include "ps_loss.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

/// What the three losses check alike. hard_offsets may be null: then no pair has hard negatives.
static ps_status check_loss(const ps_context *ctx, int64_t P, int64_t M, const float *log_q, float *positive, float *shared,
                            const int64_t *hard_offsets, float *hard, float *losses) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(P >= 0 && M >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(P < INT64_MAX / 8, PS_SIZE_OVERFLOW);
    int64_t Zh = 0;
    if (hard_offsets) {
        PS_REQUIRE(hard_offsets[0] == 0 && hard_offsets[P] >= 0, PS_BAD_OFFSETS);
        Zh = hard_offsets[P];
    }
    PS_CHECK_EXTENTS(PS_OUT(positive, P), PS_OUT_ROWS(shared, P, M, M), PS_IN_OPTIONAL(hard_offsets, P + 1), PS_OUT(hard, Zh),
                     PS_OUT(losses, P), PS_IN_OPTIONAL(log_q, M));
    return hard_offsets ? ps_check_offsets(ctx, hard_offsets, P) : PS_OK;
}

/// Threads for losses over P x M shared and Zh hard scores of which each costs about `work` bytes' worth of time.
static int32_t loss_team(const ps_context *ctx, int64_t P, int64_t M, const int64_t *hard_offsets, int64_t work) {
    return ps_team_size(ctx, (P * M + (hard_offsets ? hard_offsets[P] : 0)) * work);
}

ps_status ps_loss_max_margin_f32(const ps_context *ctx, int64_t P, int64_t M, float margin, float weight_shared, float weight_hard,
                                 float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses) {
    PS_TRY(check_loss(ctx, P, M, NULL, positive, shared, hard_offsets, hard, losses));
    PS_REQUIRE(ps_is_finite(margin) && ps_is_finite(weight_shared) && ps_is_finite(weight_hard), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = loss_team(ctx, P, M, hard_offsets, 8), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(P, part, parts, 1);
        leaves->max_margin_f32(M, margin, weight_shared, weight_hard, range.begin, range.end, positive, shared, hard_offsets, hard, losses);
    }
    return PS_OK;
}

ps_status ps_loss_sampled_softmax_f32(const ps_context *ctx, int64_t P, int64_t M, float temperature, float weight, const float *log_q,
                                      float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses) {
    PS_TRY(check_loss(ctx, P, M, log_q, positive, shared, hard_offsets, hard, losses));
    PS_REQUIRE(ps_is_finite(temperature) && temperature > 0.0f && ps_is_finite(weight), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = loss_team(ctx, P, M, hard_offsets, 32), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(P, part, parts, 1);
        leaves->sampled_softmax_f32(M, temperature, weight, log_q, range.begin, range.end, positive, shared, hard_offsets, hard, losses);
    }
    return PS_OK;
}

ps_status ps_loss_cross_entropy_f32(const ps_context *ctx, int64_t P, int64_t M, float temperature, float weight, float *positive,
                                    float *shared, const int64_t *hard_offsets, float *hard, float *losses) {
    PS_TRY(check_loss(ctx, P, M, NULL, positive, shared, hard_offsets, hard, losses));
    PS_REQUIRE(ps_is_finite(temperature) && temperature > 0.0f && ps_is_finite(weight), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = loss_team(ctx, P, M, hard_offsets, 256), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(P, part, parts, 1);
        leaves->cross_entropy_f32(M, temperature, weight, range.begin, range.end, positive, shared, hard_offsets, hard, losses);
    }
    return PS_OK;
}

ps_status ps_row_dot_f32(const ps_context *ctx, const float *a, const float *b, int64_t P, int64_t E, float *out) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(P >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(a, P, E, E), PS_IN_ROWS(b, P, E, E), PS_OUT(out, P));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, P * E * 8), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(P, part, parts, 16);
        leaves->row_dot_f32(a, b, E, range.begin, range.end, out);
    }
    return PS_OK;
}

ps_status ps_row_dot_backward_f32(const ps_context *ctx, const float *a, const float *b, const float *dout, int64_t P, int64_t E, float *da,
                                  float *db) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(P >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(a, P, E, E), PS_IN_ROWS(b, P, E, E), PS_IN(dout, P), PS_OUT_ROWS(da, P, E, E), PS_OUT_ROWS(db, P, E, E));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, P * E * 24), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(P, part, parts, 1);
        leaves->row_dot_backward_f32(a, b, dout, E, range.begin, range.end, da, db);
    }
    return PS_OK;
}

ps_status ps_ragged_dot_f32(const ps_context *ctx, const float *a, const float *b, const int64_t *offsets, const int32_t *indices, int64_t P,
                            int64_t N, int64_t E, float *out) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(P >= 0 && N >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_REQUIRE(offsets != NULL, PS_NULL_POINTER);
    PS_REQUIRE(P < INT64_MAX / 8, PS_SIZE_OVERFLOW);
    PS_REQUIRE(offsets[0] == 0 && offsets[P] >= 0, PS_BAD_OFFSETS);
    int64_t Z = offsets[P];
    PS_CHECK_EXTENTS(PS_IN_ROWS(a, P, E, E), PS_IN_ROWS(b, N, E, E), PS_IN(offsets, P + 1), PS_IN(indices, Z), PS_OUT(out, Z));
    PS_TRY(ps_check_offsets(ctx, offsets, P));
    PS_TRY(ps_check_indices_i32(ctx, indices, Z, N));
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, Z * E * 4), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part_ragged(offsets, P, part, parts);
        leaves->ragged_dot_f32(a, b, offsets, indices, E, range.begin, range.end, out);
    }
    return PS_OK;
}
