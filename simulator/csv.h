/* SPDX-License-Identifier: MIT */
/*
 * Traces as comma-separated values under a header line.
 *
 * A format names the columns it understands and what they mean; columns of other names are passed
 * over, so a file with more columns than needed is fine, in any order.
 */
#pragma once

#include "simulator/source.h"

/* What a column says of a job. */
enum csv_field {
	CSV_ID,
	CSV_SUBMIT,
	CSV_RUN,
	CSV_START, /* with CSV_END, where there is no run time */
	CSV_END,
	CSV_ESTIMATE,
	CSV_GPUS,
	CSV_CPUS,
	CSV_MEM,
	CSV_USER,
	CSV_PRIORITY,
	CSV_CLUSTER,
	CSV_ITERATIONS, /* times CSV_ITERATION: the run time */
	CSV_ITERATION,
	CSV_FIELD_COUNT,
};

#define CSV_BIT(field) (1u << (field))

struct csv_column {
	const char *name;
	enum csv_field field;
	int64_t unit; /* of numbers; NS_PER_S for seconds, 0 for texts */
};

struct csv_layout {
	const struct csv_column *columns; /* the first of a field that a header has counts */
	size_t n_columns;
	unsigned required; /* CSV_BIT()s of fields that must be there */
	bool one_cluster;  /* job numbers repeat: --cluster must be given */
	bool gpus_only;	   /* rows without GPUs are no jobs */
};

/* Does a header have all that the layout requires? */
bool csv_matches(const struct csv_layout *layout, const char *header);

/* Read header and rows into source->trace. */
int csv_read(struct source *source, const struct csv_layout *layout, struct err *err);
