#ifndef PINSAGE_CZLIB_SHIM_H
#define PINSAGE_CZLIB_SHIM_H
#include <zlib.h>
#endif
