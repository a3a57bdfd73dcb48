/* SPDX-License-Identifier: MIT */
/* The screen of `tgpu top`. */
#pragma once

#include <curses.h>

#include "cli/top_keys.h"

/* Prepare colours, where the terminal has them and the user wants them. After initscr(). */
void top_view_init(void);

/* Draw everything into the window, and note in `top` how far its panes reach. */
void top_view_draw(WINDOW *window, struct top *top, int64_t now_ms);
