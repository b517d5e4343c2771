/// What surrounds the BLAS products of a dense layer. Driver: dense.c.

static void bias_activation_f32(const float *bias, int64_t E, int64_t begin, int64_t end, int32_t relu, float *y,
                                int64_t y_stride) {
    for (int64_t b = begin; b < end; b++) {
        float *row = y + b * y_stride;
        int64_t e = 0;
        for (; e + PS_LANES <= E; e += PS_LANES) {
            vf v = vf_load(row + e);
            if (bias) v += vf_load(bias + e);
            if (relu) v = vf_select(v <= 0.0f, (vf)0.0f, v);  // so written, a NaN passes: training must see it
            vf_store(row + e, v);
        }
        for (; e < E; e++) {
            float v = bias ? row[e] + bias[e] : row[e];
            row[e] = relu && v <= 0.0f ? 0.0f : v;
        }
    }
}

/// Columns and rows of one block of the column sums: partial sums of 64 rows keep the rounding error low, and stay in L1.
enum { SUM_COLUMNS = 512, SUM_ROWS = 64 };

static void mask_column_sums_f32(const float *y, int64_t B, int64_t E, int64_t begin, int64_t end, int32_t accumulate, float *dy,
                                 float *sums) {
    float total[SUM_COLUMNS], partial[SUM_COLUMNS];
    for (int64_t first = begin; first < end; first += SUM_COLUMNS) {
        int64_t width = end - first < SUM_COLUMNS ? end - first : SUM_COLUMNS;
        memset(total, 0, sizeof total);
        for (int64_t row_begin = 0; row_begin < B; row_begin += SUM_ROWS) {
            int64_t row_end = row_begin + SUM_ROWS < B ? row_begin + SUM_ROWS : B;
            memset(partial, 0, sizeof partial);
            for (int64_t b = row_begin; b < row_end; b++) {
                float *gradient = dy + b * E + first;
                const float *output = y ? y + b * E + first : NULL;
                int64_t e = 0;
                for (; e + PS_LANES <= width; e += PS_LANES) {
                    vf g = vf_load(gradient + e);
                    if (output) {
                        g = vf_select(vf_load(output + e) > 0.0f, g, (vf)0.0f);
                        vf_store(gradient + e, g);
                    }
                    vf_store(partial + e, vf_load(partial + e) + g);
                }
                for (; e < width; e++) {
                    if (output && !(output[e] > 0.0f)) gradient[e] = 0.0f;
                    partial[e] += gradient[e];
                }
            }
            for (int64_t e = 0; e < width; e++) total[e] += partial[e];
        }
        if (!sums) continue;
        for (int64_t e = 0; e < width; e++) sums[first + e] = (accumulate ? sums[first + e] : 0.0f) + total[e];
    }
}
