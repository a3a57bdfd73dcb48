/* SPDX-License-Identifier: MIT */
/*
 * Durations and sizes: parsing and printing.
 *
 * Invariants: every parser accepts all of its text or none of it; no sign, no overflow, and nothing
 * but 0 is read as 0; duration_parse(duration_format(x)) == x for every x >= 0. A refusal quotes
 * the text and shows how it can be written. Deliberately not here: words such as "unlimited" (who
 * offers them, says so), Slurm's bare minutes (jobfile_sbatch.c translates them). Cost: linear in
 * the text. Read next: timetext.c.
 */
#include "common/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "common/scan.h"
#include "common/utf8.h"

#define MS_PER_S INT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)
#define MS_PER_W (7 * MS_PER_D)

struct unit {
	const char *name;
	int64_t ms;
	const char *also; /* what systemd and people write for it */
};

/* Descending: a duration names its units in this order, each at most once. */
static const struct unit units[] = {
	{"w", MS_PER_W, " week weeks "},
	{"d", MS_PER_D, " day days "},
	{"h", MS_PER_H, " hr hour hours "},
	{"m", MS_PER_M, " min mins minute minutes "},
	{"s", MS_PER_S, " sec secs second seconds "},
	{"ms", 1, " msec millisecond milliseconds "},
};

static bool is_unit(const struct unit *unit, const char *word, size_t len)
{
	_cleanup_(free_ptr) char *found = xasprintf(" %.*s ", (int)len, word);

	return (strlen(unit->name) == len && strncmp(unit->name, word, len) == 0) ||
	       (len > 0 && strstr(unit->also, found));
}

/* total += count * ms, unless that overflows. */
static bool add_units(int64_t *total, int64_t count, int64_t ms)
{
	int64_t part;

	return !__builtin_mul_overflow(count, ms, &part) &&
	       !__builtin_add_overflow(*total, part, total);
}

/* "1.5": what is behind the point in billionths; 0 where there is no point. */
static bool take_part(const char **at, int64_t *ret_billionths)
{
	const char *start = *at;

	*ret_billionths = 0;
	if (!scan_char(at, '.'))
		return true;
	if (!scan_number(at, ret_billionths) || *at - start > 10)
		return false;
	for (ptrdiff_t digits = *at - start - 1; digits < 9; digits++)
		*ret_billionths *= 10;
	return true;
}

/* total += (count + billionths) * ms, cut off below a millisecond. Less than one is no duration: a
 * limit of 0 would be none. */
static bool add_part(int64_t *total, int64_t count, int64_t billionths, int64_t ms)
{
	int64_t part = billionths * ms / 1000000000; /* below 10^9 * 6 * 10^8 */

	if (billionths > 0 && count == 0 && part == 0)
		return false;
	return add_units(total, count, ms) && add_units(total, part, 1);
}

/* "1h30m", "1.5 hours", "2 days 3 h": the unit is all the letters behind the number; `next` keeps
 * the order. */
static bool parse_units(const char *at, int64_t *ret_ms)
{
	int64_t total = 0, count, billionths;
	size_t next = 0;

	while (*at) {
		size_t len;

		if (!scan_number(&at, &count) || !take_part(&at, &billionths))
			return false;
		scan_blanks(&at);
		len = strspn(at, "abcdefghijklmnopqrstuvwxyz");
		while (next < ARRAY_SIZE(units) && !is_unit(&units[next], at, len))
			next++;
		if (next == ARRAY_SIZE(units) ||
		    !add_part(&total, count, billionths, units[next].ms))
			return false;
		next++;
		at += len;
		if (*at == ' ' && at[strspn(at, " ")])
			scan_blanks(&at);
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

	if (has_days && (!scan_number(&at, &days) || !scan_char(&at, '-')))
		return false;
	do {
		if (n == 3 || !scan_number(&at, &part[n++]))
			return false;
	} while (scan_char(&at, ':'));
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
	int64_t seconds, billionths, total = 0;

	if (strpbrk(text, ":-"))
		return parse_clock(text, ret_ms);
	if (!scan_number(&at, &seconds) || !take_part(&at, &billionths))
		return false;
	if (*at)
		return parse_units(text, ret_ms);
	if (!add_part(&total, seconds, billionths, MS_PER_S))
		return false;
	*ret_ms = total;
	return true;
}

int duration_parse(const char *text, int64_t *ret_ms, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	if (parse_duration(text, ret_ms))
		return 0;
	return err_set(
		err, -EINVAL,
		"%s is not a duration; write for example 90s, 15min, 1h30m, 1.5h or 2-12:00:00",
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

/* The power of two behind "", "K".."P"; "B", "i" and "iB" may follow. -1 when it is none of these.
 */
static int size_shift(const char *suffix)
{
	static const char letters[] = "KMGTP";
	const char *letter;
	int shift = 0;

	if (*suffix && (letter = strchr(letters, *suffix & ~0x20))) {
		shift = 10 * (int)(letter - letters + 1);
		suffix++;
		if (strcasecmp(suffix, "iB") == 0 || strcasecmp(suffix, "i") == 0)
			return shift;
	}
	return !*suffix || strcasecmp(suffix, "B") == 0 ? shift : -1;
}

/* ".5" of "1.5G" in thousandths: as exact as bytes_format() and people are. */
static bool take_fraction(const char **at, int64_t *ret_thousandths)
{
	const char *start = *at;

	*ret_thousandths = 0;
	if (!scan_char(at, '.'))
		return true;
	if (!scan_number(at, ret_thousandths) || *at - start > 4)
		return false;
	for (ptrdiff_t digits = *at - start - 1; digits < 3; digits++)
		*ret_thousandths *= 10;
	return true;
}

static bool parse_bytes(const char *text, uint64_t *ret_bytes)
{
	int64_t whole, thousandths, bytes = 0;
	const char *unit;
	bool fraction;
	int shift;

	if (!scan_number(&text, &whole))
		return false;
	fraction = *text == '.';
	if (!take_fraction(&text, &thousandths))
		return false;
	unit = text;
	scan_blanks(&unit);
	shift = *unit || unit == text ? size_shift(unit) : -1;
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
