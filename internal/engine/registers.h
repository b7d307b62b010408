// The scalar function that hashes the texts of a distinct count.
#ifndef CAUDAL_ENGINE_REGISTERS_H
#define CAUDAL_ENGINE_REGISTERS_H

// caudal_registers_register makes the function known to all connections of the database.
int caudal_registers_register(void *connection, const char *name);

#endif
