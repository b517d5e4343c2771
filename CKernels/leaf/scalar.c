/// Leaves in plain C: one lane, no fused multiply-add. They run everywhere and are the yardstick of the others.
#define PS_LANES 1
#define PS_HAS_FMA 0
#define PS_HAS_BF16_DOT 0
#define PS_HAS_I8_DOT 0
#define PS_DOTS_I8 "nearest/dots_i8.h"
#define PS_TABLE ps_leaves_scalar
#include "body/all.h"
