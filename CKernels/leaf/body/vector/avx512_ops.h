/// The few AVX-512 instructions that clang's vector types cannot express. With PS_EMULATE_AVX512 they are loops, and the 16-lane bodies
/// run on any processor (scripts/test-avx512-emulated): that checks everything about the leaves but these lines.
#if defined(PS_EMULATE_AVX512)
static inline __attribute__((always_inline, unused)) void avx512_load_part(float *to, const float *p, int64_t n) {
    for (int64_t lane = 0; lane < 16; lane++) to[lane] = lane < n ? p[lane] : 0.0f;
}
static inline __attribute__((always_inline, unused)) void avx512_store_part(float *p, const float *v, int64_t n) {
    for (int64_t lane = 0; lane < n; lane++) p[lane] = v[lane];
}
#else
static inline __attribute__((always_inline, unused)) void avx512_load_part(float *to, const float *p, int64_t n) {
    _mm512_storeu_ps(to, _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p));
}
static inline __attribute__((always_inline, unused)) void avx512_store_part(float *p, const float *v, int64_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), _mm512_loadu_ps(v));
}
#endif
