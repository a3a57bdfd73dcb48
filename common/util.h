/* SPDX-License-Identifier: MIT */
/*
 * The few macros and allocation helpers every directory uses.
 *
 * Running out of memory aborts: tgpud's state is committed before anything is promised, so a
 * restart loses nothing, and no caller needs a path for it. Sizes that come from outside are
 * bounded before they reach these functions.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a)	       (sizeof(a) / sizeof((a)[0]))
#define STREQ(a, b)	       (strcmp((a), (b)) == 0)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Run fn(&variable) when the variable leaves its scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Hand over: yield the value and leave NULL (or -1) behind, so that a _cleanup_ does nothing. */
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

/* What "GPU" takes behind a number of them: "1 GPU", "2 GPUs". Borrowed for ever. */
static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Allocate; abort when there is no memory. The caller owns the result and frees it with free(). */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Put a copy of `text` into an owned string's place. */
void replace_string(char **slot, const char *text);

/* Grow the array *items so that it holds at least `need` elements of `size` bytes (doubling). */
void xgrow(void *items, size_t *capacity, size_t need, size_t size);

/* For _cleanup_: free a heap pointer, close a descriptor, close a stream. */
void free_ptr(void *pp);
void close_fd(int *fd);
void close_file(FILE **f);

/* Close `fd` if it is open and return -1, for `fd = fd_close(fd)`. Never retried on EINTR. */
int fd_close(int fd);

/*
 * Read all of `fd` (a small file: /proc, a record, a job file) into a NUL-terminated heap string.
 * *ret_len, when given, is its length. -EFBIG when there are more than `max` bytes. May block.
 */
int read_all(int fd, size_t max, char **ret_text, size_t *ret_len);

/* The same for a path; O_CLOEXEC. -errno of open(2) when it cannot be opened. */
int read_file(const char *path, size_t max, char **ret_text, size_t *ret_len);

/* Write all of `len` bytes, across short writes and EINTR. 0 or -errno. May block. */
int write_all(int fd, const void *data, size_t len);

/*
 * Parse all of `text` as a decimal integer within [min, max]. 0, -EINVAL when it is not one (signs
 * other than a leading '-', blanks and trailing text are refused), -ERANGE outside the bounds.
 */
int parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value);
