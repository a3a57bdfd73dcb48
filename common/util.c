/* SPDX-License-Identifier: MIT */
/*
 * Allocation that aborts, whole-file reads and writes, integers: what libc leaves to everyone.
 *
 * Invariants: no function here returns NULL for want of memory; read_all() never reads more than
 * its bound; parse_int64() accepts exactly the strings that are integers.
 * Deliberately not here: logging, error texts (err.h), anything that knows what a job is.
 * Read next: err.h.
 */
#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void *or_abort(void *p)
{
	if (!p)
		abort();
	return p;
}

void *xmalloc(size_t size)
{
	return or_abort(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *xreallocarray(void *old, size_t count, size_t size)
{
	return or_abort(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return or_abort(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return or_abort(strndup(s, n));
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

void replace_string(char **slot, const char *text)
{
	char *copy = xstrdup(text);

	free(*slot);
	*slot = copy;
}

void xgrow(void *items, size_t *capacity, size_t need, size_t size)
{
	void **slot = items;
	size_t grown = *capacity ? *capacity : 8;

	if (need <= *capacity)
		return;
	while (grown < need)
		grown *= 2;
	*slot = xreallocarray(*slot, grown, size);
	*capacity = grown;
}

void free_ptr(void *pp)
{
	free(*(void **)pp);
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

int fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

int read_all(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t len = 0, capacity = 0;

	for (;;) {
		ssize_t n;

		xgrow(&text, &capacity, len + 4096, 1);
		n = read(fd, text + len, capacity - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (n == 0)
			break;
	}
	text[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret_text = TAKE_PTR(text);
	return 0;
}

int read_file(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_all(fd, max, ret_text, ret_len);
}

int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	long long value;
	char *end;

	if (digits[0] < '0' || digits[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	if (errno == ERANGE || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}
