/// Pooling over ragged lists. Driver: pool.c.

/// Rows this far ahead are prefetched, a line of each for every line that is added: prefetching whole rows at once would wait for free fill buffers.
enum { POOL_AHEAD = 4, POOL_AHEAD_16 = 8 };

/// out += a0 r0 + a1 r1 + a2 r2 + a3 r3, each element summed in that order; four rows at once read and write `out` a quarter as often. Meanwhile
/// the rows `ahead` are prefetched.
PS_INLINE void add_four_rows_f32(const float *const rows[4], const float *const ahead[4], const float factors[4], int64_t H, float *out) {
    vf f0 = factors[0], f1 = factors[1], f2 = factors[2], f3 = factors[3];
    int64_t j = 0;
    for (; j + PS_LANES <= H; j += PS_LANES) {
        if (j % LINE_F32 == 0) {
            for (int i = 0; i < 4; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
        }
        vf sum = vf_load(out + j);
        sum = vf_fma(f0, vf_load(rows[0] + j), sum);
        sum = vf_fma(f1, vf_load(rows[1] + j), sum);
        sum = vf_fma(f2, vf_load(rows[2] + j), sum);
        sum = vf_fma(f3, vf_load(rows[3] + j), sum);
        vf_store(out + j, sum);
    }
    if (j < H) {
        vf sum = vf_load_part(out + j, H - j);
        sum = vf_fma(f0, vf_load_part(rows[0] + j, H - j), sum);
        sum = vf_fma(f1, vf_load_part(rows[1] + j, H - j), sum);
        sum = vf_fma(f2, vf_load_part(rows[2] + j, H - j), sum);
        sum = vf_fma(f3, vf_load_part(rows[3] + j, H - j), sum);
        vf_store_part(out + j, sum, H - j);
    }
}

PS_INLINE void add_row_f32(const float *row, float factor, int64_t H, float *out) {
    int64_t j = 0;
    for (; j + PS_LANES <= H; j += PS_LANES) vf_store(out + j, vf_fma((vf)factor, vf_load(row + j), vf_load(out + j)));
    if (j < H) vf_store_part(out + j, vf_fma((vf)factor, vf_load_part(row + j, H - j), vf_load_part(out + j, H - j)), H - j);
}

static void pool_weighted_f32(const float *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                              int64_t begin, int64_t end, float *out) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        float *to = out + b * H;
        memset(to, 0, (size_t)H * sizeof *to);
        int64_t t = offsets[b], t_end = offsets[b + 1];
        for (; t + 4 <= t_end; t += 4) {
            const float *rows[4], *ahead[4];
            for (int i = 0; i < 4; i++) {
                rows[i] = h + neighbors[t + i] * H;
                ahead[i] = t + i + POOL_AHEAD < last ? h + neighbors[t + i + POOL_AHEAD] * H : rows[i];
            }
            add_four_rows_f32(rows, ahead, alpha + t, H, to);
        }
        for (; t < t_end; t++) {
            if (t + POOL_AHEAD < last) prefetch_bytes(h + neighbors[t + POOL_AHEAD] * H, H * 4);
            add_row_f32(h + neighbors[t] * H, alpha[t], H, to);
        }
    }
}

static void pool_weighted_bf16(const uint16_t *h, const int64_t *offsets, const int32_t *neighbors, const float *alpha, int64_t H,
                               int64_t begin, int64_t end, float *out) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        float *to = out + b * H;
        memset(to, 0, (size_t)H * sizeof *to);
        int64_t t = offsets[b], t_end = offsets[b + 1];
        for (; t + 4 <= t_end; t += 4) {
            const uint16_t *rows[4], *ahead[4];
            for (int i = 0; i < 4; i++) {
                rows[i] = h + neighbors[t + i] * H;
                ahead[i] = t + i + POOL_AHEAD_16 < last ? h + neighbors[t + i + POOL_AHEAD_16] * H : rows[i];
            }
            int64_t j = 0;
            for (; j + PS_LANES <= H; j += PS_LANES) {
                if (j % LINE_16 == 0) {
                    for (int i = 0; i < 4; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
                }
                vf sum = vf_load(to + j);
                for (int i = 0; i < 4; i++) sum = vf_fma((vf)alpha[t + i], vf_from_bf16(vh_load(rows[i] + j)), sum);
                vf_store(to + j, sum);
            }
            if (j < H) {
                vf sum = vf_load_part(to + j, H - j);
                for (int i = 0; i < 4; i++) sum = vf_fma((vf)alpha[t + i], vf_from_bf16(vh_load_part(rows[i] + j, H - j)), sum);
                vf_store_part(to + j, sum, H - j);
            }
        }
        for (; t < t_end; t++) {
            if (t + POOL_AHEAD_16 < last) prefetch_bytes(h + neighbors[t + POOL_AHEAD_16] * H, H * 2);
            const uint16_t *row = h + neighbors[t] * H;
            int64_t j = 0;
            for (; j + PS_LANES <= H; j += PS_LANES) {
                vf_store(to + j, vf_fma((vf)alpha[t], vf_from_bf16(vh_load(row + j)), vf_load(to + j)));
            }
            if (j < H) {
                vf v = vf_from_bf16(vh_load_part(row + j, H - j));
                vf_store_part(to + j, vf_fma((vf)alpha[t], v, vf_load_part(to + j, H - j)), H - j);
            }
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
        for (; t + 4 <= t_end; t += 4) {
            const float *rows[4], *ahead[4];
            float factors[4];
            for (int i = 0; i < 4; i++) {
                int64_t next = t + i + POOL_AHEAD;
                rows[i] = dout + t_rows[t + i] * H;
                factors[i] = alpha[t_slots[t + i]];
                ahead[i] = rows[i];
                if (next < last) {
                    ahead[i] = dout + t_rows[next] * H;
                    __builtin_prefetch(alpha + t_slots[next], 0, 2);
                }
            }
            add_four_rows_f32(rows, ahead, factors, H, to);
        }
        for (; t < t_end; t++) {
            int64_t ahead = t + POOL_AHEAD;
            if (ahead < last) {
                prefetch_bytes(dout + t_rows[ahead] * H, H * 4);
                __builtin_prefetch(alpha + t_slots[ahead], 0, 2);
            }
            add_row_f32(dout + t_rows[t] * H, alpha[t_slots[t]], H, to);
        }
    }
}

static void pool_alpha_f32(const float *dout, const float *h, const int64_t *offsets, const int32_t *neighbors, int64_t H, int64_t begin,
                           int64_t end, float *dalpha) {
    int64_t last = offsets[end];
    for (int64_t b = begin; b < end; b++) {
        int64_t t = offsets[b], t_end = offsets[b + 1];
        for (; t + 4 <= t_end; t += 4) {
            const float *rows[4], *ahead[4];
            for (int i = 0; i < 4; i++) {
                rows[i] = h + neighbors[t + i] * H;
                ahead[i] = t + i + POOL_AHEAD < last ? h + neighbors[t + i + POOL_AHEAD] * H : rows[i];
            }
            vf4 four = dot_four_f32(dout + b * H, rows, ahead, H);
            memcpy(dalpha + t, &four, sizeof four);
        }
        for (; t < t_end; t++) {
            if (t + POOL_AHEAD < last) prefetch_bytes(h + neighbors[t + POOL_AHEAD] * H, H * 4);
            dalpha[t] = dot_f32(dout + b * H, h + neighbors[t] * H, H);
        }
    }
}

PS_INLINE void keep_larger(float value, int32_t slot, float *best, int32_t *winner) {
    if (value > *best) {
        *best = value;
        *winner = slot;
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
        for (; t + 4 <= t_end; t += 4) {
            const float *rows[4], *ahead[4];
            for (int i = 0; i < 4; i++) {
                rows[i] = h + neighbors[t + i] * H;
                ahead[i] = t + i + POOL_AHEAD < last ? h + neighbors[t + i + POOL_AHEAD] * H : rows[i];
            }
            int64_t j = 0;
            for (; j + PS_LANES <= H; j += PS_LANES) {
                if (j % LINE_F32 == 0) {
                    for (int i = 0; i < 4; i++) __builtin_prefetch(ahead[i] + j, 0, 3);
                }
                vf best = vf_load(to + j);
                vi won = vi_load(winner + j);
                for (int i = 0; i < 4; i++) {
                    vf v = vf_load(rows[i] + j);
                    vi above = v > best;
                    best = vf_select(above, v, best);
                    won = vi_select(above, (vi)(int32_t)(t + i), won);
                }
                vf_store(to + j, best);
                vi_store(winner + j, won);
            }
            for (; j < H; j++) {
                for (int i = 0; i < 4; i++) keep_larger(rows[i][j], (int32_t)(t + i), to + j, winner + j);
            }
        }
        for (; t < t_end; t++) {
            const float *row = h + neighbors[t] * H;
            if (t + POOL_AHEAD < last) prefetch_bytes(h + neighbors[t + POOL_AHEAD] * H, H * 4);
            for (int64_t j = 0; j < H; j++) keep_larger(row[j], (int32_t)t, to + j, winner + j);
        }
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
