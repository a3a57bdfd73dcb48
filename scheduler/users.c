/* SPDX-License-Identifier: MIT */
/*
 * The users' accounts.
 *
 * Invariants: an account is exact at its own `as_of_ns` and is settled before it is changed;
 * between two settlements the rate is constant, so the decayed integral has a closed form and no
 * tick is needed. To read it changes nothing, not even a rounding: how often somebody asks never
 * decides between two users who are even. Time that goes back (a wall clock that was set) charges
 * nothing. Deliberately not here: accounts above users (groups, projects), and weights: all are due
 * the same. Cost: O(1) each, one hash look-up. Read next: predict.c.
 */
#include "scheduler/users.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "common/hash.h"

struct user {
	uint32_t uid;
	uint32_t jobs, gpus; /* running */
	double rate;	     /* sum of the shares of running jobs */
	double usage;	     /* share-seconds at as_of_ns */
	int64_t as_of_ns;
	double read; /* what was read last, of read_ns: a pass reads it many times */
	int64_t read_ns;
	UT_hash_handle hh;
};

struct users {
	int64_t half_life_ns;
	struct user *by_uid; /* owned */
};

struct users *users_create(int64_t half_life_ns)
{
	struct users *users = xcalloc(1, sizeof(*users));

	users->half_life_ns = half_life_ns;
	return users;
}

void users_destroy(struct users *users)
{
	struct user *user, *next;

	if (!users)
		return;
	user = users->by_uid;
	HASH_CLEAR(hh, users->by_uid); /* the table; its entries are still a list */
	for (; user; user = next) {
		next = user->hh.next;
		free(user);
	}
	free(users);
}

static struct user *find(const struct users *users, uint32_t uid)
{
	struct user *user;

	HASH_FIND(hh, users->by_uid, &uid, sizeof(uid), user);
	return user;
}

static struct user *find_or_add(struct users *users, uint32_t uid)
{
	struct user *user = find(users, uid);

	if (user)
		return user;
	user = xcalloc(1, sizeof(*user));
	user->uid = uid;
	user->read_ns = TIME_NEVER;
	HASH_ADD(hh, users->by_uid, uid, sizeof(user->uid), user);
	return user;
}

/* What is left of one unit after `dt_ns`. */
static double fade(const struct users *users, int64_t dt_ns)
{
	return users->half_life_ns ? exp2(-(double)dt_ns / (double)users->half_life_ns) : 1;
}

/* What a constant rate of one adds up to over `dt_ns`, seen from the end: the integral of fade().
 */
static double accrue(const struct users *users, int64_t dt_ns)
{
	double mean_life_s = (double)users->half_life_ns / NS_PER_S / M_LN2;

	return users->half_life_ns ? mean_life_s * (1 - fade(users, dt_ns))
				   : (double)dt_ns / NS_PER_S;
}

static double usage_at(const struct users *users, const struct user *user, int64_t now_ns)
{
	int64_t dt_ns = now_ns - user->as_of_ns;

	if (dt_ns <= 0)
		return user->usage;
	return user->usage * fade(users, dt_ns) + user->rate * accrue(users, dt_ns);
}

/* Before every change. */
static void settle(const struct users *users, struct user *user, int64_t now_ns)
{
	user->usage = usage_at(users, user, now_ns);
	if (now_ns > user->as_of_ns)
		user->as_of_ns = now_ns;
	user->read_ns = TIME_NEVER;
}

void users_take(struct users *users, uint32_t uid, uint32_t gpus, double share, int64_t now_ns)
{
	struct user *user = find_or_add(users, uid);

	settle(users, user, now_ns);
	user->jobs++;
	user->gpus += gpus;
	user->rate += share;
}

void users_give(struct users *users, uint32_t uid, uint32_t gpus, double share, int64_t now_ns)
{
	struct user *user = find(users, uid);

	assert(user && user->jobs > 0 && user->gpus >= gpus);
	settle(users, user, now_ns);
	user->jobs--;
	user->gpus -= gpus;
	user->rate = user->jobs > 0 ? user->rate - share : 0; /* no rounding stays behind */
}

void users_charge(struct users *users, uint32_t uid, double share, int64_t start_ns, int64_t end_ns)
{
	struct user *user = find_or_add(users, uid);
	double used;

	if (end_ns <= start_ns)
		return;
	used = share * accrue(users, end_ns - start_ns);
	settle(users, user, end_ns);
	user->usage += used * fade(users, user->as_of_ns - end_ns);
}

double users_usage(struct users *users, uint32_t uid, int64_t now_ns)
{
	struct user *user = find(users, uid);

	if (!user)
		return 0;
	if (user->read_ns != now_ns) {
		user->read = usage_at(users, user, now_ns);
		user->read_ns = now_ns;
	}
	return user->read;
}

uint32_t users_jobs(const struct users *users, uint32_t uid)
{
	const struct user *user = find(users, uid);

	return user ? user->jobs : 0;
}

uint32_t users_gpus(const struct users *users, uint32_t uid)
{
	const struct user *user = find(users, uid);

	return user ? user->gpus : 0;
}
