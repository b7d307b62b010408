// Memory that DuckDB freed.
#ifndef CAUDAL_ENGINE_MEMORY_H
#define CAUDAL_ENGINE_MEMORY_H

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// caudal_return_memory gives back to the system what the C library keeps of it: what lies between allocations, after a batch tens of MiB.
static inline void caudal_return_memory(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

#endif
