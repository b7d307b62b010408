// The scalar function that hashes the texts of a distinct count.
#ifndef CAUDAL_ENGINE_REGISTERS_H
#define CAUDAL_ENGINE_REGISTERS_H

#include <stdint.h>

// caudal_registers packs the HyperLogLog register and the rank of n texts, register<<6 | rank; texts are laid out as duckdb_string_t. What is not valid is left out.
void caudal_registers(const void *texts, const uint64_t *valid, uint64_t n, uint32_t *packed);

// caudal_registers_register makes the function known to all connections of the database.
int caudal_registers_register(void *connection, const char *name);

#endif
