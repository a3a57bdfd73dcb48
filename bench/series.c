/* SPDX-License-Identifier: MIT */
/*
 * Medians of a few values.
 *
 * Deliberately not here: means and deviations. What disturbs a measurement only ever makes it
 * slower, and a mean takes every disturbance in. Read next: core.c.
 */
#include "bench/series.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void series_add(struct series *series, double value)
{
	if (series->n < SERIES_MAX)
		series->values[series->n++] = value;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct series sorted(const struct series *series)
{
	struct series copy = *series;

	qsort(copy.values, copy.n, sizeof(copy.values[0]), compare);
	return copy;
}

double series_median(const struct series *series)
{
	struct series order = sorted(series);

	if (order.n == 0)
		return 0;
	return (order.values[(order.n - 1) / 2] + order.values[order.n / 2]) / 2;
}

struct series series_ratio(const struct series *series, const struct series *base)
{
	struct series ratio = {0};

	for (size_t i = 0; i < series->n && i < base->n; i++)
		series_add(&ratio, series->values[i] / base->values[i]);
	return ratio;
}

void series_print(const struct series *series, const char *unit, const char *format, ...)
{
	struct series order = sorted(series);
	char what[128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (order.n > 0)
		printf("  %-52s %10.3f %-8s (%.3f - %.3f)\n", what, series_median(series), unit,
		       order.values[0], order.values[order.n - 1]);
	fflush(stdout);
}
