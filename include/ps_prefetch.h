/// A hint that memory will be read soon. Swift has no intrinsic for it; being inline, it costs one instruction there too.
#ifndef PS_PREFETCH_H
#define PS_PREFETCH_H

/// Starts loading the cache line of `address` into all cache levels. Any address is legal: a bad one is ignored.
static inline __attribute__((always_inline)) void ps_prefetch_read(const void *address) { __builtin_prefetch(address, 0, 3); }

#endif
