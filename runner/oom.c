/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/oom_score_adj, -1000 (never) to 1000 (first).
 *
 * Invariants: what a user's session gave to the runner, the job gets back. A negative score is not
 * passed on: it is the service's own protection (OOMScoreAdjust= of its unit), and a job that has
 * it would have others killed for the memory that it takes. [proc(5); slurmstepd and conmon do so]
 */
#include "runner/oom.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/util.h"

#define SCORE_FILE	"/proc/self/oom_score_adj"
#define SCORE_PROTECTED (-900)
#define SCORE_SIZE	16

static int64_t score_before; /* valid while is_protected */
static bool is_protected;

static int read_score(int64_t *ret_score)
{
	_cleanup_(free_ptr) char *text = NULL;
	int r = read_file(SCORE_FILE, SCORE_SIZE, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return parse_int64(text, -1000, 1000, ret_score);
}

static int write_score(int64_t score)
{
	_cleanup_(close_fd) int fd = open(SCORE_FILE, O_WRONLY | O_CLOEXEC);
	char text[SCORE_SIZE];

	snprintf(text, sizeof(text), "%d", (int)score);
	return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

void oom_protect(void)
{
	if (read_score(&score_before) < 0)
		return;
	is_protected = score_before <= SCORE_PROTECTED || write_score(SCORE_PROTECTED) == 0;
}

void oom_expose(void)
{
	if (is_protected || score_before < 0)
		(void)write_score(score_before < 0 ? 0 : score_before);
}
