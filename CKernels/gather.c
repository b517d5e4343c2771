#include "ps_gather.h"
#include "internal/ps_check.h"
#include "internal/ps_team.h"

/// Output above this size goes past the caches: it would push out what is worth keeping and be gone before it is read.
enum { STREAM_BYTES = 32 << 20 };

/// One gather; `leaf` names the member of the leaf table.
#define GATHER(name, leaf, type, bits) \
    ps_status name(const ps_context *ctx, const type *table, int64_t table_stride, const int##bits##_t *indices, int64_t N, int64_t D, \
                   int64_t B, float *out, int64_t out_stride) { \
        PS_TRY(ps_check_context(ctx)); \
        PS_CHECK_EXTENTS(PS_IN_ROWS(table, N, D, table_stride), PS_IN(indices, B), PS_OUT_ROWS(out, B, D, out_stride)); \
        PS_TRY(ps_check_indices_i##bits(ctx, indices, B, N)); \
        if (B == 0 || D == 0) return PS_OK; \
        const ps_leaves *leaves = ps_leaves_of(ctx); \
        int32_t threads = ps_team_size(ctx, B * D * 4), parts = ps_parts(threads), next = 0; \
        int32_t stream = B * D * 4 > STREAM_BYTES; \
        _Pragma("omp parallel num_threads(threads) if (threads > 1)") \
        PS_EACH_PART(next, parts, part) { \
            ps_range range = ps_part(B, part, parts, 1); \
            leaves->leaf(table, table_stride, indices, D, range.begin, range.end, out, out_stride, stream); \
        } \
        return PS_OK; \
    }
GATHER(ps_gather_f32, gather_f32_i64, float, 64)
GATHER(ps_gather_f16, gather_f16_i64, uint16_t, 64)
GATHER(ps_gather_bf16, gather_bf16_i64, uint16_t, 64)
GATHER(ps_gather_f32_i32, gather_f32_i32, float, 32)
GATHER(ps_gather_f16_i32, gather_f16_i32, uint16_t, 32)
GATHER(ps_gather_bf16_i32, gather_bf16_i32, uint16_t, 32)

ps_status ps_scatter_add_f32(const ps_context *ctx, const float *rows, const int64_t *indices, int64_t N, int64_t D, int64_t B,
                             float *table) {
    PS_TRY(ps_check_context(ctx));
    PS_CHECK_EXTENTS(PS_IN_ROWS(rows, B, D, D), PS_IN(indices, B), PS_OUT_ROWS(table, N, D, D));
    PS_TRY(ps_check_indices_i64(ctx, indices, B, N));
    if (B == 0 || D == 0) return PS_OK;
    const ps_leaves *leaves = ps_leaves_of(ctx);
    int32_t threads = ps_team_size(ctx, B * D * 12);
    // Each thread adds the rows whose table row it owns, in order of b: no atomics, and the same sums for any thread count.
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int32_t owner = 0; owner < threads; owner++) leaves->scatter_add_f32(rows, indices, D, B, owner, threads, table);
    return PS_OK;
}

/// Splits a flat conversion at multiples of 64 elements, so that no two threads share a cache line.
#define CONVERT(leaf, bytes) \
    do { \
        PS_TRY(ps_check_context(ctx)); \
        PS_CHECK_EXTENTS(PS_IN(values, count), PS_OUT(out, count)); \
        const ps_leaves *leaves = ps_leaves_of(ctx); \
        int32_t threads = ps_team_size(ctx, count * (bytes)); \
        _Pragma("omp parallel for num_threads(threads) if (threads > 1) schedule(static)") \
        for (int32_t part = 0; part < threads; part++) { \
            ps_range range = ps_part(count, part, threads, 64); \
            leaves->leaf(values, range.begin, range.end, out); \
        } \
        return PS_OK; \
    } while (0)

ps_status ps_convert_f32_to_bf16(const ps_context *ctx, const float *values, int64_t count, uint16_t *out) {
    CONVERT(convert_f32_to_bf16, 6);
}
ps_status ps_convert_bf16_to_f32(const ps_context *ctx, const uint16_t *values, int64_t count, float *out) {
    CONVERT(convert_bf16_to_f32, 6);
}
ps_status ps_convert_f32_to_f16(const ps_context *ctx, const float *values, int64_t count, uint16_t *out) {
    CONVERT(convert_f32_to_f16, 6);
}
ps_status ps_convert_f16_to_f32(const ps_context *ctx, const uint16_t *values, int64_t count, float *out) {
    CONVERT(convert_f16_to_f32, 6);
}
