// The table function that reads columns of events out of Go's memory.
#ifndef CAUDAL_ENGINE_ROWS_H
#define CAUDAL_ENGINE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

// How a column of 64-bit or 128-bit words in Go becomes a column of DuckDB.
enum {
	CAUDAL_COPY8 = 0,   // as it is, 8 bytes
	CAUDAL_COPY16 = 1,  // as it is, 16 bytes: strings laid out as duckdb_string_t, hugeint
	CAUDAL_TO32 = 2,    // 8 bytes narrowed to 4
	CAUDAL_TO16 = 3,    // 8 bytes narrowed to 2
	CAUDAL_TO8 = 4,     // 8 bytes narrowed to 1
	CAUDAL_LIST = 5,    // 16 bytes, where a row's elements begin among the items and how many they are: laid out as duckdb_list_entry
};

typedef struct caudal_column {
	char *name;
	int type;  // duckdb_type
	int precision, scale;
	int copy;
	const void *data;       // NULL: all zero
	const uint64_t *valid;  // NULL: no nulls
	struct caudal_column *items;  // of a list: its elements, in the order of the rows; else NULL
} caudal_column;

typedef struct {
	int ncols;
	int threads;
	uint64_t nrows;
	caudal_column *cols;
} caudal_rows;

caudal_rows *caudal_rows_new(int ncols, int threads);
void caudal_rows_free(caudal_rows *rows);
void caudal_rows_column(caudal_rows *rows, int i, const char *name, int type, int precision, int scale, int copy);
void caudal_rows_items(caudal_rows *rows, int i, int type, int precision, int scale, int copy);
void caudal_rows_data(caudal_rows *rows, int i, const void *data, const uint64_t *valid);
void caudal_rows_items_data(caudal_rows *rows, int i, const void *data, const uint64_t *valid);
int caudal_rows_register(void *connection, caudal_rows *rows, const char *name);

#endif
