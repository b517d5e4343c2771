internal import CKernels

/// Starts loading the cache line at `address`; the load that follows some hundred cycles later finds it there.
///
/// One instruction once inlined, which the release build does. Any address is legal: a bad one is ignored by the processor.
@inline(__always) func prefetch(_ address: UnsafeRawPointer) {
    unsafe ps_prefetch_read(address)
}
