/// Quantised rows and the bounds that they give. Driver: knn_bounded.c.

/// Rows are quantised when their largest value is 0 or within these: then neither the codes' products nor the f32 scores over- or underflow.
#define LEAST_QUANTISED 1e-15f
#define MOST_QUANTISED 1e15f

static void quantize_i8(const float *rows, int64_t E, int64_t begin, int64_t end, int8_t *codes, float *scales, float *residuals,
                        float *norms) {
    for (int64_t n = begin; n < end; n++) {
        const float *row = rows + n * E;
        int8_t *code = codes + n * E;
        vf most = 0.0f;
        int64_t e = 0;
        vi odd = 0;
        for (; e + PS_LANES <= E; e += PS_LANES) {
            vf v = __builtin_elementwise_abs(vf_load(row + e));
            odd |= ~(v <= MOST_QUANTISED);
            most = vf_max(v, most);
        }
        float largest = 0.0f;
        int32_t unfit = vi_any(odd);
        for (int lane = 0; lane < PS_LANES; lane++) largest = most[lane] > largest ? most[lane] : largest;
        for (; e < E; e++) {
            float v = fabsf(row[e]);
            unfit |= !(v <= MOST_QUANTISED);
            largest = v > largest ? v : largest;
        }
        if (unfit || (largest != 0.0f && largest < LEAST_QUANTISED)) {
            memset(code, 0, (size_t)E);
            scales[n] = 0.0f;
            residuals[n] = INFINITY;
            norms[n] = 0.0f;
            continue;
        }
        float scale = largest / 127.0f, inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        double error = 0, full = 0, quantised = 0;
        for (e = 0; e < E; e++) {
            float rounded = __builtin_rintf(row[e] * inverse);
            rounded = rounded > 127.0f ? 127.0f : rounded < -127.0f ? -127.0f : rounded;
            code[e] = (int8_t)rounded;
            double exact = row[e], near = (double)scale * (double)rounded;
            error += (exact - near) * (exact - near);
            full += exact * exact;
            quantised += near * near;
        }
        // Widened: the sums in double are good to E * 2^-53, the conversions to 2^-24.
        scales[n] = scale;
        residuals[n] = (float)(sqrt(error) * (1 + 0x1p-20));
        norms[n] = (float)(sqrt(full > quantised ? full : quantised) * (1 + 0x1p-20));
    }
}

/// Half the width of a row's bounds, for its score, widened for the rounding of the bounds themselves.
PS_INLINE float radius_of(const ps_bounds *b, float residual, float norm, float score) {
    float radius = b->norm * (residual + b->rounding * norm) + b->residual * norm + b->smallest;
    return radius + (fabsf(score) + radius) * 0x1p-20f;
}

static int64_t find_bounded(const ps_bounds *b, const int32_t *dots, int64_t begin, int64_t end, float threshold, float *lower,
                            float *upper) {
    // With the widest radius of these rows the test is one product and a comparison: dot * scale_of_row < pass means that even so the
    // upper bound is below the threshold. Rounded down by more than its own rounding errors; -infinity lets every row through.
    float widest = radius_of(b, b->most_residual, b->most_norm, fabsf(threshold));
    float pass = b->scale > 0.0f ? (threshold - widest - (fabsf(threshold) + widest) * 0x1p-18f) / b->scale : -INFINITY;
    pass -= fabsf(pass) * 0x1p-18f;
    for (int64_t i = begin; i < end;) {
        int64_t stop = i + PS_LANES < end ? i + PS_LANES : end;
        if (stop - i == PS_LANES && !vi_any(~(__builtin_convertvector(vi_load(dots + i), vf) * vf_load(b->scales + i) < pass))) {
            i = stop;
            continue;
        }
        for (; i < stop; i++) {
            float score = (float)dots[i] * b->scale * b->scales[i];
            float radius = radius_of(b, b->residuals[i], b->norms[i], score);
            if (score + radius < threshold) continue;
            *upper = score + radius;
            *lower = score - radius;
            return i;
        }
    }
    return end;
}
