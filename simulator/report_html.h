/* SPDX-License-Identifier: MIT */
/* What replays gave, as a picture: one HTML file that needs nothing else. */
#pragma once

#include "simulator/report.h"

/* All results, which are of one trace, in one file. 0 or -errno with a sentence. */
int report_html(const struct result *results, size_t n, const char *path, struct err *err);

/* The Gantt chart of one result as an SVG file. The same. */
int report_gantt(const struct result *result, const char *path, struct err *err);
