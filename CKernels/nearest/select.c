#include "../internal/ps_select.h"

static void swap_keys(uint64_t *a, uint64_t *b) {
    uint64_t t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(uint64_t *heap, int64_t parent, int64_t count) {
    // a heap with the least key on top
    uint64_t key = heap[parent];
    for (;;) {
        int64_t child = 2 * parent + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= key) break;
        heap[parent] = heap[child];
        parent = child;
    }
    heap[parent] = key;
}

void ps_keys_sort_descending(uint64_t *keys, int64_t count) {
    for (int64_t i = count / 2 - 1; i >= 0; i--) sift_down(keys, i, count);
    for (int64_t last = count - 1; last > 0; last--) {
        swap_keys(&keys[0], &keys[last]);
        sift_down(keys, 0, last);
    }
}

void ps_keys_partition(uint64_t *keys, int64_t count, int64_t k) {
    int64_t low = 0, high = count - 1;
    // Quickselect with the median of three. Rounds are bounded: keys in an order made to defeat it are finished by sorting.
    for (int32_t rounds = 0; low < high && rounds < 64; rounds++) {
        int64_t middle = low + (high - low) / 2;
        if (keys[middle] > keys[low]) swap_keys(&keys[middle], &keys[low]);
        if (keys[high] > keys[low]) swap_keys(&keys[high], &keys[low]);
        if (keys[high] > keys[middle]) swap_keys(&keys[high], &keys[middle]);
        uint64_t pivot = keys[middle];
        int64_t i = low, j = high;
        while (i <= j) {
            while (keys[i] > pivot) i++;
            while (keys[j] < pivot) j--;
            if (i <= j) {
                swap_keys(&keys[i], &keys[j]);
                i++;
                j--;
            }
        }
        if (k - 1 <= j) high = j;
        else if (k - 1 >= i) low = i;
        else return;
    }
    if (low < high) ps_keys_sort_descending(keys + low, high - low + 1);
}

/// Back to the k best, and the threshold up to the least of them.
static void shrink(ps_candidates *candidates) {
    ps_keys_partition(candidates->keys, candidates->count, candidates->k);
    candidates->count = candidates->k;
    uint64_t least = UINT64_MAX;
    for (int64_t i = 0; i < candidates->k; i++) least = candidates->keys[i] < least ? candidates->keys[i] : least;
    candidates->threshold = least;
    candidates->threshold_score = ps_key_score(least);
}

void ps_candidates_push(ps_candidates *candidates, uint64_t key) {
    if (key <= candidates->threshold) return;
    candidates->keys[candidates->count++] = key;
    // The first time at k already: an early threshold keeps most of what follows out.
    int64_t full = candidates->threshold == 0 ? candidates->k : candidates->capacity;
    if (candidates->count >= full) shrink(candidates);
}

void ps_candidates_offer(ps_candidates *candidates, const ps_leaves *leaves, const float *scores, int64_t count, int64_t first_row) {
    int64_t i = 0;
    while (i < count) {
        float least = candidates->threshold_score;
        if (least == least) {
            i = leaves->find_at_least_f32(scores, i, count, least);
            if (i == count) return;
        }
        ps_candidates_push(candidates, ps_key(scores[i], first_row + i));
        i++;
    }
}

void ps_heap_select(uint64_t *heap, const ps_leaves *leaves, const float *scores, int64_t count, int64_t k) {
    for (int64_t i = 0; i < k; i++) heap[i] = ps_key(scores[i], i);
    for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(heap, i, k);
    for (int64_t i = k; i < count; i++) {
        float least = ps_key_score(heap[0]);
        if (least == least) {
            i = leaves->find_at_least_f32(scores, i, count, least);
            if (i == count) break;
        }
        uint64_t key = ps_key(scores[i], i);
        if (key <= heap[0]) continue;
        heap[0] = key;
        sift_down(heap, 0, k);
    }
    ps_keys_sort_descending(heap, k);
}
