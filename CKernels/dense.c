#include "ps_dense.h"
#include <string.h>
#include "internal/ps_blas.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

/// BLAS's strides must be positive even where there is nothing to stride over.
static int64_t blas_stride(int64_t stride) { return stride > 0 ? stride : 1; }

static ps_status check_blas_sizes(const int64_t *sizes, int32_t count) {
    for (int32_t i = 0; i < count; i++) PS_REQUIRE(ps_blas_fits(sizes[i]), PS_SIZE_OVERFLOW);
    return PS_OK;
}

/// C = alpha op(A) op(B) + beta C, also for the sizes that BLAS leaves alone: an empty sum is 0.
static void product(const ps_context *ctx, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) {
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
        }
        return;
    }
    ps_blas_sgemm(ctx, transpose_a, transpose_b, m, n, k, alpha, a, blas_stride(lda), b, blas_stride(ldb), beta, c, blas_stride(ldc));
}

/// One layer's operands; y = act(x1 W1' + x2 W2' + bias).
typedef struct ps_layer {
    const float *x1, *x2, *weight, *bias;
    int64_t x1_stride, x2_stride, D1, D2, E;
    int32_t relu;
    float *y;
} ps_layer;

/// Rows and columns of a layer's output, on the calling thread: the products, then bias and ReLU.
// Not in smaller blocks that would still be in cache: BLAS packs the weights again for each, which costs more than the second pass over y.
static void layer_part(const ps_leaves *leaves, const ps_layer *l, ps_range rows, ps_range columns) {
    int64_t D = l->D1 + l->D2, count = rows.end - rows.begin, width = columns.end - columns.begin;
    const float *weight = l->weight + columns.begin * D;
    float *y = l->y + rows.begin * l->E + columns.begin;
    if (l->D1 > 0) {
        ps_blas_sgemm_here(0, 1, count, width, l->D1, 1.0f, l->x1 + rows.begin * l->x1_stride, l->x1_stride, weight, D, 0.0f, y, l->E);
    } else if (l->D2 == 0) {
        for (int64_t b = 0; b < count; b++) memset(y + b * l->E, 0, (size_t)width * sizeof *y);
    }
    if (l->D2 > 0) {
        ps_blas_sgemm_here(0, 1, count, width, l->D2, 1.0f, l->x2 + rows.begin * l->x2_stride, l->x2_stride, weight + l->D1, D,
                           l->D1 > 0 ? 1.0f : 0.0f, y, l->E);
    }
    if (!l->bias && !l->relu) return;
    leaves->bias_activation_f32(l->bias ? l->bias + columns.begin : NULL, width, 0, count, l->relu, y, l->E);
}

ps_status ps_dense_forward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                               const float *weight, const float *bias, int64_t B, int64_t D1, int64_t D2, int64_t E,
                               ps_activation activation, float *y) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(B >= 0 && D1 >= 0 && D2 >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_TRY(check_blas_sizes((const int64_t[]){B, D1, D2, E, x1_stride, D2 == 0 ? 0 : x2_stride}, 6));
    PS_REQUIRE(ps_blas_fits(D1 + D2), PS_SIZE_OVERFLOW);
    PS_CHECK_EXTENTS(PS_IN_ROWS(x1, B, D1, x1_stride), PS_IN_ROWS(x2, B, D2, D2 == 0 ? 0 : x2_stride),
                     PS_IN_ROWS(weight, E, D1 + D2, D1 + D2), PS_IN_OPTIONAL(bias, E), PS_OUT_ROWS(y, B, E, E));
    PS_REQUIRE(activation == PS_ACTIVATION_NONE || activation == PS_ACTIVATION_RELU, PS_BAD_PARAMETER);
    if (B == 0 || E == 0) return PS_OK;
    const ps_layer layer = {x1, x2, weight, bias, x1_stride, x2_stride, D1, D2, E, activation == PS_ACTIVATION_RELU, y};
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t parts = ps_blas_parts(ctx, B, E, D1 + D2), by_rows = B >= E;
    #pragma omp parallel for num_threads(parts) if (parts > 1) schedule(static)
    for (int32_t part = 0; part < parts; part++) {
        ps_range range = ps_part(by_rows ? B : E, part, parts, PS_BLAS_GRAIN);
        if (range.begin < range.end) layer_part(leaves, &layer, by_rows ? range : (ps_range){0, B}, by_rows ? (ps_range){0, E} : range);
    }
    return PS_OK;
}

ps_status ps_dense_forward_bf16(const ps_context *ctx, const uint16_t *x, int64_t x_stride, const uint16_t *weight, const float *bias,
                                int64_t B, int64_t D, int64_t E, ps_activation activation, float *y) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(B >= 0 && D >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_CHECK_EXTENTS(PS_IN_ROWS(x, B, D, x_stride), PS_IN_ROWS(weight, E, D, D), PS_IN_OPTIONAL(bias, E), PS_OUT_ROWS(y, B, E, E));
    PS_REQUIRE(activation == PS_ACTIVATION_NONE || activation == PS_ACTIVATION_RELU, PS_BAD_PARAMETER);
    if (B == 0 || E == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int64_t work;
    if (!ps_multiply(B * E, D, &work)) work = INT64_MAX / 2;
    int32_t relu = activation == PS_ACTIVATION_RELU, threads = ps_team_size(ctx, work), parts = ps_parts(threads), next = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    PS_EACH_PART(next, parts, part) {
        ps_range range = ps_part(B, part, parts, 6);  // whole tiles
        leaves->dense_bf16(x, x_stride, weight, D, E, range.begin, range.end, y);
        if (bias || relu) leaves->bias_activation_f32(bias, E, range.begin, range.end, relu, y, E);
    }
    return PS_OK;
}

ps_status ps_dense_backward_f32(const ps_context *ctx, const float *x1, int64_t x1_stride, const float *x2, int64_t x2_stride,
                                const float *weight, const float *y, int64_t B, int64_t D1, int64_t D2, int64_t E,
                                ps_activation activation, int32_t accumulate_weight, int32_t accumulate_dx1, float *dy, float *dweight,
                                float *dbias, float *dx1, int64_t dx1_stride, float *dx2, int64_t dx2_stride) {
    PS_TRY(ps_check_context(ctx));
    PS_REQUIRE(B >= 0 && D1 >= 0 && D2 >= 0 && E >= 0, PS_NEGATIVE_SIZE);
    PS_TRY(check_blas_sizes((const int64_t[]){B, D1, D2, E, x1_stride, x2_stride, dx1_stride, dx2_stride}, 8));
    int32_t relu = activation == PS_ACTIVATION_RELU;
    int64_t D = D1 + D2;
    PS_REQUIRE(ps_blas_fits(D), PS_SIZE_OVERFLOW);
    // y is read for the mask alone, x1 and x2 for dweight alone, weight for dx1 and dx2 alone: what is not read may be null.
    ps_extent in_x1 = PS_IN_ROWS(x1, B, D1, x1_stride), in_x2 = PS_IN_ROWS(x2, B, D2, D2 == 0 ? 0 : x2_stride);
    ps_extent in_weight = PS_IN_ROWS(weight, E, D, D), in_y = PS_IN_ROWS(y, B, E, E);
    in_x1.optional = in_x2.optional = dweight == NULL;
    in_weight.optional = dx1 == NULL && dx2 == NULL;
    in_y.optional = !relu;
    PS_CHECK_EXTENTS(in_x1, in_x2, in_weight, in_y, PS_OUT_ROWS(dy, B, E, E), PS_OUT_ROWS_OPTIONAL(dweight, E, D, D),
                     PS_OUT_OPTIONAL(dbias, E), PS_OUT_ROWS_OPTIONAL(dx1, B, D1, dx1_stride), PS_OUT_ROWS_OPTIONAL(dx2, B, D2, dx2_stride));
    PS_REQUIRE(activation == PS_ACTIVATION_NONE || relu, PS_BAD_PARAMETER);
    PS_REQUIRE((accumulate_weight | 1) == 1 && (accumulate_dx1 | 1) == 1, PS_BAD_PARAMETER);
    if (E > 0 && (relu || dbias)) {
        const ps_leaves *leaves = ps_leaves_of(ctx);
        int32_t threads = ps_team_size(ctx, B * E * (relu ? 12 : 4));
        // By columns, in whole cache lines, so that every column is summed by one thread in the order of its rows.
        #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
        for (int32_t part = 0; part < threads; part++) {
            ps_range range = ps_part(E, part, threads, 64);
            leaves->mask_column_sums_f32(relu ? y : NULL, B, E, range.begin, range.end, accumulate_weight, dy, dbias);
        }
    }
    float beta = accumulate_weight ? 1.0f : 0.0f;
    if (dweight) {
        product(ctx, 1, 0, E, D1, B, 1.0f, dy, E, x1, x1_stride, beta, dweight, D);
        if (D2 > 0) product(ctx, 1, 0, E, D2, B, 1.0f, dy, E, x2, x2_stride, beta, dweight + D1, D);
    }
    if (dx1) product(ctx, 0, 0, B, D1, E, 1.0f, dy, E, weight, D, accumulate_dx1 ? 1.0f : 0.0f, dx1, dx1_stride);
    if (dx2 && D2 > 0) product(ctx, 0, 0, B, D2, E, 1.0f, dy, E, weight + D1, D, 0.0f, dx2, dx2_stride);
    return PS_OK;
}

ps_status ps_matmul_f32(const ps_context *ctx, const float *a, int64_t a_stride, int32_t transpose_a, const float *b, int64_t b_stride,
                        int32_t transpose_b, int64_t m, int64_t n, int64_t k, float alpha, float beta, float *c, int64_t c_stride) {
    PS_TRY(ps_check_context(ctx));
    PS_TRY(check_blas_sizes((const int64_t[]){m, n, k, a_stride, b_stride, c_stride}, 6));
    PS_CHECK_EXTENTS(PS_IN_ROWS(a, transpose_a ? k : m, transpose_a ? m : k, a_stride),
                     PS_IN_ROWS(b, transpose_b ? n : k, transpose_b ? k : n, b_stride), PS_OUT_ROWS(c, m, n, c_stride));
    PS_REQUIRE((transpose_a | 1) == 1 && (transpose_b | 1) == 1 && ps_is_finite(alpha) && ps_is_finite(beta), PS_BAD_PARAMETER);
    product(ctx, transpose_a, transpose_b, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride);
    return PS_OK;
}
