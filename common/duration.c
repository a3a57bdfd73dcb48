/* SPDX-License-Identifier: MIT */
/*
 * Durations, points in time and sizes: parsing and printing.
 *
 * Invariants: every parser accepts all of its text or none of it; no sign, no blank, no overflow;
 * duration_parse(duration_format(x)) == x for every x >= 0. A refusal quotes the text and shows how
 * it can be written.
 * Deliberately not here: words such as "unlimited" (who offers them, says so), time zones other
 * than the process's own, Slurm's bare minutes (jobfile_sbatch.c translates them). Cost: linear in
 * the text; time_parse() asks mktime(3) at most a handful of times.
 */
#include "common/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "common/clock.h"
#include "common/utf8.h"

#define MS_PER_S INT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)
#define MS_PER_W (7 * MS_PER_D)

/* Seconds of the last moment that fits int64_t nanoseconds: 2262-04-11. */
#define EPOCH_S_MAX (INT64_MAX / NS_PER_S)
#define YEAR_MAX    2261

struct unit {
	const char *name;
	int64_t ms;
};

/* Descending: a duration names its units in this order, each at most once. */
static const struct unit units[] = {
	{"w", MS_PER_W}, {"d", MS_PER_D}, {"h", MS_PER_H},
	{"m", MS_PER_M}, {"s", MS_PER_S}, {"ms", 1},
};

/* Read decimal digits at *at and move behind them. False when there are none or too many. */
static bool take_number(const char **at, int64_t *ret_value)
{
	int64_t value = 0;
	const char *p = *at;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*at = p;
	*ret_value = value;
	return true;
}

/* Exactly `digits` digits, as in dates. */
static bool take_digits(const char **at, int digits, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return false;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += digits;
	*ret_value = value;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* total += count * ms, unless that overflows. */
static bool add_units(int64_t *total, int64_t count, int64_t ms)
{
	int64_t part;

	return !__builtin_mul_overflow(count, ms, &part) &&
	       !__builtin_add_overflow(*total, part, total);
}

/* "1h30m": the unit is all the letters behind the number; `next` keeps the order. */
static bool parse_units(const char *at, int64_t *ret_ms)
{
	int64_t total = 0, count;
	size_t next = 0;

	while (*at) {
		size_t len;

		if (!take_number(&at, &count))
			return false;
		len = strspn(at, "abcdefghijklmnopqrstuvwxyz");
		while (next < ARRAY_SIZE(units) &&
		       (strlen(units[next].name) != len || strncmp(units[next].name, at, len) != 0))
			next++;
		if (next == ARRAY_SIZE(units) || !add_units(&total, count, units[next].ms))
			return false;
		next++;
		at += len;
	}
	*ret_ms = total;
	return true;
}

/*
 * Slurm's forms. Without days the last two of "HH:MM:SS" may stand alone ("MM:SS"); with days the
 * first two may ("D-HH"). Only the first number of all may exceed its unit: "90:00" is 90 minutes.
 */
static bool parse_clock(const char *at, int64_t *ret_ms)
{
	static const int64_t scale[] = {MS_PER_H, MS_PER_M, MS_PER_S};
	static const int64_t limit[] = {23, 59, 59};
	int64_t days = 0, total = 0, part[3];
	size_t n = 0, first;
	bool has_days = strchr(at, '-') != NULL;

	if (has_days && (!take_number(&at, &days) || !take_char(&at, '-')))
		return false;
	do {
		if (n == 3 || !take_number(&at, &part[n++]))
			return false;
	} while (take_char(&at, ':'));
	if (*at || (!has_days && n < 2) || !add_units(&total, days, MS_PER_D))
		return false;
	first = has_days ? 0 : 3 - n;
	for (size_t i = 0; i < n; i++) {
		if ((i > 0 || has_days) && part[i] > limit[first + i])
			return false;
		if (!add_units(&total, part[i], scale[first + i]))
			return false;
	}
	*ret_ms = total;
	return true;
}

static bool parse_duration(const char *text, int64_t *ret_ms)
{
	const char *at = text;
	int64_t seconds, total = 0;

	if (strpbrk(text, ":-"))
		return parse_clock(text, ret_ms);
	if (!take_number(&at, &seconds))
		return false;
	if (*at)
		return parse_units(text, ret_ms);
	if (!add_units(&total, seconds, MS_PER_S))
		return false;
	*ret_ms = total;
	return true;
}

int duration_parse(const char *text, int64_t *ret_ms, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	if (parse_duration(text, ret_ms))
		return 0;
	return err_set(err, -EINVAL,
		       "%s is not a duration; write for example 90s, 15m, 1h30m or 2-12:00:00",
		       utf8_quote(text, quoted));
}

/* Weeks are read but not written: "14d" says more to most people than "2w". */
const char *duration_format(int64_t ms, char buf[32])
{
	size_t i = 1;
	int len;

	if (ms < 0)
		return strcpy(buf, "-");
	if (ms == 0)
		return strcpy(buf, "0s");
	while (i + 1 < ARRAY_SIZE(units) && (ms < units[i].ms || ms % units[i + 1].ms != 0))
		i++;
	len = sprintf(buf, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
	/* At most 19 digits, a unit, and less than 1000 of the next unit: far below 32 bytes. */
	if (ms % units[i].ms != 0)
		sprintf(buf + len, "%" PRId64 "%s", ms % units[i].ms / units[i + 1].ms,
			units[i + 1].name);
	return buf;
}

static bool same_wall_time(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
	       a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/* mktime(3) under one reading of daylight saving time, without touching `tm`. */
static time_t read_moment(const struct tm *tm, int is_dst, struct tm *ret_shown)
{
	*ret_shown = *tm;
	ret_shown->tm_isdst = is_dst;
	return mktime(ret_shown);
}

/*
 * The first moment after `floor_s` at which local clocks show `wanted`. Where clocks go back, a
 * time of day comes twice, and mktime(3) left to itself picks either; so both readings are tried.
 * Where clocks go forward it does not come at all: then its standard-time reading, which lies just
 * behind the gap, stands for it. -1 when there is none after the floor.
 */
static time_t local_moment(const struct tm *wanted, time_t floor_s)
{
	static const int readings[] = {1, 0, -1};
	time_t best = -1, moment;
	bool exists = false;
	struct tm shown;

	for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
		moment = read_moment(wanted, readings[i], &shown);
		if (moment == -1 || !same_wall_time(&shown, wanted))
			continue;
		exists = true;
		if (moment > floor_s && (best == -1 || moment < best))
			best = moment;
	}
	if (exists)
		return best;
	moment = read_moment(wanted, 0, &shown);
	return moment > floor_s ? moment : -1;
}

/* So many days later, by way of noon, which every calendar day has. */
static void move_days(struct tm *tm, int days)
{
	struct tm noon = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_hour = 12};

	noon.tm_mday = tm->tm_mday + days;
	noon.tm_isdst = -1;
	mktime(&noon);
	tm->tm_year = noon.tm_year;
	tm->tm_mon = noon.tm_mon;
	tm->tm_mday = noon.tm_mday;
}

/* "14:05", "9:05" or "14:05:30". */
static bool take_time_of_day(const char **at, struct tm *tm)
{
	int digits = (*at)[0] && (*at)[1] == ':' ? 1 : 2;

	tm->tm_sec = 0;
	if (!take_digits(at, digits, &tm->tm_hour) || !take_char(at, ':') ||
	    !take_digits(at, 2, &tm->tm_min))
		return false;
	if (take_char(at, ':') && !take_digits(at, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 59;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **at, struct tm *tm)
{
	int year, month, day;

	if (!take_digits(at, 4, &year) || !take_char(at, '-') || !take_digits(at, 2, &month) ||
	    !take_char(at, '-') || !take_digits(at, 2, &day))
		return false;
	if (year < 1970 || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month))
		return false;
	*tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	return true;
}

/* What stands between a day and a time of day: ISO 8601's letter, or what people see in a list. */
static bool take_day_end(const char **at)
{
	return take_char(at, 'T') || take_char(at, ' ');
}

/* "2026-01-31", "2026-01-31T14:05[:30]", "2026-01-31 14:05". */
static time_t parse_date(const char *text)
{
	struct tm tm;

	if (!take_date(&text, &tm))
		return -1;
	if (take_day_end(&text) && !take_time_of_day(&text, &tm))
		return -1;
	return *text ? -1 : local_moment(&tm, -1);
}

/* "tomorrow", when it begins, or "tomorrow 14:05"; so for today and yesterday. 1: no such word. */
static int take_day(const char *text, time_t now_s, time_t *ret_moment)
{
	static const char *const words[] = {"yesterday", "today", "tomorrow"};
	size_t i = 0;
	struct tm tm;

	while (i < ARRAY_SIZE(words) && strncmp(text, words[i], strlen(words[i])) != 0)
		i++;
	if (i == ARRAY_SIZE(words) || !localtime_r(&now_s, &tm))
		return 1;
	text += strlen(words[i]);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	move_days(&tm, (int)i - 1);
	*ret_moment = -1;
	if (!take_day_end(&text) || take_time_of_day(&text, &tm))
		*ret_moment = *text ? -1 : local_moment(&tm, -1);
	return 0;
}

/* "14:05[:30]": the next one, or the last. */
static time_t parse_time_of_day(const char *text, time_t now_s, bool past)
{
	struct tm tm;
	time_t moment;

	if (!localtime_r(&now_s, &tm) || !take_time_of_day(&text, &tm) || *text)
		return -1;
	moment = local_moment(&tm, past ? -1 : now_s);
	if (moment != -1 && !(past && moment > now_s))
		return moment;
	move_days(&tm, past ? -1 : 1);
	return local_moment(&tm, past ? -1 : now_s);
}

static bool parse_now(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t ms, moment = now_ns;

	if (*text && (!take_char(&text, '+') || !parse_duration(text, &ms) ||
		      !add_units(&moment, ms, NS_PER_MS)))
		return false;
	*ret_ns = moment;
	return true;
}

static int parse_time(const char *text, int64_t now_ns, bool past, int64_t *ret_ns, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];
	const char *at = text + 1;
	int64_t moment = -1;

	if (strncmp(text, "now", 3) == 0 || text[0] == '+') {
		if (parse_now(text[0] == '+' ? text : text + 3, now_ns, ret_ns))
			return 0;
	} else if (text[0] == '@') {
		if (!take_number(&at, &moment) || *at)
			moment = -1;
	} else if (strlen(text) > 4 && text[4] == '-') {
		moment = parse_date(text);
	} else if (take_day(text, now_ns / NS_PER_S, &moment) == 1) {
		moment = parse_time_of_day(text, now_ns / NS_PER_S, past);
	}
	if (moment < 0 || moment > EPOCH_S_MAX)
		return err_set(err, -EINVAL,
			       "%s is not a time; write for example now+1h30m, 14:05, tomorrow, "
			       "2026-01-31T14:05 or @1767225600",
			       utf8_quote(text, quoted));
	*ret_ns = moment * NS_PER_S;
	return 0;
}

int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err)
{
	return parse_time(text, now_ns, false, ret_ns, err);
}

int time_parse_past(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err)
{
	return parse_time(text, now_ns, true, ret_ns, err);
}

const char *time_format(int64_t ns, char buf[32])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (ns == TIME_UNKNOWN || !localtime_r(&seconds, &tm) ||
	    strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}

/* The power of two behind "", "K".."P"; "B" and "iB" may follow. -1 when it is none of these. */
static int size_shift(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *letter;
	int shift = 0;

	if (*suffix && (letter = strchr(letters, *suffix & ~0x20))) {
		shift = 10 * (int)(letter - letters + 1);
		suffix++;
		if (strcasecmp(suffix, "iB") == 0)
			return shift;
	}
	return !*suffix || strcasecmp(suffix, "B") == 0 ? shift : -1;
}

/* ".5" of "1.5G" in thousandths: as exact as bytes_format() and people are. */
static bool take_fraction(const char **at, int64_t *ret_thousandths)
{
	const char *start = *at;

	*ret_thousandths = 0;
	if (!take_char(at, '.'))
		return true;
	if (!take_number(at, ret_thousandths) || *at - start > 4)
		return false;
	for (ptrdiff_t digits = *at - start - 1; digits < 3; digits++)
		*ret_thousandths *= 10;
	return true;
}

static bool parse_bytes(const char *text, uint64_t *ret_bytes)
{
	int64_t whole, thousandths, bytes = 0;
	bool fraction;
	int shift;

	if (!take_number(&text, &whole))
		return false;
	fraction = *text == '.';
	if (!take_fraction(&text, &thousandths))
		return false;
	shift = size_shift(text);
	if (shift < 0 || (fraction && shift == 0) || !add_units(&bytes, whole, INT64_C(1) << shift))
		return false;
	/* Below 1000 * 2^50: no overflow in the product, and at most 2^50 more in the sum. */
	if (__builtin_add_overflow(bytes, (thousandths << shift) / 1000, &bytes))
		return false;
	*ret_bytes = (uint64_t)bytes;
	return true;
}

int bytes_parse(const char *text, uint64_t *ret_bytes, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	if (parse_bytes(text, ret_bytes))
		return 0;
	return err_set(err, -EINVAL, "%s is not a size; write for example 16G, 512M or 1.5T",
		       utf8_quote(text, quoted));
}

const char *bytes_format(uint64_t bytes, char buf[32])
{
	static const char letters[] = "KMGTPE";
	uint64_t tenths;
	int i = 0;

	if (bytes < 1024) {
		snprintf(buf, 32, "%" PRIu64, bytes);
		return buf;
	}
	/* Rounding may reach the next unit: 1023.97M is written 1G. */
	while (i < 5 && (bytes >> (10 * (i + 1))) >= 1024)
		i++;
	tenths = (uint64_t)(((unsigned __int128)bytes * 10 + (UINT64_C(1) << (10 * i + 9))) >>
			    (10 * (i + 1)));
	if (tenths >= 10240 && i < 5) {
		tenths = 10;
		i++;
	}
	if (tenths % 10)
		snprintf(buf, 32, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
			 letters[i]);
	else
		snprintf(buf, 32, "%" PRIu64 "%c", tenths / 10, letters[i]);
	return buf;
}

const char *duration_show(int64_t ms, char buf[32])
{
	static const struct {
		const char *name;
		int64_t s;
	} steps[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
	int64_t s = ms / 1000;
	size_t i = 0;
	int len;

	if (ms < 1000)
		return duration_format(ms, buf);
	while (s < steps[i].s)
		i++;
	len = sprintf(buf, "%" PRId64 "%s", s / steps[i].s, steps[i].name);
	s = i + 1 < ARRAY_SIZE(steps) ? s % steps[i].s / steps[i + 1].s : 0;
	if (s > 0)
		sprintf(buf + len, "%02" PRId64 "%s", s, steps[i + 1].name);
	return buf;
}
