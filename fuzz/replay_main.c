/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target on every file of a corpus, without a fuzzer: the corpora as tests.
 *
 * The name of a file is printed before it runs, so that the last line names the culprit of a crash.
 * An empty or missing corpus is a failure: a test that runs nothing shows nothing.
 */
#include <dirent.h>
#include <stdlib.h>

#include "common/util.h"

#define INPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(free_ptr) char *text = NULL, *exact = NULL;
	size_t len;
	int r = read_file(path, INPUT_MAX, &text, &len);

	if (r < 0) {
		fprintf(stderr, "cannot read %s: %s\n", path, strerror(-r));
		return r;
	}
	/* Without the NUL behind it, so that the address sanitizer sees a read past the end. */
	exact = xmalloc(len);
	memcpy(exact, text, len);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int n, failures = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	n = scandir(argv[1], &entries, is_file, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s holds no inputs\n", argv[1]);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		failures += replay(argv[1], entries[i]->d_name) < 0;
		free(entries[i]);
	}
	free(entries);
	return failures ? 1 : 0;
}
