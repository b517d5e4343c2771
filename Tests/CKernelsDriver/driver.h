/// What the driver's files share: counted checks, seeded inputs and ragged lists.
#ifndef DRIVER_H
#define DRIVER_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ps_kernels.h"

extern int failures, checks;
/// The instruction set under test.
extern const char *where;
/// Of the generator.
extern uint64_t state;

/// |actual - expected| <= units * (2^-24 * scale + half a denormal step), and NaN for NaN.
void near(const char *what, float actual, double expected, double scale, double units);
void equal(const char *what, long long actual, long long expected);
void ok(const char *what, ps_status status);

uint64_t next(void);
int64_t below(int64_t bound);
/// In -1 ..< 1.
float uniform(void);
/// Exactly so many elements, so that the address sanitizer sees every one read or written beside them.
void *room(int64_t count, size_t size);
/// Uniform values with zeros and denormals among them.
float *floats(int64_t count);
float *copied(const float *x, int64_t count);
float bf16(uint16_t bits);

/// Ragged lists with empty ones among them.
typedef struct lists {
    int64_t *offsets, Z;
    int32_t *targets;
    float *alpha;
} lists;
lists ragged(int64_t B, int64_t N);
void release(lists l);

// families.c, training.c
void test_gather(const ps_context *ctx, int64_t D);
void test_dense(const ps_context *ctx, int64_t D);
void test_dense_bf16(const ps_context *ctx, int64_t D);
void test_pool(const ps_context *ctx, int64_t H);
void test_norm(const ps_context *ctx, int64_t E);
void test_loss(const ps_context *ctx, int64_t M);
void test_dots(const ps_context *ctx, int64_t E);
void test_optim(const ps_context *ctx, int64_t count);

#endif
