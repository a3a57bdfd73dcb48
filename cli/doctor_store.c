/* SPDX-License-Identifier: MIT */
/*
 * tgpu doctor --store: the database, looked through by the program that knows it.
 *
 * `tgpud --check-store DIR` is a process of its own that prints findings in doctor's form. It works
 * beside the tgpud that has the database, and where none can start. Read next:
 * daemon/check_store.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/field.h"

#define CHECK_TIMEOUT_MS 600000 /* 100 GiB at 200 MB a second */

static void check_directory(struct doctor *doctor, const char *dir)
{
	char name[] = "tgpud", option[] = "--check-store";
	_cleanup_(free_ptr) char *copy = xstrdup(dir);
	_cleanup_(free_ptr) char *what = xasprintf("the store in %s", dir);
	char *argv[] = {name, option, copy, NULL};

	doctor_ask(doctor, argv, CHECK_TIMEOUT_MS, what);
}

void doctor_check_store(struct doctor *doctor)
{
	const char *running = field_text(doctor->status, "state_dir");
	const char *dir = running[0] ? running : doctor->paths.state_dir;

	check_directory(doctor, dir);
	/* Root, whose own daemon is rare, means the machine's. */
	if (!getenv("TGPU_STATE_DIR") && !STREQ(dir, PATHS_SYSTEM_STATE) &&
	    access(PATHS_SYSTEM_STATE "/tgpu.db", R_OK) == 0)
		check_directory(doctor, PATHS_SYSTEM_STATE);
}
