/// Pooling over ragged lists. Driver: pool.c.

/// Rows this far ahead are prefetched, a line of each for every line that is added: prefetching whole rows at once would wait for free fill buffers.
enum { POOL_AHEAD = 4, POOL_AHEAD_16 = 8 };

/// out += the sum of factors[i] rows[i] for i < n, each element summed in that order; four rows at once read and write `out` a quarter as often.
/// Meanwhile the rows `ahead` are prefetched. `n`, 1 to 4, is a constant after inlining.
PS_INLINE void add_rows_f32(const int n, const float *const rows[4], const float *const ahead[4], const float factors[4], int64_t H, float *out) {
    vf f[4];
    for (int i = 0; i < n; i++) f[i] = factors[i];
    int64_t j = 0;
    for (; j + PS_LANES <= H; j += PS_LANES) {
        if (j % LINE_F32 == 0) {
            for (int i = 0; i < n; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
        }
        vf sum = vf_load(out + j);
        for (int i = 0; i < n; i++) sum = vf_fma(f[i], vf_load(rows[i] + j), sum);
        vf_store(out + j, sum);
    }
    if (j < H) {
        vf sum = vf_load_part(out + j, H - j);
        for (int i = 0; i < n; i++) sum = vf_fma(f[i], vf_load_part(rows[i] + j, H - j), sum);
        vf_store_part(out + j, sum, H - j);
    }
}
PS_INLINE void add_rows_bf16(const int n, const uint16_t *const rows[4], const uint16_t *const ahead[4], const float factors[4], int64_t H,
                             float *out) {
    vf f[4];
    for (int i = 0; i < n; i++) f[i] = factors[i];
    int64_t j = 0;
    for (; j + PS_LANES <= H; j += PS_LANES) {
        if (j % LINE_16 == 0) {
            for (int i = 0; i < n; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
        }
        vf sum = vf_load(out + j);
        for (int i = 0; i < n; i++) sum = vf_fma(f[i], vf_from_bf16(vh_load(rows[i] + j)), sum);
        vf_store(out + j, sum);
    }
    if (j < H) {
        vf sum = vf_load_part(out + j, H - j);
        for (int i = 0; i < n; i++) sum = vf_fma(f[i], vf_from_bf16(vh_load_part(rows[i] + j, H - j)), sum);
        vf_store_part(out + j, sum, H - j);
    }
}

/// Calls the macro with the constant 1, 2 or 3: the rows that are left of a list after its fours. They too are taken, and prefetched for, together.
#define REST_OF_LIST(count, call) \
    do { \
        if ((count) == 1) call(1); \
        else if ((count) == 2) call(2); \
        else if ((count) == 3) call(3); \
    } while (0)

static void pool_weighted_f32(const float *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                              int64_t begin, int64_t end, float *out) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        float *to = out + b * H;
        memset(to, 0, (size_t)H * sizeof *to);
        int64_t t = offsets[b], t_end = offsets[b + 1];
        const float *rows[4], *ahead[4];
#define ADD(n) rows_ahead_f32(n, h, neighbors, t, last, H, rows, ahead), add_rows_f32(n, rows, ahead, alpha + t, H, to)
        for (; t + 4 <= t_end; t += 4) ADD(4);
        REST_OF_LIST(t_end - t, ADD);
#undef ADD
    }
}

/// As rows_ahead_f32, twice as far: such rows have half the lines.
PS_INLINE void rows_ahead_bf16(const int n, const uint16_t *h, const int32_t *neighbors, int64_t t, int64_t last, int64_t H,
                               const uint16_t *rows[4], const uint16_t *ahead[4]) {
    for (int i = 0; i < n; i++) {
        rows[i] = h + neighbors[t + i] * H;
        ahead[i] = t + i + POOL_AHEAD_16 < last ? h + neighbors[t + i + POOL_AHEAD_16] * H : rows[i];
    }
}

static void pool_weighted_bf16(const uint16_t *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                               int64_t begin, int64_t end, float *out) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        float *to = out + b * H;
        memset(to, 0, (size_t)H * sizeof *to);
        int64_t t = offsets[b], t_end = offsets[b + 1];
        const uint16_t *rows[4], *ahead[4];
#define ADD(n) rows_ahead_bf16(n, h, neighbors, t, last, H, rows, ahead), add_rows_bf16(n, rows, ahead, alpha + t, H, to)
        for (; t + 4 <= t_end; t += 4) ADD(4);
        REST_OF_LIST(t_end - t, ADD);
#undef ADD
    }
}

/// The gradients of places t to t + n - 1 of a row's slots, and their weights.
PS_INLINE void gradients_ahead(const int n, const float *dout, const float *alpha, const int32_t *t_rows, const int64_t *t_slots, int64_t t,
                               int64_t last, int64_t H, const float *rows[4], const float *ahead[4], float factors[4]) {
    for (int i = 0; i < n; i++) {
        int64_t next = t + i + POOL_AHEAD;
        rows[i] = dout + t_rows[t + i] * H;
        factors[i] = alpha[t_slots[t + i]];
        ahead[i] = rows[i];
        if (next < last) {
            ahead[i] = dout + t_rows[next] * H;
            __builtin_prefetch(alpha + t_slots[next], 0, 2);
        }
    }
}

static void pool_weighted_backward_f32(const float *dout, const float *alpha, const int64_t *t_offsets, const int32_t *t_rows,
                                       const int64_t *t_slots, int64_t H, int64_t begin, int64_t end, int32_t accumulate, float *dh) {
    int64_t last = t_offsets[end];
    for (int64_t n = begin; n < end; n++) {
        float *to = dh + n * H;
        if (!accumulate) memset(to, 0, (size_t)H * sizeof *to);
        int64_t t = t_offsets[n], t_end = t_offsets[n + 1];
        const float *rows[4], *ahead[4];
        float factors[4];
#define ADD(n) gradients_ahead(n, dout, alpha, t_rows, t_slots, t, last, H, rows, ahead, factors), add_rows_f32(n, rows, ahead, factors, H, to)
        for (; t + 4 <= t_end; t += 4) ADD(4);
        REST_OF_LIST(t_end - t, ADD);
#undef ADD
    }
}

static void pool_alpha_f32(const float *dout, const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t H, int64_t begin,
                           int64_t end, float *dalpha) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        int64_t t = offsets[b], t_end = offsets[b + 1];
        const float *rows[4], *ahead[4];
        for (; t + 4 <= t_end; t += 4) {
            rows_ahead_f32(4, h, neighbors, t, last, H, rows, ahead);
            vf4 four = dot_four_f32(dout + b * H, rows, ahead, H);
            memcpy(dalpha + t, &four, sizeof four);
        }
        for (; t < t_end; t++) {
            if (t + POOL_AHEAD < last) prefetch_bytes(h + neighbors[t + POOL_AHEAD] * H, H * 4);
            dalpha[t] = dot_f32(dout + b * H, h + neighbors[t] * H, H);
        }
    }
}

/// A NaN takes the place of any number and keeps it: training must see it.
PS_INLINE void keep_larger(float value, int32_t slot, float *best, int32_t *winner) {
    if (value > *best || (value != value && *best == *best)) {
        *best = value;
        *winner = slot;
    }
}

/// Slots `slot` to slot + n - 1.
PS_INLINE void keep_largest(const int n, const float *const rows[4], const float *const ahead[4], int32_t slot, int64_t H, float *to,
                            int32_t *winner) {
    int64_t j = 0;
    for (; j + PS_LANES <= H; j += PS_LANES) {
        if (j % LINE_F32 == 0) {
            for (int i = 0; i < n; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
        }
        vf best = vf_load(to + j);
        vi won = vi_load(winner + j);
        for (int i = 0; i < n; i++) {
            vf v = vf_load(rows[i] + j);
            vi above = (v > best) | ((v != v) & (best == best));
            best = vf_select(above, v, best);
            won = vi_select(above, (vi)(slot + i), won);
        }
        vf_store(to + j, best);
        vi_store(winner + j, won);
    }
    for (; j < H; j++) {
        for (int i = 0; i < n; i++) keep_larger(rows[i][j], slot + i, to + j, winner + j);
    }
}

static void pool_max_f32(const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t H, int64_t begin, int64_t end,
                         float *out, int32_t *argmax) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        float *to = out + b * H;
        int32_t *winner = argmax + b * H;
        int64_t t = offsets[b], t_end = offsets[b + 1];
        if (t == t_end) {
            for (int64_t j = 0; j < H; j++) {
                to[j] = 0.0f;
                winner[j] = -1;
            }
            continue;
        }
        memcpy(to, h + neighbors[t] * H, (size_t)H * sizeof *to);
        for (int64_t j = 0; j < H; j++) winner[j] = (int32_t)t;
        t++;
        const float *rows[4], *ahead[4];
#define KEEP(n) rows_ahead_f32(n, h, neighbors, t, last, H, rows, ahead), keep_largest(n, rows, ahead, (int32_t)t, H, to, winner)
        for (; t + 4 <= t_end; t += 4) KEEP(4);
        REST_OF_LIST(t_end - t, KEEP);
#undef KEEP
    }
}

static void pool_max_backward_f32(const float *dout, const int32_t *argmax, const int64_t *t_offsets, const int32_t *t_rows,
                                  const int64_t *t_slots, int64_t H, int64_t begin, int64_t end, int32_t accumulate, float *dh) {
    for (int64_t n = begin; n < end; n++) {
        float *to = dh + n * H;
        if (!accumulate) memset(to, 0, (size_t)H * sizeof *to);
        for (int64_t t = t_offsets[n]; t < t_offsets[n + 1]; t++) {
            const float *gradient = dout + t_rows[t] * H;
            const int32_t *winner = argmax + t_rows[t] * H;
            int32_t slot = (int32_t)t_slots[t];
            int64_t j = 0;
            for (; j + PS_LANES <= H; j += PS_LANES) {
                vi won = vi_load(winner + j) == (vi)slot;
                vf_store(to + j, vf_load(to + j) + vf_select(won, vf_load(gradient + j), (vf)0.0f));
            }
            for (; j < H; j++) to[j] += winner[j] == slot ? gradient[j] : 0.0f;
        }
    }
}
