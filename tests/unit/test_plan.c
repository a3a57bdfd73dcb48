/* SPDX-License-Identifier: MIT */
/*
 * scheduler/plan.h against one row of books per tick.
 *
 * Nodes are small and of different sizes, so that a job may fit into every moment of its time and
 * still nowhere for all of it.
 */
#include "cluster.h"
#include "draw.h"
#include "scheduler/plan.h"

#define TICKS 200 /* all that is booked is over long before */
#define NODES 3

/* What is taken at each tick. */
struct row {
	uint64_t gpus[NODES];
	uint32_t cpus[NODES];
};

struct booking {
	struct allocation alloc; /* owned */
	int64_t start, end;
};

struct fixture {
	struct ledger ledger; /* what runs is booked in it */
	struct plan plan;
	struct row rows[TICKS];
	struct booking bookings[40];
	size_t n;
	int64_t now;
};

static void mark(struct row *row, const struct allocation *alloc, bool take)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];

		if (take) {
			assert_false(row->gpus[part->node] & part->gpus);
			row->gpus[part->node] |= part->gpus;
			row->cpus[part->node] += part->cpus;
		} else {
			row->gpus[part->node] &= ~part->gpus;
			row->cpus[part->node] -= part->cpus;
		}
	}
}

static void mark_all(struct fixture *f, const struct booking *booking, bool take)
{
	for (int64_t t = booking->start; t < booking->end && t < TICKS; t++)
		mark(&f->rows[t], &booking->alloc, take);
}

/* Does the request fit into what is free all the time from start to end? */
static bool fits(const struct fixture *f, const struct request *request, int64_t start, int64_t end)
{
	struct ledger window;
	bool r;

	ledger_scratch_init(&window, &f->ledger);
	for (size_t n = 0; n < window.n_nodes; n++) {
		window.nodes[n].taken = 0;
		window.nodes[n].taken_cpus = 0;
	}
	for (int64_t t = start; t < end && t < TICKS; t++)
		for (size_t n = 0; n < window.n_nodes; n++) {
			window.nodes[n].taken |= f->rows[t].gpus[n];
			if (f->rows[t].cpus[n] > window.nodes[n].taken_cpus)
				window.nodes[n].taken_cpus = f->rows[t].cpus[n];
		}
	r = placement_fits(&window, request);
	ledger_scratch_finish(&window);
	return r;
}

static void open_plan(struct fixture *f)
{
	struct running runnings[8], *list[8];
	size_t n = 0;

	*f = (struct fixture){.now = 10};
	ledger_init(&f->ledger);
	for (size_t i = 0; i < 1 + draw(NODES); i++)
		cluster_add(&f->ledger, 1 + (unsigned)draw(4), 1 + (uint32_t)draw(6), 0, NULL);
	for (size_t i = 0; i < 8; i++) {
		struct request request = {.num_gpus = (uint32_t)draw(4), .cpus = (uint32_t)draw(3)};
		struct booking *booking = &f->bookings[f->n];

		if (placement_find(&f->ledger, &request, &booking->alloc))
			continue;
		ledger_take(&f->ledger, &booking->alloc);
		booking->start = f->now;
		booking->end = f->now + 1 + (int64_t)draw(20);
		runnings[n] = (struct running){.end_ns = booking->end, .alloc = booking->alloc};
		if (draw(4) == 0) /* overdue counts as over a tick from now */
			runnings[n].end_ns = f->now - (int64_t)draw(5);
		if (runnings[n].end_ns <= f->now)
			booking->end = f->now + 1;
		list[n] = &runnings[n];
		n++;
		mark_all(f, booking, true);
		f->n++;
	}
	plan_make(&f->plan, &f->ledger, list, n, f->now);
}

static void close_plan(struct fixture *f)
{
	for (size_t i = 0; i < f->n; i++)
		allocation_finish(&f->bookings[i].alloc);
	plan_finish(&f->plan);
	ledger_finish(&f->ledger);
}

static struct request draw_request(void)
{
	return (struct request){.num_gpus = (uint32_t)draw(6), .cpus = (uint32_t)draw(5)};
}

/* The earliest start there is, and a place that is free all the time. */
static void find_and_book(struct fixture *f)
{
	struct request request = draw_request();
	struct booking *booking = &f->bookings[f->n];
	int64_t length = 1 + (int64_t)draw(15), want = f->now;

	if (f->n == ARRAY_SIZE(f->bookings))
		return;
	while (want < TICKS && !fits(f, &request, want, want + length))
		want++;
	if (plan_find(&f->plan, &request, length, &booking->start, &booking->alloc)) {
		assert_int_equal(want, TICKS); /* not even when nothing is there */
		return;
	}
	assert_int_equal(booking->start, want);
	booking->end = plan_end(&f->plan, booking->start, length);
	assert_int_equal(booking->end, want + length);
	assert_true(plan_is_free(&f->plan, &booking->alloc, booking->start, booking->end));
	mark_all(f, booking, true); /* asserts that it is */
	plan_book(&f->plan, &booking->alloc, booking->start, booking->end);
	assert_false(booking->alloc.parts[0].gpus &&
		     plan_is_free(&f->plan, &booking->alloc, booking->start, booking->end));
	f->n++;
}

/* Now, or up to which length. */
static void find_now(struct fixture *f)
{
	struct request request = draw_request();
	int64_t length = 1 + (int64_t)draw(40), longest = -1, want = 0;
	struct allocation alloc = {0};

	while (want < TICKS && fits(f, &request, f->now, f->now + want + 1))
		want++;
	if (plan_find_now(&f->plan, &request, length, &alloc, &longest) == 0) {
		struct booking booking = {alloc, f->now, f->now + length};

		assert_true(length <= want);
		mark_all(f, &booking, true);
		mark_all(f, &booking, false);
		allocation_finish(&alloc);
		return;
	}
	assert_true(length > want);
	assert_int_equal(longest, want);
}

/* A promise that has not begun is taken back, or the rest of one that has. */
static void unbook(struct fixture *f)
{
	size_t at = f->n ? draw(f->n) : 0;
	struct booking *booking = &f->bookings[at];

	if (f->n == 0)
		return;
	if (booking->start < f->now)
		booking->start = f->now;
	if (booking->start < booking->end) {
		plan_unbook(&f->plan, &booking->alloc, booking->start, booking->end);
		mark_all(f, booking, false);
	}
	allocation_finish(&booking->alloc);
	*booking = f->bookings[--f->n];
	f->bookings[f->n] = (struct booking){0};
}

/* Every tick as the rows have it. */
static void compare(const struct fixture *f)
{
	size_t s = 0;

	assert_true(f->plan.steps[0].at_ns == f->now);
	for (int64_t t = f->now; t < TICKS; t++) {
		while (s + 1 < f->plan.n && f->plan.steps[s + 1].at_ns <= t)
			s++;
		for (size_t n = 0; n < f->ledger.n_nodes; n++) {
			assert_int_equal(f->plan.steps[s].free.nodes[n].taken, f->rows[t].gpus[n]);
			assert_int_equal(f->plan.steps[s].free.nodes[n].taken_cpus,
					 f->rows[t].cpus[n]);
		}
	}
}

static void step(struct fixture *f)
{
	switch (draw(8)) {
	case 0: unbook(f); break;
	case 1:
		f->now += (int64_t)draw(4);
		plan_advance(&f->plan, f->now);
		break;
	case 2:
		plan_tidy(&f->plan);
		for (size_t i = 1; i < f->plan.n; i++)
			assert_true(f->plan.steps[i - 1].at_ns < f->plan.steps[i].at_ns);
		break;
	case 3:
	case 4: find_now(f); break;
	default: find_and_book(f);
	}
	compare(f);
}

static void test_random_plans(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 400; round++) {
		struct fixture f;

		draw_seed(round);
		open_plan(&f);
		compare(&f);
		for (int i = 0; i < 40 && f.now < 60; i++)
			step(&f);
		close_plan(&f);
	}
}

static void test_tidy_leaves_the_least(void **state)
{
	struct ledger ledger;
	struct plan plan = {0};
	struct allocation_part part = {.gpus = 1};
	struct allocation alloc = {&part, 1};

	(void)state;
	ledger_init(&ledger);
	cluster_add(&ledger, 2, 4, 0, NULL);
	plan_make(&plan, &ledger, NULL, 0, 10);
	plan_book(&plan, &alloc, 20, 30);
	plan_book(&plan, &alloc, 30, 40);
	plan_tidy(&plan);
	assert_int_equal(plan.n, 3); /* free, taken from 20 to 40, free */
	assert_int_equal(plan.steps[2].at_ns, 40);
	plan_unbook(&plan, &alloc, 20, 40);
	plan_tidy(&plan);
	assert_int_equal(plan.n, 1);
	plan_finish(&plan);
	ledger_finish(&ledger);
}

/* Two nodes with one GPU free each, in turn: at every moment one is free, never long enough. */
static void test_a_job_does_not_move(void **state)
{
	struct ledger ledger;
	struct plan plan = {0};
	struct request one = {.num_gpus = 1};
	struct allocation found = {0};
	int64_t start, longest;

	(void)state;
	ledger_init(&ledger);
	for (uint32_t n = 0; n < 2; n++)
		cluster_add(&ledger, 1, 4, 0, NULL);
	plan_make(&plan, &ledger, NULL, 0, 0);
	for (int64_t t = 0; t < 100; t += 10) {
		struct allocation_part part = {.node = t / 10 % 2, .gpus = 1};

		plan_book(&plan, &(struct allocation){&part, 1}, t, t + 10);
	}
	assert_int_equal(plan_find(&plan, &one, 10, &start, &found), 0);
	assert_int_equal(start, 0);
	allocation_finish(&found);
	assert_int_equal(plan_find_now(&plan, &one, 11, &found, &longest), PLACE_NO_FIT);
	assert_int_equal(longest, 10);
	assert_int_equal(plan_find(&plan, &one, 11, &start, &found), 0);
	assert_int_equal(start, 90); /* node 0 is free from there on */
	assert_int_equal(found.parts[0].node, 0);
	allocation_finish(&found);
	plan_finish(&plan);
	ledger_finish(&ledger);
}

static void test_ends_that_nobody_knows_come_one_by_one(void **state)
{
	struct allocation_part parts[] = {{.gpus = 1}, {.gpus = 2}};
	struct running a = {.end_ns = TIME_NEVER, .alloc = {&parts[0], 1}};
	struct running b = {.end_ns = TIME_NEVER, .alloc = {&parts[1], 1}};
	struct request one = {.num_gpus = 1}, two = {.num_gpus = 2};
	struct running *list[] = {&a, &b};
	struct allocation found = {0};
	struct ledger ledger;
	struct plan plan = {0}, copy = {0};
	int64_t start;

	(void)state;
	ledger_init(&ledger);
	cluster_add(&ledger, 2, 4, 0, NULL);
	ledger_take(&ledger, &a.alloc);
	ledger_take(&ledger, &b.alloc);
	plan_make(&plan, &ledger, list, 2, 10);
	assert_int_equal(plan_find(&plan, &one, 5, &start, &found), 0);
	assert_true(start == PLAN_FAR_NS);
	allocation_finish(&found);
	assert_int_equal(plan_find(&plan, &two, TIME_NEVER, &start, &found), 0);
	assert_true(start == PLAN_FAR_NS + 1);
	/* One that nobody knows the end of counts as ending after those: others come after it. */
	plan_book(&plan, &found, start, plan_end(&plan, start, TIME_NEVER));
	allocation_finish(&found);
	assert_int_equal(plan_find(&plan, &two, 5, &start, &found), 0);
	assert_true(start > PLAN_FAR_NS + 1 && start < TIME_NEVER);
	allocation_finish(&found);
	plan_copy(&copy, &plan);
	plan_finish(&plan);
	assert_int_equal(plan_find(&copy, &one, 5, &start, &found), 0);
	assert_true(start == PLAN_FAR_NS + 2);
	allocation_finish(&found);
	plan_finish(&copy);
	ledger_finish(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_plans),
		cmocka_unit_test(test_tidy_leaves_the_least),
		cmocka_unit_test(test_a_job_does_not_move),
		cmocka_unit_test(test_ends_that_nobody_knows_come_one_by_one),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
