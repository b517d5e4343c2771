#ifndef PS_CHECK_H
#define PS_CHECK_H
#include <stddef.h>
#include <stdint.h>
#include "ps_context.h"
#include "ps_table.h"

/// Leaves `status` when `condition` does not hold. Drivers check the context first, then sizes and pointers
/// (PS_CHECK_EXTENTS), then offsets and indices, then options. Which of several faults is reported is not part of the contract; that nothing
/// was written is.
#define PS_REQUIRE(condition, status) \
    do { \
        if (!(condition)) return (status); \
    } while (0)

/// Passes on the status of a check that is itself a function.
#define PS_TRY(call) \
    do { \
        ps_status status_of_call = (call); \
        if (status_of_call != PS_OK) return status_of_call; \
    } while (0)

/// An array that a kernel reads or writes: `rows` rows of `width` elements, `stride` elements apart.
typedef struct ps_extent {
    const void *pointer;
    int64_t rows, width, stride;
    int32_t element_bytes;
    int32_t written;   ///< 1 for outputs: they may overlap nothing
    int32_t optional;  ///< 1 when null is legal whatever the size
} ps_extent;

#define PS_IN(pointer, count) {(pointer), 1, (count), (count), (int32_t)sizeof *(pointer), 0, 0}
#define PS_OUT(pointer, count) {(pointer), 1, (count), (count), (int32_t)sizeof *(pointer), 1, 0}
#define PS_IN_OPTIONAL(pointer, count) {(pointer), 1, (count), (count), (int32_t)sizeof *(pointer), 0, 1}
#define PS_OUT_OPTIONAL(pointer, count) {(pointer), 1, (count), (count), (int32_t)sizeof *(pointer), 1, 1}
#define PS_IN_ROWS(pointer, rows, width, stride) {(pointer), (rows), (width), (stride), (int32_t)sizeof *(pointer), 0, 0}
#define PS_OUT_ROWS(pointer, rows, width, stride) {(pointer), (rows), (width), (stride), (int32_t)sizeof *(pointer), 1, 0}
#define PS_OUT_ROWS_OPTIONAL(pointer, rows, width, stride) {(pointer), (rows), (width), (stride), (int32_t)sizeof *(pointer), 1, 1}

/// Checks sizes, strides, null pointers, overflow and overlap of all arrays of a call: each of these for all arrays before the next.
/// Two outputs, or an output and an input, may share memory only when the driver leaves one of them out of the list.
ps_status ps_check_extents(const ps_extent *extents, int32_t count);
#define PS_CHECK_EXTENTS(...) \
    do { \
        const ps_extent extents_of_call[] = {__VA_ARGS__}; \
        PS_TRY(ps_check_extents(extents_of_call, (int32_t)(sizeof extents_of_call / sizeof extents_of_call[0]))); \
    } while (0)

/// Null context or one that ps_context_make did not fill.
ps_status ps_check_context(const ps_context *ctx);

/// offsets[0] = 0, never decreasing. offsets has `count + 1` elements.
ps_status ps_check_offsets(const ps_context *ctx, const int64_t *offsets, int64_t count);
/// 0 <= indices[i] < bound for all i.
ps_status ps_check_indices_i32(const ps_context *ctx, const int32_t *indices, int64_t count, int64_t bound);
ps_status ps_check_indices_i64(const ps_context *ctx, const int64_t *indices, int64_t count, int64_t bound);

/// 1 when the product of a and b (both >= 0) fits an int64; then *product holds it.
static inline int32_t ps_multiply(int64_t a, int64_t b, int64_t *product) { return !__builtin_mul_overflow(a, b, product); }

/// NaN and infinities fail; written with bits because fast-math flags would delete isfinite.
static inline int32_t ps_is_finite(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

static inline const ps_leaves *ps_leaves_of(const ps_context *ctx) { return (const ps_leaves *)ctx->leaves; }

#endif
