#ifndef PS_TEAM_H
#define PS_TEAM_H
#include <stdint.h>
#include "ps_context.h"

/// The little of OpenMP's interface that we use: Swift's clang has the pragmas but ships no omp.h.
#ifdef _OPENMP
int omp_get_thread_num(void);
void kmp_set_blocktime(int milliseconds);
#endif

/// A range of work.
typedef struct ps_range {
    int64_t begin, end;
} ps_range;

/// How many threads a region over `bytes` of memory traffic (or as many multiply-adds) deserves: waking a thread costs some
/// microseconds, so small work stays on the caller's (ps_context.bytes_per_thread). Also tells OpenMP's workers to sleep at once when the region ends; by default
/// they spin 200 ms, on the very cores that OpenBLAS's threads and Swift's workers then want. The setting belongs to the calling
/// thread, hence here and not in ps_context_make.
static inline int32_t ps_team_size(const ps_context *ctx, int64_t bytes) {
    int64_t wanted = 1 + bytes / ctx->bytes_per_thread;
    int32_t threads = wanted < ctx->threads ? (int32_t)wanted : ctx->threads;
#ifdef _OPENMP
    if (threads > 1) kmp_set_blocktime(0);
#endif
    return threads;
}

/// Part `part` of `parts` of 0 ..< count, cut at multiples of `grain`.
static inline ps_range ps_part(int64_t count, int64_t part, int64_t parts, int64_t grain) {
    int64_t grains = count / grain + (count % grain != 0);
    int64_t base = grains / parts, extra = grains % parts;
    int64_t begin = (part * base + (part < extra ? part : extra)) * grain;
    int64_t end = begin + (base + (part < extra)) * grain;
    ps_range range = {begin < count ? begin : count, end < count ? end : count};
    return range;
}

/// Which of a region's threads is running.
static inline int32_t ps_thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/// More parts than threads, so that a thread that the system holds up keeps fewer of them.
static inline int32_t ps_parts(int32_t threads) { return threads == 1 ? 1 : threads * 16; }

/// Runs the following block for every part, each on whichever thread is free: parallel over `threads`, then
///     PS_EACH_PART(next, parts, part) { ... }
/// with `next` an int32_t set to 0 before the region. It stands in for schedule(dynamic): what our compiler emits for that is missing from
/// the older OpenMP runtimes that distributions ship.
#define PS_EACH_PART(next, parts, part) for (int32_t part; (part = __atomic_fetch_add(&(next), 1, __ATOMIC_RELAXED)) < (parts);)

/// Part `part` of `parts` of the rows of ragged lists, cut so that parts have about equal list elements plus rows.
static inline ps_range ps_part_ragged(const int64_t *offsets, int64_t rows, int64_t part, int64_t parts) {
    ps_range range;
    int64_t total = offsets[rows] + rows;
    int64_t *ends[2] = {&range.begin, &range.end};
    for (int side = 0; side < 2; side++) {
        int64_t index = part + side;
        // total / parts first: total * index may overflow
        int64_t target = total / parts * index + total % parts * index / parts;
        int64_t low = 0, high = rows;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (offsets[middle] + middle < target) low = middle + 1;
            else high = middle;
        }
        *ends[side] = low;
    }
    return range;
}

#endif
