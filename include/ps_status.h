#ifndef PS_STATUS_H
#define PS_STATUS_H

/// What a kernel reports. Values are part of the ABI and never renumbered.
/// A kernel that returns anything but PS_OK has written nothing.
typedef enum ps_status {
    PS_OK = 0,
    PS_NEGATIVE_SIZE = 1,        ///< a size, offset or stride is negative, or a stride is below its width
    PS_NULL_POINTER = 2,         ///< a pointer is null although its size is not zero
    PS_SIZE_OVERFLOW = 3,        ///< the product of sizes does not fit an int64
    PS_INDEX_OUT_OF_RANGE = 4,   ///< an index is below 0 or not below its table's row count
    PS_OVERLAP = 5,              ///< an output overlaps an input or another output
    PS_BAD_OFFSETS = 6,          ///< offsets do not start at 0 or decrease
    PS_BAD_PARAMETER = 7,        ///< a scalar option is outside its documented range or not finite
    PS_UNSUPPORTED_ISA = 8,      ///< the processor (or this build) cannot run that instruction set
    PS_WORKSPACE_TOO_SMALL = 9,  ///< the caller's scratch buffer is smaller than the size function said
} ps_status;

/// The name of a status, e.g. "PS_OVERLAP"; never null.
const char *ps_status_name(ps_status status);

#endif
