// The module exists for its pkg-config flags; mpi.h is full of macros that Swift cannot import, so only CPinSageMPI includes it.
