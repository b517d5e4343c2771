#include "internal/ps_check.h"
#include "internal/ps_team.h"

ps_status ps_check_context(const ps_context *ctx) {
    PS_REQUIRE(ctx != NULL && ctx->leaves != NULL, PS_NULL_POINTER);
    PS_REQUIRE(ctx->threads >= 1 && ctx->bytes_per_thread >= 1, PS_BAD_PARAMETER);
    return PS_OK;
}

/// Bytes from the first to one past the last element; 0 for an empty array. False when that does not fit.
static int32_t span_bytes(const ps_extent *extent, int64_t *bytes) {
    int64_t elements, all;
    *bytes = 0;
    if (!ps_multiply(extent->rows, extent->width, &elements)) return 0;
    if (elements == 0) return 1;
    if (!ps_multiply(extent->rows - 1, extent->stride, &all)) return 0;
    if (__builtin_add_overflow(all, extent->width, &all)) return 0;
    return ps_multiply(all, extent->element_bytes, bytes);
}

ps_status ps_check_extents(const ps_extent *extents, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        PS_REQUIRE(extents[i].rows >= 0 && extents[i].width >= 0, PS_NEGATIVE_SIZE);
        PS_REQUIRE(extents[i].stride >= extents[i].width || (extents[i].optional && extents[i].pointer == NULL), PS_NEGATIVE_SIZE);
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t empty = extents[i].rows == 0 || extents[i].width == 0;
        PS_REQUIRE(extents[i].pointer != NULL || empty || extents[i].optional, PS_NULL_POINTER);
    }
    int64_t bytes[24];
    for (int32_t i = 0; i < count; i++) PS_REQUIRE(span_bytes(&extents[i], &bytes[i]), PS_SIZE_OVERFLOW);
    for (int32_t i = 0; i < count; i++) {
        if (!extents[i].written || extents[i].pointer == NULL || bytes[i] == 0) continue;
        uintptr_t out = (uintptr_t)extents[i].pointer;
        for (int32_t j = 0; j < count; j++) {
            if (j == i || extents[j].pointer == NULL || bytes[j] == 0) continue;
            uintptr_t other = (uintptr_t)extents[j].pointer;
            int32_t apart = out < other ? other - out >= (uintptr_t)bytes[i] : out - other >= (uintptr_t)bytes[j];
            PS_REQUIRE(apart, PS_OVERLAP);
        }
    }
    return PS_OK;
}

ps_status ps_check_offsets(const ps_context *ctx, const int64_t *offsets, int64_t count) {
    PS_REQUIRE(offsets[0] == 0, PS_BAD_OFFSETS);
    int32_t threads = ps_team_size(ctx, count * 8), bad = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) reduction(| : bad)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(count, part, threads, 1024);
        int32_t decreases = 0;
        for (int64_t i = range.begin; i < range.end; i++) decreases |= offsets[i + 1] < offsets[i];
        bad |= decreases;
    }
    return bad ? PS_BAD_OFFSETS : PS_OK;
}

ps_status ps_check_indices_i32(const ps_context *ctx, const int32_t *indices, int64_t count, int64_t bound) {
    int32_t threads = ps_team_size(ctx, count * 4), bad = 0;
    uint32_t limit = bound > INT32_MAX ? (uint32_t)INT32_MAX + 1u : (uint32_t)bound;  // unsigned: one comparison refuses negatives too
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) reduction(| : bad)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(count, part, threads, 1024);
        int32_t outside = 0;
        for (int64_t i = range.begin; i < range.end; i++) outside |= (uint32_t)indices[i] >= limit;
        bad |= outside;
    }
    return bad ? PS_INDEX_OUT_OF_RANGE : PS_OK;
}

ps_status ps_check_indices_i64(const ps_context *ctx, const int64_t *indices, int64_t count, int64_t bound) {
    int32_t threads = ps_team_size(ctx, count * 8), bad = 0;
    #pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) reduction(| : bad)
    for (int32_t part = 0; part < threads; part++) {
        ps_range range = ps_part(count, part, threads, 1024);
        int32_t outside = 0;
        for (int64_t i = range.begin; i < range.end; i++) outside |= (uint64_t)indices[i] >= (uint64_t)bound;
        bad |= outside;
    }
    return bad ? PS_INDEX_OUT_OF_RANGE : PS_OK;
}
