/* SPDX-License-Identifier: MIT */
/*
 * Points in time: parsing and printing.
 *
 * Accepted is what people know from at(1), Slurm and systemd, as far as it means the same to all of
 * them. Invariants: a parser accepts all of its text or none of it; a refusal quotes the text and
 * shows how it can be written. Times without a zone are of the process's own.
 * Deliberately not here: days of the week and dates in another order than ISO's, of which each
 * reads some differently. Cost: linear in the text; mktime(3) is asked at most a handful of times.
 * Read next: duration.c.
 */
#include "common/timetext.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/scan.h"
#include "common/utf8.h"

/* Seconds of the last moment that fits int64_t nanoseconds: 2262-04-11. */
#define EPOCH_S_MAX (INT64_MAX / NS_PER_S)
#define YEAR_MAX    2261

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
 * A wall time that clocks jump over: as far behind the gap as it lies in it. Of the readings the
 * latest is the one with the offset from before the gap, whichever of the two a zone calls daylight
 * saving time; where a whole day is left out no reading lies behind it.
 */
static time_t behind_gap(const struct tm *wanted)
{
	time_t best = -1;
	struct tm shown, best_shown = *wanted, copy = *wanted;

	for (int is_dst = -1; is_dst <= 1; is_dst++) {
		time_t moment = read_moment(wanted, is_dst, &shown);

		if (moment <= best)
			continue;
		best = moment;
		best_shown = shown;
	}
	if (best != -1 && timegm(&best_shown) < timegm(&copy))
		best += timegm(&copy) - timegm(&best_shown);
	return best;
}

/*
 * The moments at which local clocks show `wanted`: where they go back a time of day comes twice,
 * and mktime(3) left to itself picks either; so both readings are tried. Where they go forward it
 * does not come at all. How many there are, ascending; 0: none can be told.
 */
static size_t find_moments(const struct tm *wanted, time_t ret_moments[2])
{
	size_t n = 0;

	for (int is_dst = 1; is_dst >= -1; is_dst--) {
		struct tm shown;
		time_t moment = read_moment(wanted, is_dst, &shown);

		if (moment == -1 || !same_wall_time(&shown, wanted))
			continue;
		if (n == 0 || (n == 1 && moment > ret_moments[0]))
			ret_moments[n++] = moment;
		else if (n == 1 && moment < ret_moments[0]) {
			ret_moments[n++] = ret_moments[0];
			ret_moments[0] = moment;
		}
	}
	if (n > 0)
		return n;
	ret_moments[0] = behind_gap(wanted);
	return ret_moments[0] != -1;
}

/* The first such moment after the floor; -1: none. */
static time_t local_moment(const struct tm *wanted, time_t floor_s)
{
	time_t moments[2];
	size_t n = find_moments(wanted, moments);

	for (size_t i = 0; i < n; i++)
		if (moments[i] > floor_s)
			return moments[i];
	return -1;
}

/* The last one that is not after the ceiling; -1: none. */
static time_t last_moment(const struct tm *wanted, time_t ceiling_s)
{
	time_t moments[2];
	size_t n = find_moments(wanted, moments);

	while (n > 0)
		if (moments[--n] <= ceiling_s)
			return moments[n];
	return -1;
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

/* "pm" behind an hour of 1 to 12. False when what is there is no time of day. */
static bool take_half(const char **at, int *hour, bool is_needed)
{
	const char *p = *at;
	bool pm;

	scan_blanks(&p);
	pm = scan_word(&p, "pm");
	if (!pm && !scan_word(&p, "am"))
		return !is_needed;
	if (*hour < 1 || *hour > 12)
		return false;
	*hour = *hour % 12 + (pm ? 12 : 0);
	*at = p;
	return true;
}

/* "14:05", "9:05", "14:05:30", "2pm", "2:30 PM", "noon". */
static bool take_time_of_day(const char **at, struct tm *tm)
{
	static const struct {
		const char *name;
		int hour;
	} words[] = {{"midnight", 0}, {"noon", 12}, {"teatime", 16}};
	int digits = (*at)[0] && (*at)[1] >= '0' && (*at)[1] <= '9' ? 2 : 1;
	bool has_minutes;

	tm->tm_min = tm->tm_sec = 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (scan_word(at, words[i].name)) {
			tm->tm_hour = words[i].hour;
			return true;
		}
	if (!scan_digits(at, digits, &tm->tm_hour))
		return false;
	has_minutes = scan_char(at, ':');
	if (has_minutes && !scan_digits(at, 2, &tm->tm_min))
		return false;
	if (has_minutes && scan_char(at, ':') && !scan_digits(at, 2, &tm->tm_sec))
		return false;
	return take_half(at, &tm->tm_hour, !has_minutes) && tm->tm_hour <= 23 && tm->tm_min <= 59 &&
	       tm->tm_sec <= 59;
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

	if (!scan_digits(at, 4, &year) || !scan_char(at, '-') || !scan_digits(at, 2, &month) ||
	    !scan_char(at, '-') || !scan_digits(at, 2, &day))
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
	return scan_char(at, 'T') || scan_char(at, ' ');
}

/* "Z", " UTC", "+01:00", "-0330", "+01" in seconds east of UTC. 1: none of these. */
static int take_zone(const char **at, int *ret_east_s)
{
	int hours, minutes = 0, sign = **at == '-' ? -1 : 1;

	if (scan_word(at, "Z") || scan_word(at, " UTC")) {
		*ret_east_s = 0;
		return 0;
	}
	if (!scan_char(at, '+') && !scan_char(at, '-'))
		return 1;
	if (!scan_digits(at, 2, &hours))
		return -1;
	if ((scan_char(at, ':') || **at) && !scan_digits(at, 2, &minutes))
		return -1;
	if (hours > 23 || minutes > 59)
		return -1;
	*ret_east_s = sign * (hours * 60 + minutes) * 60;
	return 0;
}

/* "2026-01-31", "2026-01-31T14:05[:30][ZONE]", "2026-01-31 14:05". */
static time_t parse_date(const char *text)
{
	int east_s = 0, zone = 1;
	struct tm tm;

	if (!take_date(&text, &tm))
		return -1;
	if (take_day_end(&text)) {
		if (!take_time_of_day(&text, &tm))
			return -1;
		zone = take_zone(&text, &east_s);
	}
	if (*text || zone < 0)
		return -1;
	return zone == 0 ? timegm(&tm) - east_s : local_moment(&tm, -1);
}

/* "today" and its neighbours: the day goes to `tm`, whose time of day stays. */
static bool take_day(const char **at, time_t now_s, struct tm *tm)
{
	static const char *const words[] = {"yesterday", "today", "tomorrow"};
	struct tm now;
	size_t i = 0;

	while (i < ARRAY_SIZE(words) && !scan_word(at, words[i]))
		i++;
	if (i == ARRAY_SIZE(words) || !localtime_r(&now_s, &now))
		return false;
	tm->tm_year = now.tm_year;
	tm->tm_mon = now.tm_mon;
	tm->tm_mday = now.tm_mday;
	move_days(tm, (int)i - 1);
	return true;
}

/* "tomorrow", when it begins, "tomorrow 14:05", "2pm tomorrow". 1: it names no day. */
static int parse_day(const char *text, time_t now_s, time_t *ret_moment)
{
	struct tm tm = {0};
	bool is_good;

	if (take_day(&text, now_s, &tm)) {
		is_good = !take_day_end(&text) || take_time_of_day(&text, &tm);
	} else {
		if (!take_time_of_day(&text, &tm) || !scan_char(&text, ' '))
			return 1;
		is_good = take_day(&text, now_s, &tm);
	}
	*ret_moment = is_good && !*text ? local_moment(&tm, -1) : -1;
	return 0;
}

/* "14:05", "noon": the next one, or the last. */
static time_t parse_time_of_day(const char *text, time_t now_s, bool past)
{
	struct tm tm;
	time_t moment;

	if (!localtime_r(&now_s, &tm) || !take_time_of_day(&text, &tm) || *text)
		return -1;
	moment = past ? last_moment(&tm, now_s) : local_moment(&tm, now_s);
	if (moment != -1)
		return moment;
	move_days(&tm, past ? -1 : 1);
	return past ? last_moment(&tm, now_s) : local_moment(&tm, now_s);
}

/* "", "+1h30m", " + 2 hours" behind "now"; "-1h" of the past. */
static bool parse_now(const char *text, int64_t now_ns, bool past, int64_t *ret_ns)
{
	int64_t ms, moment = 0;
	bool back;

	if (!*text) {
		*ret_ns = now_ns;
		return true;
	}
	scan_blanks(&text);
	back = past && *text == '-';
	if (!back && *text != '+')
		return false;
	text++;
	scan_blanks(&text);
	if (duration_parse(text, &ms, NULL) < 0 || __builtin_mul_overflow(ms, NS_PER_MS, &moment) ||
	    __builtin_add_overflow(now_ns, back ? -moment : moment, &moment) || moment < 0)
		return false;
	*ret_ns = moment;
	return true;
}

/* "2 hours" behind "in ". */
static bool parse_in(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	_cleanup_(free_ptr) char *ahead = xasprintf("+%s", text);

	return parse_now(ahead, now_ns, false, ret_ns);
}

static bool parse_epoch(const char *text, time_t *ret_moment)
{
	int64_t seconds;

	if (!scan_number(&text, &seconds) || *text)
		return false;
	*ret_moment = seconds;
	return true;
}

static bool parse_time(const char *text, int64_t now_ns, bool past, int64_t *ret_ns)
{
	time_t now_s = now_ns / NS_PER_S, moment = -1;
	const char *at = text;

	if (scan_word(&at, "now") || text[0] == '+')
		return parse_now(at, now_ns, past, ret_ns);
	if (!past && scan_word(&at, "in "))
		return parse_in(at, now_ns, ret_ns);
	if (text[0] == '@') {
		if (!parse_epoch(text + 1, &moment))
			return false;
	} else if (strlen(text) > 4 && text[4] == '-') {
		moment = parse_date(text);
	} else if (parse_day(text, now_s, &moment) == 1) {
		moment = parse_time_of_day(text, now_s, past);
	}
	if (moment < 0 || moment > EPOCH_S_MAX)
		return false;
	*ret_ns = moment * NS_PER_S;
	return true;
}

int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	if (parse_time(text, now_ns, false, ret_ns))
		return 0;
	return err_set(err, -EINVAL,
		       "%s is not a time; write for example now+1h30m, 14:05, 2pm, tomorrow, "
		       "2026-01-31T14:05 or @1767225600",
		       utf8_quote(text, quoted));
}

/* "7d", "-7d", "7d ago": so long ago. A number by itself means something else to everybody: a year,
 * an hour, minutes; "01-12" is a date to most. */
static bool parse_ago(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	static const char ago[] = "ago";
	const char *span = text + (text[0] == '-');
	size_t len = strlen(span), tail = strlen(ago);
	bool is_span = span > text;
	_cleanup_(free_ptr) char *back = NULL;

	if (len > tail && strcasecmp(span + len - tail, ago) == 0 && span[len - tail - 1] == ' ') {
		len -= tail;
		is_span = true;
	}
	while (len > 0 && span[len - 1] == ' ')
		len--;
	if (memchr(span, ':', len) || memchr(span, '-', len) ||
	    (!is_span && strspn(span, "0123456789") >= len))
		return false;
	back = xasprintf("-%.*s", (int)len, span);
	return parse_now(back, now_ns, true, ret_ns);
}

int time_parse_past(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE], now[32];
	int64_t ns;

	if (!parse_ago(text, now_ns, &ns) && !parse_time(text, now_ns, true, &ns))
		return err_set(err, -EINVAL,
			       "%s is no time of the past; write for example 2h, 14:05, yesterday, "
			       "2026-01-31T14:05 or @1767225600",
			       utf8_quote(text, quoted));
	if (ns > now_ns)
		return err_set(err, -EINVAL,
			       "%s is yet to come, it is %s now; write for example 2h, 14:05 or "
			       "yesterday",
			       utf8_quote(text, quoted), time_format(now_ns, now));
	*ret_ns = ns;
	return 0;
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
