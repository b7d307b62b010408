#include "rows.h"

#include <stdlib.h>
#include <string.h>

// The part of DuckDB's C interface that is used here. Its header lies in another module, where cgo cannot find it. The symbols are weak
// because cgo links every package by itself once, without the library; the bindings refer to all of them, so that they are there in
// the end.
typedef uint64_t idx_t;
typedef void *handle;
#define WEAK extern __attribute__((weak))
WEAK handle duckdb_create_table_function(void);
WEAK void duckdb_destroy_table_function(handle *function);
WEAK void duckdb_table_function_set_name(handle function, const char *name);
WEAK void duckdb_table_function_set_extra_info(handle function, void *info, void (*destroy)(void *));
WEAK void duckdb_table_function_set_bind(handle function, void (*bind)(handle));
WEAK void duckdb_table_function_set_init(handle function, void (*init)(handle));
WEAK void duckdb_table_function_set_function(handle function, void (*run)(handle, handle));
WEAK void duckdb_table_function_supports_projection_pushdown(handle function, bool pushdown);
WEAK int duckdb_register_table_function(handle connection, handle function);
WEAK void *duckdb_bind_get_extra_info(handle info);
WEAK void duckdb_bind_add_result_column(handle info, const char *name, handle type);
WEAK void duckdb_bind_set_cardinality(handle info, idx_t rows, bool exact);
WEAK void *duckdb_init_get_extra_info(handle info);
WEAK idx_t duckdb_init_get_column_count(handle info);
WEAK idx_t duckdb_init_get_column_index(handle info, idx_t column);
WEAK void duckdb_init_set_init_data(handle info, void *data, void (*destroy)(void *));
WEAK void duckdb_init_set_max_threads(handle info, idx_t threads);
WEAK void *duckdb_function_get_init_data(handle info);
WEAK idx_t duckdb_vector_size(void);
WEAK handle duckdb_data_chunk_get_vector(handle chunk, idx_t column);
WEAK void duckdb_data_chunk_set_size(handle chunk, idx_t size);
WEAK void *duckdb_vector_get_data(handle vector);
WEAK uint64_t *duckdb_vector_get_validity(handle vector);
WEAK void duckdb_vector_ensure_validity_writable(handle vector);
WEAK handle duckdb_create_logical_type(int type);
WEAK handle duckdb_create_decimal_type(uint8_t precision, uint8_t scale);
WEAK handle duckdb_create_list_type(handle type);
WEAK void duckdb_destroy_logical_type(handle *type);
WEAK int duckdb_list_vector_reserve(handle vector, idx_t n);
WEAK int duckdb_list_vector_set_size(handle vector, idx_t n);
WEAK handle duckdb_list_vector_get_child(handle vector);

#define TYPE_DECIMAL 19
#define USUAL_ROWS 50000

// One scan: which columns it wants, and the next row that no thread has taken.
typedef struct {
	caudal_rows *rows;
	idx_t next;
	idx_t ncols;
	int64_t cols[];
} scan;

static handle scalar_type(const caudal_column *c) {
	return c->type == TYPE_DECIMAL ? duckdb_create_decimal_type(c->precision, c->scale) : duckdb_create_logical_type(c->type);
}

static handle column_type(const caudal_column *c) {
	if (c->items == NULL) return scalar_type(c);
	handle item = scalar_type(c->items);
	handle type = duckdb_create_list_type(item);
	duckdb_destroy_logical_type(&item);
	return type;
}

static void rows_bind(handle info) {
	caudal_rows *rows = duckdb_bind_get_extra_info(info);
	for (int i = 0; i < rows->ncols; i++) {
		caudal_column *c = &rows->cols[i];
		handle type = column_type(c);
		duckdb_bind_add_result_column(info, c->name, type);
		duckdb_destroy_logical_type(&type);
	}
	duckdb_bind_set_cardinality(info, USUAL_ROWS, false);
}

static void rows_init(handle info) {
	caudal_rows *rows = duckdb_init_get_extra_info(info);
	idx_t n = duckdb_init_get_column_count(info);
	scan *s = malloc(sizeof(scan) + n * sizeof(int64_t));
	s->rows = rows;
	s->next = 0;
	s->ncols = n;
	for (idx_t i = 0; i < n; i++) {
		idx_t c = duckdb_init_get_column_index(info, i);
		s->cols[i] = c < (idx_t)rows->ncols ? (int64_t)c : -1;  // beyond them: row ids, which count(*) asks for and nobody reads
	}
	duckdb_init_set_init_data(info, s, free);
	duckdb_init_set_max_threads(info, rows->threads);
}

static void copy_data(const caudal_column *c, void *to, idx_t at, idx_t n) {
	if (c->data == NULL) {
		static const int width[] = {8, 16, 4, 2, 1};
		memset(to, 0, n * width[c->copy]);
		return;
	}
	const int64_t *words = (const int64_t *)c->data + at;
	switch (c->copy) {
	case CAUDAL_COPY8:
		memcpy(to, words, n * 8);
		break;
	case CAUDAL_COPY16:
		memcpy(to, (const char *)c->data + at * 16, n * 16);
		break;
	case CAUDAL_TO32:
		for (idx_t i = 0; i < n; i++) ((int32_t *)to)[i] = (int32_t)words[i];
		break;
	case CAUDAL_TO16:
		for (idx_t i = 0; i < n; i++) ((int16_t *)to)[i] = (int16_t)words[i];
		break;
	case CAUDAL_TO8:
		for (idx_t i = 0; i < n; i++) ((int8_t *)to)[i] = (int8_t)words[i];
		break;
	}
}

// copy_validity copies the nulls of rows [at, at+n); at is a multiple of 64. A vector without nulls keeps its empty mask, which is faster.
static void copy_validity(const caudal_column *c, handle vector, idx_t at, idx_t n) {
	if (c->valid == NULL) return;
	const uint64_t *valid = c->valid + at / 64;
	idx_t words = (n + 63) / 64;
	uint64_t last = n % 64 ? (UINT64_C(1) << (n % 64)) - 1 : UINT64_MAX;
	bool nulls = (valid[words - 1] & last) != last;
	for (idx_t i = 0; i + 1 < words && !nulls; i++) nulls = valid[i] != UINT64_MAX;
	if (!nulls) return;
	duckdb_vector_ensure_validity_writable(vector);
	memcpy(duckdb_vector_get_validity(vector), valid, words * 8);
}

// copy_list copies the arrays of rows [at, at+n): where each stands, and the elements of all of them.
static void copy_list(const caudal_column *c, handle vector, idx_t at, idx_t n) {
	typedef struct {
		uint64_t offset, length;
	} entry;
	const entry *from = (const entry *)c->data + at;
	idx_t first = from[0].offset, length = from[n - 1].offset + from[n - 1].length - first;
	entry *to = duckdb_vector_get_data(vector);
	for (idx_t i = 0; i < n; i++) to[i] = (entry){from[i].offset - first, from[i].length};
	duckdb_list_vector_reserve(vector, length);
	duckdb_list_vector_set_size(vector, length);
	if (length == 0) return;
	handle child = duckdb_list_vector_get_child(vector);
	copy_data(c->items, duckdb_vector_get_data(child), first, length);
	const uint64_t *valid = c->items->valid;
	uint64_t *mask = NULL;
	for (idx_t i = 0; valid != NULL && i < length; i++) {
		if (valid[(first + i) / 64] >> (first + i) % 64 & 1) continue;
		if (mask == NULL) {
			duckdb_vector_ensure_validity_writable(child);
			mask = duckdb_vector_get_validity(child);
		}
		mask[i / 64] &= ~(UINT64_C(1) << i % 64);
	}
}

static void rows_run(handle info, handle chunk) {
	scan *s = duckdb_function_get_init_data(info);
	idx_t size = duckdb_vector_size();
	idx_t at = __atomic_fetch_add(&s->next, size, __ATOMIC_SEQ_CST);
	if (at >= s->rows->nrows) {
		duckdb_data_chunk_set_size(chunk, 0);
		return;
	}
	idx_t n = s->rows->nrows - at < size ? s->rows->nrows - at : size;
	for (idx_t i = 0; i < s->ncols; i++) {
		if (s->cols[i] < 0) continue;
		caudal_column *c = &s->rows->cols[s->cols[i]];
		handle vector = duckdb_data_chunk_get_vector(chunk, i);
		if (c->items != NULL)
			copy_list(c, vector, at, n);
		else
			copy_data(c, duckdb_vector_get_data(vector), at, n);
		copy_validity(c, vector, at, n);
	}
	duckdb_data_chunk_set_size(chunk, n);
}

caudal_rows *caudal_rows_new(int ncols, int threads) {
	caudal_rows *rows = calloc(1, sizeof(caudal_rows));
	rows->ncols = ncols;
	rows->threads = threads;
	rows->cols = calloc(ncols, sizeof(caudal_column));
	return rows;
}

void caudal_rows_free(caudal_rows *rows) {
	for (int i = 0; i < rows->ncols; i++) {
		free(rows->cols[i].name);
		free(rows->cols[i].items);
	}
	free(rows->cols);
	free(rows);
}

void caudal_rows_column(caudal_rows *rows, int i, const char *name, int type, int precision, int scale, int copy) {
	caudal_column *c = &rows->cols[i];
	c->name = strdup(name);
	c->type = type;
	c->precision = precision;
	c->scale = scale;
	c->copy = copy;
}

void caudal_rows_items(caudal_rows *rows, int i, int type, int precision, int scale, int copy) {
	caudal_column *items = calloc(1, sizeof(caudal_column));
	items->type = type;
	items->precision = precision;
	items->scale = scale;
	items->copy = copy;
	rows->cols[i].items = items;
}

void caudal_rows_data(caudal_rows *rows, int i, const void *data, const uint64_t *valid) {
	rows->cols[i].data = data;
	rows->cols[i].valid = valid;
}

void caudal_rows_items_data(caudal_rows *rows, int i, const void *data, const uint64_t *valid) {
	rows->cols[i].items->data = data;
	rows->cols[i].items->valid = valid;
}

int caudal_rows_register(void *connection, caudal_rows *rows, const char *name) {
	handle f = duckdb_create_table_function();
	duckdb_table_function_set_name(f, name);
	duckdb_table_function_set_extra_info(f, rows, NULL);
	duckdb_table_function_set_bind(f, rows_bind);
	duckdb_table_function_set_init(f, rows_init);
	duckdb_table_function_set_function(f, rows_run);
	duckdb_table_function_supports_projection_pushdown(f, true);
	int failed = duckdb_register_table_function(connection, f);
	duckdb_destroy_table_function(&f);
	return failed;
}
