/// Leaves for NEON, which every 64-bit Arm processor has: 4 lanes.
#if defined(__aarch64__)
#define PS_LANES 4
#define PS_HAS_FMA 1
#define PS_HAS_BF16_DOT 0
#define PS_HAS_I8_DOT 0
#define PS_DOTS_I8 "nearest/dots_i8.h"
#define PS_TABLE ps_leaves_neon
#include "body/all.h"
#endif
