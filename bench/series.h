/* SPDX-License-Identifier: MIT */
/*
 * One figure, measured several times: its median, smallest and largest value.
 *
 * Machines are noisy and differ, so what counts is a ratio to something measured in the same rounds
 * and in turn with it, and how far the values lie apart.
 */
#pragma once

#include <stddef.h>

#define SERIES_MAX 64 /* values of one figure */

struct series {
	double values[SERIES_MAX];
	size_t n;
};

/* Add a value; those beyond SERIES_MAX are dropped. */
void series_add(struct series *series, double value);

double series_median(const struct series *series);

/* The ratios of one to another, round by round. */
struct series series_ratio(const struct series *series, const struct series *base);

/* One line: what it is, its median, unit and range. */
void series_print(const struct series *series, const char *unit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
