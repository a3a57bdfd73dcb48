/* SPDX-License-Identifier: MIT */
/*
 * Reads the description of a simulated machine; the grammar heads simulated.c.
 *
 * Two kinds of lines: those that describe GPUs come first (a machine is built up in an array of
 * fixed size), those that speak of GPU N come after its gpu line.
 *
 * What was read becomes a report in simulated_build.c.
 *
 * Invariants: at most GPU_REPORT_MAX_GPUS GPUs and GPU_REPORT_MAX_PROCESSES processes on each;
 * every refusal names file, line, what was found and what may stand there.
 */
#include "probe/simulated.h"

#include <errno.h>
#include <stdlib.h>

#include "common/duration.h"
#include "probe/pci.h"

#define WORDS_MAX   (GPU_REPORT_MAX_GPUS + 8) /* a row of a matrix, with room to notice more */
#define DEFAULT_MEM (INT64_C(80) << 30)
#define NVLINKS_MAX 72 /* between two GPUs; hardware has 18 */

struct reader {
	const char *file;
	unsigned line;
	struct err *err;

	char name[96]; /* of the next gpu line */
	int64_t mem_bytes;
	struct simulated_machine machine;
	struct simulated_matrix *open; /* the matrix whose rows are being read */
};

struct words {
	char *at[WORDS_MAX];
	size_t n;
};

static int refuse(struct reader *reader, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int refuse(struct reader *reader, const char *fmt, ...)
{
	char text[sizeof(reader->err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(reader->err, -EINVAL, "%.100s:%u: %s", reader->file, reader->line, text);
}

/*
 * Take `key=` out of the words and yield its value, NULL when it is not there. Once a line has
 * taken what it knows, words_done() refuses what is left.
 */
static char *words_take(struct words *words, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < words->n; i++) {
		char *word = words->at[i];

		if (strncmp(word, key, len) != 0 || word[len] != '=')
			continue;
		memmove(&words->at[i], &words->at[i + 1],
			(words->n - i - 1) * sizeof(words->at[0]));
		words->n--;
		return word + len + 1;
	}
	return NULL;
}

static int words_done(struct reader *reader, const struct words *words)
{
	if (words->n == 1)
		return 0;
	return refuse(reader,
		      "\"%s\" has no meaning on a %s line, or stands there twice; "
		      "see docs/simulated-gpus.md",
		      words->at[1], words->at[0]);
}

static int take_text(struct reader *reader, struct words *words, const char *key, char *ret_text,
		     size_t size)
{
	const char *value = words_take(words, key);

	if (!value)
		return 0;
	if (strlen(value) >= size)
		return refuse(reader, "%s= is longer than %zu characters", key, size - 1);
	memcpy(ret_text, value, strlen(value) + 1);
	return 0;
}

static int take_number(struct reader *reader, struct words *words, const char *key, int64_t max,
		       int64_t *ret_number)
{
	const char *value = words_take(words, key);

	if (value && parse_int64(value, 0, max, ret_number) < 0)
		return refuse(reader, "%s=%s: must be a number from 0 to %lld", key, value,
			      (long long)max);
	return 0;
}

static int size_parse(struct reader *reader, const char *text, int64_t *ret_bytes)
{
	struct err why = {0};
	uint64_t bytes;

	if (bytes_parse(text, &bytes, &why) < 0 || bytes > INT64_MAX)
		return refuse(reader, "\"%s\" is not a size; write 16G or 512M", text);
	*ret_bytes = (int64_t)bytes;
	return 0;
}

static int take_size(struct reader *reader, struct words *words, const char *key,
		     int64_t *ret_bytes)
{
	const char *value = words_take(words, key);

	return value ? size_parse(reader, value, ret_bytes) : 0;
}

/* The GPU that `gpu=N` names; it must be there already. */
static int take_gpu(struct reader *reader, struct words *words, size_t *ret_i)
{
	const char *value = words_take(words, "gpu");
	size_t n = reader->machine.all.n_gpus;
	int64_t i;

	if (!value)
		return refuse(reader, "%s: say which GPU: gpu=0", words->at[0]);
	if (parse_int64(value, 0, (int64_t)n - 1, &i) < 0)
		return refuse(reader, "gpu=%s: there %s %zu GPU%s above this line, from 0", value,
			      n == 1 ? "is" : "are", n, plural(n));
	*ret_i = (size_t)i;
	return 0;
}

/* A new GPU as the file's defaults and its place have it. */
static struct gpu_info *gpu_add(struct reader *reader, const char *kind)
{
	size_t i = reader->machine.all.n_gpus++;
	struct gpu_info *gpu = &reader->machine.all.gpus[i];

	snprintf(gpu->uuid, sizeof(gpu->uuid), "%s-%08x-0000-0000-0000-%012zu", kind,
		 (unsigned)((uint32_t)(i + 1) * UINT32_C(2654435761)), i); /* Knuth's multiplier */
	snprintf(gpu->vendor, sizeof(gpu->vendor), "simulated");
	memcpy(gpu->name, reader->name, sizeof(gpu->name));
	snprintf(gpu->bus_id, sizeof(gpu->bus_id), "0000:%02zx:00.0", 0x10 + i);
	gpu->minor = (int)i;
	gpu->mem_total_bytes = reader->mem_bytes;
	gpu->processes_known = true;
	return gpu;
}

static int room_check(struct reader *reader)
{
	if (reader->machine.all.n_gpus == GPU_REPORT_MAX_GPUS)
		return refuse(reader, "more than %d GPUs", GPU_REPORT_MAX_GPUS);
	return 0;
}

/* uuid= or the one made up; no two GPUs may share one, for instances name their GPU by it. */
static int take_uuid(struct reader *reader, struct words *words, struct gpu_info *gpu)
{
	int r = take_text(reader, words, "uuid", gpu->uuid, sizeof(gpu->uuid));

	if (r < 0)
		return r;
	for (const struct gpu_info *other = reader->machine.all.gpus; other < gpu; other++)
		if (STREQ(other->uuid, gpu->uuid))
			return refuse(reader, "uuid=%s: an earlier GPU has it", gpu->uuid);
	return gpu->uuid[0] ? 0 : refuse(reader, "uuid=: must not be empty");
}

static int gpu_line(struct reader *reader, struct words *words)
{
	char bus[PCI_ID_SIZE] = "";
	int64_t numa = -1, minor;
	struct gpu_info *gpu;
	int r = room_check(reader);

	if (r < 0)
		return r;
	gpu = gpu_add(reader, "SIM");
	minor = gpu->minor;
	if ((r = take_text(reader, words, "bus", bus, sizeof(bus))) < 0 ||
	    (r = take_uuid(reader, words, gpu)) < 0 ||
	    (r = take_text(reader, words, "cpus", gpu->cpus, sizeof(gpu->cpus))) < 0 ||
	    (r = take_number(reader, words, "numa", 1023, &numa)) < 0 ||
	    (r = take_number(reader, words, "minor", 1023, &minor)) < 0 ||
	    (r = take_size(reader, words, "mem", &gpu->mem_total_bytes)) < 0)
		return r;
	if (bus[0] && pci_id_parse(bus, gpu->bus_id) < 0)
		return refuse(reader, "bus=%s: write a PCI bus id like 0000:07:00.0", bus);
	gpu->numa = (int)numa;
	gpu->minor = (int)minor;
	return words_done(reader, words);
}

static int mig_line(struct reader *reader, struct words *words)
{
	struct gpu_info *gpu, *parent;
	size_t i;
	int r = room_check(reader);

	if (r < 0 || (r = take_gpu(reader, words, &i)) < 0)
		return r;
	parent = &reader->machine.all.gpus[i];
	if (parent->parent[0])
		return refuse(reader, "gpu=%zu is a MIG instance itself; name a whole GPU", i);
	parent->mig_enabled = true;
	gpu = gpu_add(reader, "MIG-SIM");
	gpu->mem_total_bytes = parent->mem_total_bytes / 8;
	gpu->minor = parent->minor;
	gpu->numa = parent->numa;
	memcpy(gpu->bus_id, parent->bus_id, sizeof(gpu->bus_id));
	memcpy(gpu->cpus, parent->cpus, sizeof(gpu->cpus));
	memcpy(gpu->parent, parent->uuid, sizeof(gpu->parent));
	if ((r = take_uuid(reader, words, gpu)) < 0 ||
	    (r = take_size(reader, words, "mem", &gpu->mem_total_bytes)) < 0)
		return r;
	return words_done(reader, words);
}

static int used_line(struct reader *reader, struct words *words)
{
	size_t i;
	int r = take_gpu(reader, words, &i);

	if (r < 0)
		return r;
	r = take_size(reader, words, "mem", &reader->machine.all.gpus[i].mem_used_bytes);
	if (r == 0 && reader->machine.all.gpus[i].mem_used_bytes == GPU_UNKNOWN)
		return refuse(reader, "used: say how much: mem=4G");
	reader->machine.used_given[i] = true;
	return r < 0 ? r : words_done(reader, words);
}

/* What its sensors would show; where the line does not say, they show nothing. */
static int load_line(struct reader *reader, struct words *words)
{
	struct gpu_info *gpu;
	size_t i;
	int r = take_gpu(reader, words, &i);

	if (r < 0)
		return r;
	gpu = &reader->machine.all.gpus[i];
	if ((r = take_number(reader, words, "util", 100, &gpu->utilization_percent)) < 0 ||
	    (r = take_number(reader, words, "watts", 100000, &gpu->power_mw)) < 0 ||
	    (r = take_number(reader, words, "joules", INT64_MAX / 1000, &gpu->energy_mj)) < 0 ||
	    (r = take_number(reader, words, "celsius", 200, &gpu->temperature_c)) < 0)
		return r;
	if (gpu->power_mw != GPU_UNKNOWN)
		gpu->power_mw *= 1000;
	if (gpu->energy_mj != GPU_UNKNOWN)
		gpu->energy_mj *= 1000;
	return words_done(reader, words);
}

static int process_line(struct reader *reader, struct words *words)
{
	struct gpu_process process = {.mem_bytes = GPU_UNKNOWN, .uid = GPU_UNKNOWN};
	struct gpu_info *gpu;
	char kind[2] = "C";
	int64_t pid = 0;
	size_t i;
	int r = take_gpu(reader, words, &i);

	if (r < 0 || (r = take_number(reader, words, "pid", INT32_MAX, &pid)) < 0 ||
	    (r = take_number(reader, words, "uid", UINT32_MAX, &process.uid)) < 0 ||
	    (r = take_size(reader, words, "mem", &process.mem_bytes)) < 0 ||
	    (r = take_text(reader, words, "kind", kind, sizeof(kind))) < 0 ||
	    (r = take_text(reader, words, "name", process.name, sizeof(process.name))) < 0)
		return r;
	if (pid == 0)
		return refuse(reader, "process: say which process: pid=812");
	if (!kind[0] || !strchr("CGM", kind[0]))
		return refuse(reader, "kind=%s: must be C (compute), G (graphics) or M (MPS)",
			      kind);
	gpu = &reader->machine.all.gpus[i];
	if (gpu->n_processes == GPU_REPORT_MAX_PROCESSES)
		return refuse(reader, "more than %d processes on GPU %zu", GPU_REPORT_MAX_PROCESSES,
			      i);
	process.pid = (pid_t)pid;
	process.kind = kind[0];
	gpu->processes = xreallocarray(gpu->processes, gpu->n_processes + 1, sizeof(process));
	gpu->processes[gpu->n_processes++] = process;
	return words_done(reader, words);
}

static int health_line(struct reader *reader, struct words *words)
{
	static const char *const names[] = {
		[GPU_HEALTH_OK] = "ok",
		[GPU_HEALTH_UNHEALTHY] = "unhealthy",
		[GPU_HEALTH_LOST] = "lost",
	};
	struct gpu_info *gpu;
	char state[16] = "";
	size_t i, health = 0;
	int r = take_gpu(reader, words, &i);

	if (r < 0 || (r = take_text(reader, words, "state", state, sizeof(state))) < 0)
		return r;
	while (health < ARRAY_SIZE(names) && !STREQ(names[health], state))
		health++;
	if (health == ARRAY_SIZE(names))
		return refuse(reader, "health: state=%s: must be ok, unhealthy or lost", state);
	gpu = &reader->machine.all.gpus[i];
	gpu->health = (enum gpu_health)health;
	snprintf(gpu->health_reason, sizeof(gpu->health_reason), "%s",
		 health == GPU_HEALTH_LOST	  ? "it no longer answers"
		 : health == GPU_HEALTH_UNHEALTHY ? "said to be unhealthy"
						  : "");
	r = take_text(reader, words, "reason", gpu->health_reason, sizeof(gpu->health_reason));
	return r < 0 ? r : words_done(reader, words);
}

static int absent_line(struct reader *reader, struct words *words)
{
	size_t i;
	int r = take_gpu(reader, words, &i);

	if (r < 0)
		return r;
	reader->machine.absent[i] = true;
	return words_done(reader, words);
}

static int mem_line(struct reader *reader, struct words *words)
{
	if (words->n != 2)
		return refuse(reader, "mem: write one size: mem 16G");
	return size_parse(reader, words->at[1], &reader->mem_bytes);
}

static int matrix_open(struct reader *reader, struct words *words, struct simulated_matrix *matrix)
{
	if (reader->machine.all.n_gpus == 0 || matrix->n_rows > 0)
		return refuse(reader, "%s: must stand once, below the gpu lines", words->at[0]);
	reader->open = matrix;
	return words_done(reader, words);
}

static int links_line(struct reader *reader, struct words *words)
{
	return matrix_open(reader, words, &reader->machine.links);
}

static int pcie_line(struct reader *reader, struct words *words)
{
	return matrix_open(reader, words, &reader->machine.pcie);
}

static int cell_parse(struct reader *reader, const char *word, struct gpu_link *ret_cell)
{
	int64_t n;

	*ret_cell = (struct gpu_link){.pci = (uint8_t)pci_link_parse(word)};
	if (ret_cell->pci != PCI_LINK_UNKNOWN || STREQ(word, "?") || STREQ(word, "X"))
		return 0;
	if (reader->open == &reader->machine.links && strncmp(word, "NV", 2) == 0 &&
	    parse_int64(word + 2, 1, NVLINKS_MAX, &n) == 0) {
		ret_cell->nvlinks = (uint8_t)n;
		return 0;
	}
	return refuse(reader, "\"%s\" is not a link; write X, SYS, NODE, PHB, PXB, PIX, INT or ?%s",
		      word, reader->open == &reader->machine.links ? ", or NV1 to NV72" : "");
}

static int row_line(struct reader *reader, struct words *words)
{
	struct simulated_matrix *matrix = reader->open;
	size_t row = matrix->n_rows;

	if (words->n != reader->machine.all.n_gpus)
		return refuse(reader,
			      "row %zu of the matrix has %zu words; one for each of the %zu "
			      "GPUs is needed",
			      row, words->n, reader->machine.all.n_gpus);
	for (size_t j = 0; j < words->n; j++) {
		int r = cell_parse(reader, words->at[j], &matrix->cells[row][j]);

		if (r < 0)
			return r;
		if ((j == row) != STREQ(words->at[j], "X"))
			return refuse(reader, "row %zu: X must stand in column %zu and only there",
				      row, row);
	}
	if (++matrix->n_rows == reader->machine.all.n_gpus)
		reader->open = NULL;
	return 0;
}

static int line_read(struct reader *reader, struct words *words)
{
	static const struct {
		const char *name;
		int (*read)(struct reader *reader, struct words *words);
	} lines[] = {
		{"mem", mem_line},	   {"gpu", gpu_line},	    {"mig", mig_line},
		{"links", links_line},	   {"pcie", pcie_line},	    {"used", used_line},
		{"process", process_line}, {"health", health_line}, {"absent", absent_line},
		{"load", load_line},
	};

	if (reader->open)
		return row_line(reader, words);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (STREQ(words->at[0], lines[i].name))
			return lines[i].read(reader, words);
	return refuse(reader, "\"%s\" is no kind of line; see docs/simulated-gpus.md",
		      words->at[0]);
}

/* `name` and `driver` take the rest of their line, blanks included. 1: it was such a line. */
static int text_line(struct reader *reader, const char *line)
{
	const struct {
		const char *key;
		char *text;
		size_t size;
	} keys[] = {
		{"name ", reader->name, sizeof(reader->name)},
		{"driver ", reader->machine.all.driver, sizeof(reader->machine.all.driver)},
	};

	for (size_t i = 0; !reader->open && i < ARRAY_SIZE(keys); i++) {
		const char *value = line + strlen(keys[i].key);

		if (strncmp(line, keys[i].key, strlen(keys[i].key)) != 0)
			continue;
		value += strspn(value, " \t");
		if (!*value || strlen(value) >= keys[i].size)
			return refuse(reader, "%s: must have 1 to %zu characters", keys[i].key,
				      keys[i].size - 1);
		memcpy(keys[i].text, value, strlen(value) + 1);
		return 1;
	}
	return 0;
}

/* Cut a line into words; reason= keeps the rest of its line. */
static int line_split(struct reader *reader, char *line, struct words *words)
{
	words->n = 0;
	for (line += strspn(line, " \t"); *line; line += strspn(line, " \t")) {
		if (words->n == WORDS_MAX)
			return refuse(reader, "more than %d words", WORDS_MAX);
		words->at[words->n++] = line;
		if (strncmp(line, "reason=", strlen("reason=")) == 0)
			break;
		line += strcspn(line, " \t");
		if (*line)
			*line++ = '\0';
	}
	return 0;
}

static int text_read(struct reader *reader, char *text)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		struct words words;
		size_t len = strcspn(line, "#\r");
		int r;

		reader->line++;
		while (len > 0 && strchr(" \t", line[len - 1]))
			len--;
		line[len] = '\0';
		line += strspn(line, " \t");
		r = text_line(reader, line);
		if (r == 0)
			r = line_split(reader, line, &words);
		if (r == 0 && words.n > 0)
			r = line_read(reader, &words);
		if (r < 0)
			return r;
	}
	if (reader->open)
		return refuse(reader, "the matrix ends after %zu of %zu rows", reader->open->n_rows,
			      reader->machine.all.n_gpus);
	if (reader->machine.all.n_gpus == 0)
		return refuse(reader,
			      "no GPU described; add a line \"gpu\", or set TGPU_GPUS=none");
	return 0;
}

static void reader_destroy(struct reader **reader)
{
	gpu_report_finish(&(*reader)->machine.all);
	free(*reader);
}

int simulated_parse(const char *text, const char *file, struct gpu_report *report, struct err *err)
{
	_cleanup_(reader_destroy) struct reader *reader = xcalloc(1, sizeof(*reader));
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	int r;

	reader->file = file;
	reader->err = err;
	reader->mem_bytes = DEFAULT_MEM;
	snprintf(reader->name, sizeof(reader->name), "Simulated GPU");
	gpu_report_init(&reader->machine.all, GPU_REPORT_MAX_GPUS);
	reader->machine.all.n_gpus = 0;
	r = text_read(reader, copy);
	if (r == 0)
		simulated_build(&reader->machine, report);
	return r;
}
