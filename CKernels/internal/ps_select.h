#ifndef PS_SELECT_H
#define PS_SELECT_H
#include <stdint.h>
#include "ps_table.h"

/// Top-k selection on 64-bit keys: the score's order in the high half, the complement of the row in the low half. A greater key is a
/// better result, no two keys are equal, so the k best are one definite set in one definite order however the rows were split.
/// Hence at most 2^32 - 1 rows (PS_MAX_SELECT_ROWS).
#define PS_MAX_SELECT_ROWS ((int64_t)UINT32_MAX)

static inline uint64_t ps_key(float score, int64_t row) {
    score += 0.0f;  // -0 becomes +0: they are equal scores
    uint32_t bits, ordered;
    __builtin_memcpy(&bits, &score, sizeof bits);
    ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    if (score != score) ordered = 0;  // below -infinity, whose key is 0x007fffff
    return (uint64_t)ordered << 32 | (UINT32_MAX - (uint32_t)row);
}
static inline int64_t ps_key_row(uint64_t key) { return (int64_t)(UINT32_MAX - (uint32_t)key); }
static inline float ps_key_score(uint64_t key) {
    uint32_t ordered = (uint32_t)(key >> 32);
    uint32_t bits = ordered == 0 ? 0x7fc00000u : ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered;
    float score;
    __builtin_memcpy(&score, &bits, sizeof score);
    return score;
}

/// The candidates of one query: `keys` holds `count` of at most `capacity` keys, all above `threshold` once k have been seen.
typedef struct ps_candidates {
    uint64_t *keys;
    int64_t count, capacity, k;
    uint64_t threshold;     ///< keys at or below it cannot be among the k best; 0 until k are known
    float threshold_score;  ///< scores below it cannot either; NaN until k are known and the k-th is no NaN
} ps_candidates;

/// Room for one query's candidates: twice k, so that shrinking back to k costs O(1) per key that came.
static inline int64_t ps_candidate_capacity(int64_t k) { return k + (k > 64 ? k : 64); }

/// Moves the k greatest of `count` keys to the front, in no order.
void ps_keys_partition(uint64_t *keys, int64_t count, int64_t k);
/// Greatest first; in place, O(count log count).
void ps_keys_sort_descending(uint64_t *keys, int64_t count);
/// Offers scores[0 ..< count], which belong to rows first_row, first_row + 1, ...
void ps_candidates_offer(ps_candidates *candidates, const ps_leaves *leaves, const float *scores, int64_t count, int64_t first_row);
/// The k best keys of scores[0 ..< count], best first, in heap[0 ..< k]: slower than candidates, but needs no room beyond the result.
void ps_heap_select(uint64_t *heap, const ps_leaves *leaves, const float *scores, int64_t count, int64_t k);
/// Offers one key.
void ps_candidates_push(ps_candidates *candidates, uint64_t key);

#endif
