/* SPDX-License-Identifier: MIT */
/*
 * One random case: a cluster and a list of operations, all from one number.
 *
 * Every operation makes sense whatever came before it ("cancel the 3rd waiting job, if there is
 * one"), so a failing list stays meaningful when operations are dropped from it.
 */
#pragma once

#include "naive.h"

#define CASE_OPS_MAX 80

enum op_type {
	OP_SUBMIT,    /* a job arrives */
	OP_ADVANCE,   /* time passes; runs that are over end on the way */
	OP_CANCEL,    /* a waiting job is withdrawn (cancelled or held) */
	OP_END,	      /* a running job ends before its time */
	OP_CONDITION, /* a GPU falls ill or recovers */
	OP_NOTHING,   /* a pass though nothing happened */
	OP_TYPE_COUNT,
};

struct op {
	enum op_type type;
	struct naive_job job; /* SUBMIT: what it asks for; submit and begin are relative to now */
	unsigned pick;	      /* CANCEL, END: which; CONDITION: node and slot */
	int64_t dt;	      /* ADVANCE */
	enum gpu_condition condition;
	bool quiet; /* SUBMIT: more comes before the next pass */
};

struct test_case {
	uint64_t seed;
	struct naive cluster; /* nodes, policy; no jobs yet */
	bool calm;	      /* nothing breaks, outlives its limit, is bound or makes room */
	bool plain;	      /* calm, fifo, and nothing begins later: the head's promise holds */
	bool exact;	      /* calm, and what is left in the end runs as long as is planned */
	unsigned reservations;
	struct preempt_params preempt;
	int64_t half_life;
	struct op ops[CASE_OPS_MAX];
	unsigned n_ops;
};

/* The policy of that number, for the scheduler. */
const struct policy *case_policy(enum naive_policy policy);

void case_generate(uint64_t seed, struct test_case *ret_case);
void case_print(const struct test_case *test_case);
