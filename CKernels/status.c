#include "ps_status.h"

const char *ps_status_name(ps_status status) {
    switch (status) {
        case PS_OK: return "PS_OK";
        case PS_NEGATIVE_SIZE: return "PS_NEGATIVE_SIZE";
        case PS_NULL_POINTER: return "PS_NULL_POINTER";
        case PS_SIZE_OVERFLOW: return "PS_SIZE_OVERFLOW";
        case PS_INDEX_OUT_OF_RANGE: return "PS_INDEX_OUT_OF_RANGE";
        case PS_OVERLAP: return "PS_OVERLAP";
        case PS_BAD_OFFSETS: return "PS_BAD_OFFSETS";
        case PS_BAD_PARAMETER: return "PS_BAD_PARAMETER";
        case PS_UNSUPPORTED_ISA: return "PS_UNSUPPORTED_ISA";
        case PS_WORKSPACE_TOO_SMALL: return "PS_WORKSPACE_TOO_SMALL";
    }
    return "unknown ps_status";
}
