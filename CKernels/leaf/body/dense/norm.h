/// Row L2 normalisation. Driver: norm.c.

/// Sums in double: the square of 1e30 or of a denormal is no f32, and the norm of a unit vector comes out correctly rounded.
PS_INLINE double sum_squares_of_row(const float *x, int64_t E) {
    vd sum = 0.0;
    int64_t e = 0;
    for (; e + PS_LANES <= E; e += PS_LANES) {
        vd v = __builtin_convertvector(vf_load(x + e), vd);
        sum += v * v;
    }
    if (e < E) {
        vd v = __builtin_convertvector(vf_load_part(x + e, E - e), vd);
        sum += v * v;
    }
    return vd_sum(&sum);
}

static void norm_l2_f32(const float *x, int64_t x_stride, int64_t E, int64_t begin, int64_t end, float *y, int64_t y_stride, float *norms) {
    for (int64_t b = begin; b < end; b++) {
        const float *row = x + b * x_stride;
        float *to = y + b * y_stride;
        double norm = sqrt(sum_squares_of_row(row, E));
        if (norms) norms[b] = (float)norm;
        int64_t e = 0;
        if (norm == 0.0) {
            for (; e < E; e++) to[e] = 0.0f;
            continue;
        }
        if (!(norm > 1e-30 && norm < 1e30)) {
            for (; e < E; e++) to[e] = (float)(row[e] / norm);  // 1 / norm is no normal f32
            continue;
        }
        float inverse = (float)(1.0 / norm);
        for (; e + PS_LANES <= E; e += PS_LANES) vf_store(to + e, vf_load(row + e) * inverse);
        for (; e < E; e++) to[e] = row[e] * inverse;
    }
}

static void norm_l2_backward_f32(const float *y, const float *dy, const float *norms, int64_t E, int64_t begin, int64_t end, float *dx) {
    for (int64_t b = begin; b < end; b++) {
        const float *output = y + b * E, *gradient = dy + b * E;
        float *to = dx + b * E;
        int64_t e = 0;
        if (norms[b] == 0.0f) {
            for (; e < E; e++) to[e] = 0.0f;
            continue;
        }
        float along = -dot_f32(output, gradient, E), norm = norms[b];
        for (; e + PS_LANES <= E; e += PS_LANES) {
            vf_store(to + e, vf_fma((vf)along, vf_load(output + e), vf_load(gradient + e)) / norm);
        }
        if (e < E) {
            vf v = vf_fma((vf)along, vf_load_part(output + e, E - e), vf_load_part(gradient + e, E - e)) / norm;
            vf_store_part(to + e, v, E - e);
        }
    }
}
