/// Losses over scores, and the dot products that make the scores. Driver: loss.c.

/// Replaces negatives' scores by their gradients and adds their hinge terms to *loss. Returns how many were active.
PS_INLINE int64_t hinge_f32(float *scores, int64_t count, float margin_less_positive, float weight, double *loss) {
    vf sum = 0.0f;
    vi active_lanes = 0;
    int64_t i = 0, active = 0;
    for (; i + PS_LANES <= count; i += PS_LANES) {
        vf term = vf_load(scores + i) + margin_less_positive;
        vi off = term <= 0.0f;  // so written, a NaN counts as active: training must see it
        sum += vf_select(off, (vf)0.0f, term);
        active_lanes += off + 1;
        vf_store(scores + i, vf_select(off, (vf)0.0f, (vf)weight));
    }
    double total = vf_sum(sum);
    for (; i < count; i++) {
        float term = scores[i] + margin_less_positive;
        int32_t off = term <= 0.0f;
        if (!off) total += term;
        active += !off;
        scores[i] = off ? 0.0f : weight;
    }
    for (int lane = 0; lane < PS_LANES; lane++) active += active_lanes[lane];
    if (total != 0.0) *loss += (double)weight * total;
    return active;
}

static void max_margin_f32(int64_t M, float margin, float weight_shared, float weight_hard, int64_t begin, int64_t end, float *positive,
                           float *shared, const int64_t *hard_offsets, float *hard, float *losses) {
    for (int64_t p = begin; p < end; p++) {
        float base = margin - positive[p];
        double loss = 0;
        double gradient = (double)weight_shared * (double)hinge_f32(shared + p * M, M, base, weight_shared, &loss);
        if (hard_offsets) {
            int64_t first = hard_offsets[p], count = hard_offsets[p + 1] - first;
            if (count > 0) gradient += (double)weight_hard * (double)hinge_f32(hard + first, count, base, weight_hard, &loss);
        }
        positive[p] = (float)-gradient;
        losses[p] = (float)loss;
    }
}

PS_INLINE float highest_logit(const float *scores, const float *log_q, int64_t count, float inverse, float highest) {
    vf best = highest;
    int64_t i = 0;
    for (; i + PS_LANES <= count; i += PS_LANES) {
        vf logit = vf_load(scores + i) * inverse;
        if (log_q) logit -= vf_load(log_q + i);
        best = vf_max(logit, best);
    }
    for (int lane = 0; lane < PS_LANES; lane++) highest = best[lane] > highest ? best[lane] : highest;
    for (; i < count; i++) {
        float logit = scores[i] * inverse - (log_q ? log_q[i] : 0.0f);
        highest = logit > highest ? logit : highest;
    }
    return highest;
}

/// scores[i] = exp(logit_i - highest); returns their sum.
PS_INLINE double exponentials(float *scores, const float *log_q, int64_t count, float inverse, float highest) {
    vf sum = 0.0f;
    double total = 0;
    int64_t i = 0;
    for (; i < count; i += PS_LANES) {
        int64_t lanes = count - i < PS_LANES ? count - i : PS_LANES;
        vf score = lanes == PS_LANES ? vf_load(scores + i) : vf_load_part(scores + i, lanes);
        vf logit = score * inverse;
        if (log_q) logit -= lanes == PS_LANES ? vf_load(log_q + i) : vf_load_part(log_q + i, lanes);
        vf value = vf_exp(logit - highest);
        if (lanes == PS_LANES) {
            vf_store(scores + i, value);
            sum += value;
        } else {
            vf_store_part(scores + i, value, lanes);
            for (int64_t lane = 0; lane < lanes; lane++) total += scores[i + lane];
        }
    }
    return total + vf_sum(sum);
}

PS_INLINE void scale_flat(float *x, int64_t count, float factor) {
    int64_t i = 0;
    for (; i + PS_LANES <= count; i += PS_LANES) vf_store(x + i, vf_load(x + i) * factor);
    for (; i < count; i++) x[i] *= factor;
}

static void sampled_softmax_f32(int64_t M, float temperature, float weight, const float *log_q, int64_t begin, int64_t end,
                                float *positive, float *shared, const int64_t *hard_offsets, float *hard, float *losses) {
    float inverse = 1.0f / temperature;
    for (int64_t p = begin; p < end; p++) {
        float *own = NULL;
        int64_t count = 0;
        if (hard_offsets) {
            count = hard_offsets[p + 1] - hard_offsets[p];
            if (count > 0) own = hard + hard_offsets[p];
        }
        float target = positive[p] * inverse;
        float highest = highest_logit(shared + p * M, log_q, M, inverse, target);
        highest = highest_logit(own, NULL, count, inverse, highest);
        double of_target = exp((double)target - highest);
        double others = exponentials(shared + p * M, log_q, M, inverse, highest) + exponentials(own, NULL, count, inverse, highest);
        double sum = of_target + others;
        float factor = (float)((double)weight * inverse / sum);
        scale_flat(shared + p * M, M, factor);
        scale_flat(own, count, factor);
        positive[p] = (float)(-(double)weight * inverse * (others / sum));
        // log1p keeps small losses: log(sum) - target cancels when the positive wins
        losses[p] = (float)((double)weight * (of_target > others ? log1p(others / of_target) : log(sum) + highest - target));
    }
}

/// log(1 + exp(x)) without overflow.
PS_INLINE double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

PS_INLINE int64_t count_finite(const float *scores, int64_t count) {
    int64_t finite = 0;
    for (int64_t i = 0; i < count; i++) finite += scores[i] > -INFINITY || scores[i] != scores[i];
    return finite;
}

PS_INLINE double negatives_cross_entropy(float *scores, int64_t count, double inverse, double weight) {
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
        if (scores[i] == -INFINITY) {
            scores[i] = 0.0f;
            continue;
        }
        double x = scores[i] * inverse;
        loss += softplus(x);
        scores[i] = (float)(weight * inverse / (1 + exp(-x)));
    }
    return weight * loss;
}

static void cross_entropy_f32(int64_t M, float temperature, float weight, int64_t begin, int64_t end, float *positive, float *shared,
                              const int64_t *hard_offsets, float *hard, float *losses) {
    double inverse = 1.0 / temperature;
    for (int64_t p = begin; p < end; p++) {
        float *own = NULL;
        int64_t count = 0;
        if (hard_offsets) {
            count = hard_offsets[p + 1] - hard_offsets[p];
            if (count > 0) own = hard + hard_offsets[p];
        }
        int64_t finite = count_finite(shared + p * M, M) + count_finite(own, count);
        double x = positive[p] * inverse, loss = (double)weight * softplus(-x);
        if (finite > 0) {
            double each = (double)weight / (double)finite;
            loss += negatives_cross_entropy(shared + p * M, M, inverse, each);
            loss += negatives_cross_entropy(own, count, inverse, each);
        } else {
            for (int64_t i = 0; i < M; i++) shared[p * M + i] = 0.0f;
            for (int64_t i = 0; i < count; i++) own[i] = 0.0f;
        }
        positive[p] = (float)(-(double)weight * inverse / (1 + exp(x)));
        losses[p] = (float)loss;
    }
}

static void row_dot_f32(const float *a, const float *b, int64_t E, int64_t begin, int64_t end, float *out) {
    for (int64_t p = begin; p < end; p++) out[p] = dot_f32(a + p * E, b + p * E, E);
}

static void row_dot_backward_f32(const float *a, const float *b, const float *dout, int64_t E, int64_t begin, int64_t end, float *da,
                                 float *db) {
    for (int64_t p = begin; p < end; p++) {
        const float *left = a + p * E, *right = b + p * E;
        float *dleft = da + p * E, *dright = db + p * E;
        vf factor = dout[p];
        int64_t e = 0;
        for (; e + PS_LANES <= E; e += PS_LANES) {
            vf_store(dleft + e, vf_fma(factor, vf_load(right + e), vf_load(dleft + e)));
            vf_store(dright + e, vf_fma(factor, vf_load(left + e), vf_load(dright + e)));
        }
        if (e < E) {
            vf_store_part(dleft + e, vf_fma(factor, vf_load_part(right + e, E - e), vf_load_part(dleft + e, E - e)), E - e);
            vf_store_part(dright + e, vf_fma(factor, vf_load_part(left + e, E - e), vf_load_part(dright + e, E - e)), E - e);
        }
    }
}

static void ragged_dot_f32(const float *a, const float *b, const int64_t *offsets, const int32_t *indices, int64_t E, int64_t begin,
                           int64_t end, float *out) {
    int64_t last = offsets[end];
    for (int64_t p = begin; p < end; p++) {
        int64_t t = offsets[p], t_end = offsets[p + 1];
        for (; t + 4 <= t_end; t += 4) {
            const float *rows[4], *ahead[4];
            rows_ahead_f32(4, b, indices, t, last, E, rows, ahead);
            vf4 four = dot_four_f32(a + p * E, rows, ahead, E);
            memcpy(out + t, &four, sizeof four);
        }
        for (; t < t_end; t++) {
            if (t + 4 < last) prefetch_bytes(b + indices[t + 4] * E, E * 4);
            out[t] = dot_f32(a + p * E, b + indices[t] * E, E);
        }
    }
}
