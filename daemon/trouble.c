/* SPDX-License-Identifier: MIT */
/*
 * The one place where failed reads of the store are logged.
 *
 * Invariants: the first of a burst is logged at once, and the next line says how many went by in
 * silence, so a page that is damaged can be met by any number of clients without filling a disk.
 * Deliberately not here: failed commits, after which tgpud ends (turn.c). Read next: api.c.
 */
#include "daemon/trouble.h"

#include <inttypes.h>

#include "common/log.h"
#include "daemon/daemon.h"

#define SILENCE_NS (60 * NS_PER_S)

const char *trouble_text(const struct err *err)
{
	return err->msg[0] ? err->msg : "the store cannot be read; see \"tgpu doctor --store\"";
}

void trouble_reading(struct daemon *daemon, const struct err *err)
{
	struct trouble *trouble = &daemon->trouble;
	int64_t now_ns = clock_mono_ns();

	if (trouble->said_ns != 0 && now_ns - trouble->said_ns < SILENCE_NS) {
		trouble->n_silent++;
		return;
	}
	log_error("the store cannot be read error=\"%s\" unsaid=%" PRIu64, trouble_text(err),
		  trouble->n_silent);
	*trouble = (struct trouble){.said_ns = now_ns};
}
