#include "registers.h"

#include <stdint.h>
#include <string.h>

// See rows.c for why the symbols are weak.
typedef void *handle;
#define WEAK extern __attribute__((weak))
WEAK handle duckdb_create_scalar_function(void);
WEAK void duckdb_destroy_scalar_function(handle *function);
WEAK void duckdb_scalar_function_set_name(handle function, const char *name);
WEAK void duckdb_scalar_function_add_parameter(handle function, handle type);
WEAK void duckdb_scalar_function_set_return_type(handle function, handle type);
WEAK void duckdb_scalar_function_set_function(handle function, void (*run)(handle, handle, handle));
WEAK int duckdb_register_scalar_function(handle connection, handle function);
WEAK uint64_t duckdb_data_chunk_get_size(handle chunk);
WEAK handle duckdb_data_chunk_get_vector(handle chunk, uint64_t column);
WEAK void *duckdb_vector_get_data(handle vector);
WEAK uint64_t *duckdb_vector_get_validity(handle vector);
WEAK void duckdb_vector_ensure_validity_writable(handle vector);
WEAK handle duckdb_create_logical_type(int type);
WEAK void duckdb_destroy_logical_type(handle *type);

#define TYPE_UINTEGER 8
#define TYPE_VARCHAR 17

// Laid out as duckdb_string_t.
typedef struct {
	uint32_t length;
	char inlined[12];  // of a longer text: its first four bytes, and where it stands
} text;

static const char *bytes_of(const text *t) {
	const char *apart;
	if (t->length <= sizeof t->inlined) return t->inlined;
	memcpy(&apart, t->inlined + 4, sizeof apart);
	return apart;
}

// MD5 (RFC 1321), of as many texts at once as LANES: its steps depend each on the one before, and the lanes fill what the processor would wait.
#define LANES 8
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

#define BLOCK 64       // bytes
#define WORDS 16       // of a block
#define SHORT_TEXT 55  // bytes that one block holds, beside the bit that ends them and their number

static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
	0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
	0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
	0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
	0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const int shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

#define FIRST_A 0x67452301
#define FIRST_B 0xefcdab89
#define FIRST_C 0x98badcfe
#define FIRST_D 0x10325476

// The 64 steps over the words m of a block.
#define STEPS(type, m, a, b, c, d)                                  \
	_Pragma("GCC unroll 64") for (int i = 0; i < 64; i++) {         \
		type f;                                                     \
		int word;                                                   \
		if (i < 16) {                                               \
			f = d ^ (b & (c ^ d));                                  \
			word = i;                                               \
		} else if (i < 32) {                                        \
			f = c ^ (d & (b ^ c));                                  \
			word = (5 * i + 1) % WORDS;                             \
		} else if (i < 48) {                                        \
			f = b ^ c ^ d;                                          \
			word = (3 * i + 5) % WORDS;                             \
		} else {                                                    \
			f = c ^ (b | ~d);                                       \
			word = 7 * i % WORDS;                                   \
		}                                                           \
		int shift = shifts[i / 16][i % 4];                          \
		f = f + a + sines[i] + m[word];                             \
		a = d;                                                      \
		d = c;                                                      \
		c = b;                                                      \
		b = b + ((f << shift) | (f >> (32 - shift)));               \
	}

// pack makes register<<6 | rank of the first two words of an MD5: the register is its low 12 bits, the rank counts the zeros of the 51 bits above.
static uint32_t pack(uint32_t a, uint32_t b) {
	uint64_t hash = (uint64_t)b << 32 | a;
	uint64_t tail = (hash >> 12 & ((UINT64_C(1) << 51) - 1)) | UINT64_C(1) << 51;
	return (uint32_t)(hash & 4095) << 6 | (uint32_t)(__builtin_ctzll(tail) + 1);
}

// pack_long is for a text of more than one block.
static uint32_t pack_long(const char *bytes, uint32_t length) {
	uint32_t h[4] = {FIRST_A, FIRST_B, FIRST_C, FIRST_D};
	for (uint64_t at = 0, end = (uint64_t)length + 9; at < end; at += BLOCK) {
		char block[BLOCK] = {0};
		uint32_t m[WORDS];
		if (at < length) memcpy(block, bytes + at, length - at < BLOCK ? length - at : BLOCK);
		if (at <= length && length < at + BLOCK) block[length - at] = (char)0x80;
		if (at + BLOCK >= end) {
			uint64_t bits = (uint64_t)length * 8;
			memcpy(block + BLOCK - 8, &bits, 8);
		}
		memcpy(m, block, BLOCK);
		uint32_t a = h[0], b = h[1], c = h[2], d = h[3];
		STEPS(uint32_t, m, a, b, c, d)
		h[0] += a;
		h[1] += b;
		h[2] += c;
		h[3] += d;
	}
	return pack(h[0], h[1]);
}

// A block of each lane, word by word.
typedef union {
	lanes words[WORDS];
	uint32_t of[WORDS][LANES];
} blocks;

// pack_all packs the texts of all lanes; those at rows[lane].
static void pack_all(const blocks *m, const uint64_t *rows, int n, uint32_t *packed) {
	lanes a = (lanes){0} + FIRST_A, b = (lanes){0} + FIRST_B, c = (lanes){0} + FIRST_C, d = (lanes){0} + FIRST_D;
	STEPS(lanes, m->words, a, b, c, d)
	for (int lane = 0; lane < n; lane++) packed[rows[lane]] = pack(a[lane] + FIRST_A, b[lane] + FIRST_B);
}

// pack_texts packs the HyperLogLog register and the rank of n texts, register<<6 | rank. What is not valid is left out.
static void pack_texts(const text *all, const uint64_t *valid, uint64_t n, uint32_t *packed) {
	blocks m = {0};
	uint32_t used[LANES] = {0};  // words of each lane that are not zero, but for the number of bits
	uint64_t rows[LANES];
	int lane = 0;
	for (uint64_t i = 0; i < n; i++) {
		if (valid != NULL && !(valid[i / 64] >> i % 64 & 1)) continue;
		const text *t = &all[i];
		if (t->length > SHORT_TEXT) {
			packed[i] = pack_long(bytes_of(t), t->length);
			continue;
		}
		uint32_t words[WORDS], filled = t->length / 4 + 1;
		words[filled - 1] = 0;
		memcpy(words, bytes_of(t), t->length);
		((char *)words)[t->length] = (char)0x80;
		for (uint32_t w = 0; w < filled; w++) m.of[w][lane] = words[w];
		for (uint32_t w = filled; w < used[lane]; w++) m.of[w][lane] = 0;
		m.of[WORDS - 2][lane] = t->length * 8;
		used[lane] = filled;
		rows[lane++] = i;
		if (lane == LANES) {
			pack_all(&m, rows, lane, packed);
			lane = 0;
		}
	}
	if (lane > 0) pack_all(&m, rows, lane, packed);
}

static void run(handle info, handle chunk, handle output) {
	(void)info;
	handle texts = duckdb_data_chunk_get_vector(chunk, 0);
	const uint64_t *valid = duckdb_vector_get_validity(texts);
	uint64_t n = duckdb_data_chunk_get_size(chunk);
	pack_texts(duckdb_vector_get_data(texts), valid, n, duckdb_vector_get_data(output));
	if (valid == NULL) return;
	duckdb_vector_ensure_validity_writable(output);
	memcpy(duckdb_vector_get_validity(output), valid, (n + 63) / 64 * sizeof *valid);
}

int caudal_registers_register(void *connection, const char *name) {
	handle f = duckdb_create_scalar_function(), texts = duckdb_create_logical_type(TYPE_VARCHAR), packed = duckdb_create_logical_type(TYPE_UINTEGER);
	duckdb_scalar_function_set_name(f, name);
	duckdb_scalar_function_add_parameter(f, texts);
	duckdb_scalar_function_set_return_type(f, packed);
	duckdb_scalar_function_set_function(f, run);
	int failed = duckdb_register_scalar_function(connection, f);
	duckdb_destroy_scalar_function(&f);
	duckdb_destroy_logical_type(&texts);
	duckdb_destroy_logical_type(&packed);
	return failed;
}
