/* SPDX-License-Identifier: MIT */
/* Whom the kernel takes when memory runs out: the job, not the one that can tell what happened. */
#pragma once

/* Make this process an unlikely victim, where that is allowed. */
void oom_protect(void);

/* In a child, before it drops its rights: be a victim like any other process again. */
void oom_expose(void);
