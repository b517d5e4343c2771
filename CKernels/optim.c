#include "ps_optim.h"
#include <math.h>
#include "internal/ps_check.h"
#include "internal/ps_team.h"

/// Cuts between threads fall on multiples of this many elements: whole pages, so that no two threads share a cache line.
enum { GRAIN = 1024 };

static int32_t is_fraction(float x) { return x >= 0.0f && x < 1.0f; }
static int32_t is_not_negative(float x) { return ps_is_finite(x) && x >= 0.0f; }

ps_status ps_optim_sgd_f32(const ps_context *ctx, const float *gradient, int64_t count, float learning_rate, float momentum,
                           float weight_decay, float *w, float *velocity) {
    PS_TRY(ps_check_context(ctx));
    ps_extent state = PS_OUT(velocity, count);
    state.optional = momentum == 0.0f;
    PS_CHECK_EXTENTS(PS_IN(gradient, count), PS_OUT(w, count), state);
    PS_REQUIRE(is_not_negative(learning_rate) && is_fraction(momentum) && is_not_negative(weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, count * 20), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, GRAIN);
        leaves->sgd_f32(gradient, range.begin, range.end, learning_rate, momentum, weight_decay, w, velocity);
    }
    return PS_OK;
}

/// The options that both forms of Adam share.
static int32_t are_adam_options(int64_t step, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay) {
    return step >= 1 && is_not_negative(learning_rate) && is_fraction(beta1) && is_fraction(beta2) && is_not_negative(epsilon) &&
           is_not_negative(weight_decay);
}
/// 1 / (1 - beta^step)
static float bias_correction(float beta, int64_t step) { return (float)(1.0 / (1.0 - pow((double)beta, (double)step))); }

ps_status ps_optim_adam_f32(const ps_context *ctx, const float *gradient, int64_t count, int64_t step, float learning_rate, float beta1,
                            float beta2, float epsilon, float weight_decay, float *w, float *m, float *v) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(gradient, count), PS_OUT(w, count), PS_OUT(m, count), PS_OUT(v, count));
    PS_REQUIRE(are_adam_options(step, learning_rate, beta1, beta2, epsilon, weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    float correction1 = bias_correction(beta1, step), correction2 = bias_correction(beta2, step);
    int32_t threads = ps_team_size(ctx, count * 28), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, GRAIN);
        leaves->adam_f32(gradient, range.begin, range.end, correction1, correction2, learning_rate, beta1, beta2, epsilon, weight_decay, w,
                         m, v);
    }
    return PS_OK;
}

ps_status ps_optim_adagrad_f32(const ps_context *ctx, const float *gradient, int64_t count, float learning_rate, float epsilon,
                               float weight_decay, float *w, float *v) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(gradient, count), PS_OUT(w, count), PS_OUT(v, count));
    PS_REQUIRE(is_not_negative(learning_rate) && is_not_negative(epsilon) && is_not_negative(weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, count * 20), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, GRAIN);
        leaves->adagrad_f32(gradient, range.begin, range.end, learning_rate, epsilon, weight_decay, w, v);
    }
    return PS_OK;
}

/// Rows below N, strictly ascending: then no row comes twice, and threads never meet.
static ps_status check_ascending_rows(const ps_context *ctx, const int64_t *rows, int64_t N, int64_t B) {
    PS_TRY(ps_check_indices_i64(ctx, rows, B, N));
    for (int64_t b = 1; b < B; b++) PS_REQUIRE(rows[b - 1] < rows[b], PS_BAD_PARAMETER);
    return PS_OK;
}

ps_status ps_optim_adam_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                 int64_t step, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float *w,
                                 float *m, float *v) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && D >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(gradient, B, D, D), PS_IN(rows, B), PS_OUT_ROWS(w, N, D, D), PS_OUT_ROWS(m, N, D, D),
                     PS_OUT_ROWS(v, N, D, D));
    PS_TRY(check_ascending_rows(ctx, rows, N, B));
    PS_REQUIRE(are_adam_options(step, learning_rate, beta1, beta2, epsilon, weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    float correction1 = bias_correction(beta1, step), correction2 = bias_correction(beta2, step);
    int32_t threads = ps_team_size(ctx, B * D * 28), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        for (int64_t b = range.begin; b < range.end; b++) {
            int64_t first = rows[b] * D;
            leaves->adam_f32(gradient + b * D, 0, D, correction1, correction2, learning_rate, beta1, beta2, epsilon, weight_decay,
                             w + first, m + first, v + first);
        }
    }
    return PS_OK;
}

ps_status ps_optim_sgd_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                float learning_rate, float momentum, float weight_decay, float *w, float *velocity) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && D >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    ps_extent state = PS_OUT_ROWS(velocity, N, D, D);
    state.optional = momentum == 0.0f;
    PS_CHECK_EXTENTS(PS_IN_ROWS(gradient, B, D, D), PS_IN(rows, B), PS_OUT_ROWS(w, N, D, D), state);
    PS_TRY(check_ascending_rows(ctx, rows, N, B));
    PS_REQUIRE(is_not_negative(learning_rate) && is_fraction(momentum) && is_not_negative(weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * D * 20), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        for (int64_t b = range.begin; b < range.end; b++) {
            int64_t first = rows[b] * D;
            leaves->sgd_f32(gradient + b * D, 0, D, learning_rate, momentum, weight_decay, w + first, velocity ? velocity + first : NULL);
        }
    }
    return PS_OK;
}

ps_status ps_optim_adagrad_rows_f32(const ps_context *ctx, const float *gradient, const int64_t *rows, int64_t N, int64_t D, int64_t B,
                                    float learning_rate, float epsilon, float weight_decay, float *w, float *v) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(N >= 0 && D >= 0 && B >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(gradient, B, D, D), PS_IN(rows, B), PS_OUT_ROWS(w, N, D, D), PS_OUT_ROWS(v, N, D, D));
    PS_TRY(check_ascending_rows(ctx, rows, N, B));
    PS_REQUIRE(is_not_negative(learning_rate) && is_not_negative(epsilon) && is_not_negative(weight_decay), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * D * 20), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 1);
        for (int64_t b = range.begin; b < range.end; b++) {
            int64_t first = rows[b] * D;
            leaves->adagrad_f32(gradient + b * D, 0, D, learning_rate, epsilon, weight_decay, w + first, v + first);
        }
    }
    return PS_OK;
}

ps_status ps_sum_squares_f32(const ps_context *ctx, const float *x, int64_t count, double *out) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN(x, count), PS_OUT(out, 1));
    enum { BLOCK = 4096, BLOCKS = 1024 };
    const ps_leaves *leaves = ps_leaves_of(ctx);
    double sum = 0, partial[BLOCKS];
    for (int64_t first = 0; first < count; first += (int64_t)BLOCK * BLOCKS) {
        int64_t length = count - first < (int64_t)BLOCK * BLOCKS ? count - first : (int64_t)BLOCK * BLOCKS;
        int64_t blocks = (length + BLOCK - 1) / BLOCK;
        int32_t threads = ps_team_size(ctx, length * 4);
        #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
        for (int64_t block = 0; block < blocks; block++) {
            int64_t begin = first + block * BLOCK, end = begin + BLOCK < first + length ? begin + BLOCK : first + length;
            partial[block] = leaves->sum_squares_f32(x, begin, end);
        }
        for (int64_t block = 0; block < blocks; block++) sum += partial[block];
    }
    *out = sum;
    return PS_OK;
}

ps_status ps_scale_f32(const ps_context *ctx, float factor, int64_t count, float *x) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_OUT(x, count));
    PS_REQUIRE(ps_is_finite(factor), PS_BAD_PARAMETER);
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, count * 8), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(count, part, parts, GRAIN);
        leaves->scale_f32(factor, range.begin, range.end, x);
    }
    return PS_OK;
}
