/// The machine's own limits. Driver: probe.c.

static double probe_read_f32(const float *x, int64_t begin, int64_t end) {
    vf sums[8];
    for (int s = 0; s < 8; s++) sums[s] = 0.0f;
    int64_t i = begin;
    for (; i + 8 * PS_LANES <= end; i += 8 * PS_LANES) {
        for (int s = 0; s < 8; s++) sums[s] += vf_load(x + i + s * PS_LANES);
    }
    double sum = 0;
    for (; i < end; i++) sum += x[i];
    for (int s = 0; s < 8; s++) sum += vf_sum(sums[s]);
    return sum;
}

static void probe_copy_f32(const float *x, int64_t begin, int64_t end, float *y) {
    int32_t stream = PS_LANES > 1 && (uintptr_t)(y + begin) % sizeof(vf) == 0;
    int64_t i = begin;
    for (; i + PS_LANES <= end; i += PS_LANES) {
        if (stream) __builtin_nontemporal_store(vf_load(x + i), (vf *)(y + i));
        else vf_store(y + i, vf_load(x + i));
    }
    for (; i < end; i++) y[i] = x[i];
}

static double probe_rows_f32(const float *table, const int64_t *indices, int64_t D, int64_t begin, int64_t end, int64_t ahead) {
    double sum = 0;
    for (int64_t b = begin; b < end; b++) {
        if (b + ahead < end) prefetch_bytes(table + indices[b + ahead] * D, D * 4);
        sum += probe_read_f32(table + indices[b] * D, 0, D);
    }
    return sum;
}

static double probe_multiply_f32(int64_t rounds) {
    vf sums[12];
    for (int s = 0; s < 12; s++) sums[s] = (float)s;
    // Through memory, so that the compiler cannot fold the rounds into one.
    volatile float source[2] = {0.999f, 1e-3f};
    vf factor = source[0], addend = source[1];
    for (int64_t round = 0; round < rounds; round++) {
        for (int s = 0; s < 12; s++) sums[s] = vf_fma(sums[s], factor, addend);
    }
    double sum = 0;
    for (int s = 0; s < 12; s++) sum += vf_sum(sums[s]);
    return sum;
}
