/* SPDX-License-Identifier: MIT */
/*
 * Log lines for the programs at the edges (tgpud, tgpu-runner, tgpu-probe). Libraries never log.
 *
 * A line is a sentence, then key=value pairs, `job=` first:
 *     log_warn("job could not be started job=%" PRIu64 " error=\"%s\"", id, msg);
 * On stderr; where that is the journal ($JOURNAL_STREAM) with the "<N>" level prefix of
 * sd-daemon(3), else with the time and the level's name.
 */
#pragma once

#include "common/util.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Name the program and drop lines below `level`. Without this call: "tgpu", LOG_LEVEL_INFO. */
void log_init(const char *program, enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
