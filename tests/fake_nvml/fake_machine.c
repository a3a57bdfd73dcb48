/* SPDX-License-Identifier: MIT */
/*
 * The text file behind the fake libnvidia-ml: named by TGPU_FAKE_NVML, re-read when its time of
 * change or its size differ. Lines of words, '#' starts a comment, GPUs count from 0 in file order:
 *
 *     driver VERSION
 *     stride 16|24|32            bytes of an entry that the newest process calls write (default 24)
 *     linkbase N                 NVLink numbers below N do not exist
 *     generation N               once N changes, all is UNINITIALIZED until the next Init
 *     gpu uuid=U bus=0000:06:00.0 minor=N node=N cpus=LIST mem=MIB used=MIB name=TEXT TO THE END
 *     mig gpu=N slot=N uuid=U mem=MIB name=...      an instance; slots not named are holes
 *     migmode N                  in MIG mode even without an instance
 *     link A B NVn|INT|PIX|PXB|PHB|NODE|SYS         both ways; SYS where nothing is said
 *     oneway A B NVn             what A sees, and B does not
 *     switch A N                 N links into NVSwitches
 *     proc gpu=N pid=P mem=MIB|? kind=C|G|M [slot=N]
 *     lost N                     no handle, GPU_IS_LOST (15)
 *     falling N                  a handle, but every call on it answers 15
 *     handle N CODE              asking for its handle answers CODE
 *     ecc N COUNT                uncorrectable errors
 *     util N PERCENT, power N MILLIWATTS, energy N MILLIJOULES    instead of 7, 43210, 123456789
 *     remap N pending|failure
 *     xid N CODE                 an error event; happens when the line appears, so not to an event
 *                                set that is made later
 *     fail SYMBOL CODE           that function answers CODE and does nothing
 *     hide SYMBOL                the same with FUNCTION_NOT_FOUND (13)
 *     delay_ms SYMBOL MS         that function sleeps first: a hanging driver
 *
 * A mistake in the file ends the process with a message: it is a mistake in a test.
 * Symbols that must truly be absent: the build makes libraries of older branches (meson.build).
 */
#include "fake_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct fake_machine machine;
static struct timespec read_mtime;
static long long read_size = -1;
static unsigned line_number;

static const struct {
	const char *word;
	int level;
} levels[] = {{"INT", 0}, {"PIX", 10}, {"PXB", 20}, {"PHB", 30}, {"NODE", 40}, {"SYS", 50}};

static void give_up(const char *why)
{
	fprintf(stderr, "fake nvml: %s:%u: %s\n", getenv("TGPU_FAKE_NVML"), line_number, why);
	_Exit(70);
}

/* The text behind key= in the line, up to a blank; name= runs to the end. */
static bool value_get(const char *line, const char *key, char *ret_value, size_t size)
{
	char needle[32];
	const char *at;
	size_t n;

	snprintf(needle, sizeof(needle), " %s=", key);
	at = strstr(line, needle);
	if (!at)
		return false;
	at += strlen(needle);
	n = strcmp(key, "name") == 0 ? strlen(at) : strcspn(at, " \t");
	if (n >= size)
		give_up("value too long");
	memcpy(ret_value, at, n);
	ret_value[n] = '\0';
	return true;
}

static long long number_get(const char *line, const char *key, long long otherwise)
{
	char text[32];

	return value_get(line, key, text, sizeof(text)) ? strtoll(text, NULL, 10) : otherwise;
}

static struct fake_device *gpu_at(long long i)
{
	if (i < 0 || i >= (long long)machine.n_gpus)
		give_up("no such GPU above this line");
	return &machine.gpus[i];
}

static void gpu_line(const char *line)
{
	struct fake_device *gpu = &machine.gpus[machine.n_gpus];
	char bus[32];

	if (machine.n_gpus == FAKE_GPUS)
		give_up("too many GPUs");
	*gpu = (struct fake_device){.present = true,
				    .parent = -1,
				    .util_percent = 7,
				    .power_mw = 43210,
				    .energy_mj = 123456789};
	gpu->number = (int)machine.n_gpus++;
	for (int i = 0; i < FAKE_GPUS; i++)
		gpu->level[i] = 50;
	if (!value_get(line, "uuid", gpu->uuid, sizeof(gpu->uuid)) ||
	    !value_get(line, "bus", bus, sizeof(bus)) ||
	    sscanf(bus, "%x:%x:%x.0", &gpu->domain, &gpu->bus, &gpu->device) != 3)
		give_up("gpu needs uuid= and bus=");
	value_get(line, "name", gpu->name, sizeof(gpu->name));
	value_get(line, "cpus", gpu->cpus, sizeof(gpu->cpus));
	gpu->minor = (int)number_get(line, "minor", gpu->number);
	gpu->node = (int)number_get(line, "node", -1);
	gpu->mem_mib = (unsigned long long)number_get(line, "mem", 0);
	gpu->used_mib = (unsigned long long)number_get(line, "used", 0);
}

static void mig_line(const char *line)
{
	struct fake_device *gpu = gpu_at(number_get(line, "gpu", -1)), *instance;
	long long slot = number_get(line, "slot", -1);

	if (slot < 0 || slot >= FAKE_SLOTS)
		give_up("mig needs slot=0 to 7");
	instance = &machine.instances[gpu->number][slot];
	*instance = *gpu;
	instance->parent = gpu->number;
	instance->number = (int)slot;
	instance->used_mib = (unsigned long long)number_get(line, "used", 0);
	instance->mem_mib = (unsigned long long)number_get(line, "mem", 0);
	value_get(line, "uuid", instance->uuid, sizeof(instance->uuid));
	value_get(line, "name", instance->name, sizeof(instance->name));
	gpu->mig_mode = true;
}

static void proc_line(const char *line)
{
	struct fake_proc *proc = &machine.procs[machine.n_procs++];
	char kind[4] = "C", mem[32] = "?";

	if (machine.n_procs == FAKE_PROCS)
		give_up("too many processes");
	value_get(line, "kind", kind, sizeof(kind));
	value_get(line, "mem", mem, sizeof(mem));
	*proc = (struct fake_proc){
		.gpu = gpu_at(number_get(line, "gpu", -1))->number,
		.slot = (int)number_get(line, "slot", -1),
		.pid = (unsigned)number_get(line, "pid", 0),
		.mem_mib = mem[0] == '?' ? ~0ULL : strtoull(mem, NULL, 10),
		.kind = kind[0],
	};
}

static void link_line(bool both_ways, unsigned a, unsigned b, const char *word)
{
	struct fake_device *from = gpu_at(a), *to = gpu_at(b);
	unsigned count;

	if (sscanf(word, "NV%u", &count) == 1) {
		from->nvlinks[b] = count;
		if (both_ways)
			to->nvlinks[a] = count;
		return;
	}
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(word, levels[i].word) == 0) {
			from->level[b] = to->level[a] = levels[i].level;
			return;
		}
	}
	give_up("no such link");
}

static void fault_line(const char *symbol, int code, int delay_ms)
{
	struct fake_fault *fault = &machine.faults[machine.n_faults++];

	if (machine.n_faults == FAKE_FAULTS)
		give_up("too many faults");
	*fault = (struct fake_fault){.code = code, .delay_ms = delay_ms};
	snprintf(fault->symbol, sizeof(fault->symbol), "%s", symbol);
}

static void xid_line(unsigned gpu, int code)
{
	if (machine.n_xids == FAKE_XIDS)
		give_up("too many Xids");
	machine.xids[machine.n_xids++] = (struct fake_xid){gpu_at(gpu)->number, code};
}

/* Lines that set something of one GPU: "word N [value]". */
static bool state_line(const char *word, unsigned n, const char *value)
{
	if (strcmp(word, "lost") == 0)
		gpu_at(n)->lost = true;
	else if (strcmp(word, "falling") == 0)
		gpu_at(n)->falling = true;
	else if (strcmp(word, "migmode") == 0)
		gpu_at(n)->mig_mode = true;
	else if (strcmp(word, "handle") == 0)
		gpu_at(n)->handle_code = atoi(value);
	else if (strcmp(word, "xid") == 0)
		xid_line(n, atoi(value));
	else if (strcmp(word, "ecc") == 0)
		gpu_at(n)->ecc = strtoull(value, NULL, 10);
	else if (strcmp(word, "util") == 0)
		gpu_at(n)->util_percent = (unsigned)atoi(value);
	else if (strcmp(word, "power") == 0)
		gpu_at(n)->power_mw = (unsigned)atoi(value);
	else if (strcmp(word, "energy") == 0)
		gpu_at(n)->energy_mj = strtoull(value, NULL, 10);
	else if (strcmp(word, "switch") == 0)
		gpu_at(n)->switch_links = (unsigned)atoi(value);
	else if (strcmp(word, "remap") == 0 && strcmp(value, "failure") == 0)
		gpu_at(n)->remap_failure = true;
	else if (strcmp(word, "remap") == 0)
		gpu_at(n)->remap_pending = true;
	else
		return false;
	return true;
}

static void line_read(const char *line)
{
	char word[32] = "", first[96] = "", second[32] = "", third[32] = "";
	int n = sscanf(line, "%31s %95s %31s %31s", word, first, second, third);

	if (n < 1)
		return;
	if (strcmp(word, "gpu") == 0)
		gpu_line(line);
	else if (strcmp(word, "mig") == 0)
		mig_line(line);
	else if (strcmp(word, "proc") == 0)
		proc_line(line);
	else if (strcmp(word, "driver") == 0)
		snprintf(machine.driver, sizeof(machine.driver), "%.79s", first);
	else if (strcmp(word, "stride") == 0)
		machine.stride = (unsigned)atoi(first);
	else if (strcmp(word, "generation") == 0)
		machine.generation = (unsigned)atoi(first);
	else if (strcmp(word, "linkbase") == 0)
		machine.link_base = (unsigned)atoi(first);
	else if (strcmp(word, "hide") == 0)
		fault_line(first, 13, 0);
	else if (strcmp(word, "fail") == 0)
		fault_line(first, atoi(second), 0);
	else if (strcmp(word, "delay_ms") == 0)
		fault_line(first, 0, atoi(second));
	else if (strcmp(word, "link") == 0 || strcmp(word, "oneway") == 0)
		link_line(word[0] == 'l', (unsigned)atoi(first), (unsigned)atoi(second), third);
	else if (!state_line(word, (unsigned)atoi(first), second))
		give_up("no such line");
}

static void file_read(FILE *file)
{
	char line[1024];

	memset(&machine, 0, sizeof(machine));
	machine.stride = 24;
	line_number = 0;
	while (fgets(line, sizeof(line), file)) {
		size_t end = strcspn(line, "#\r\n");

		while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
			end--;
		line[end] = '\0';
		line_number++;
		line_read(line);
	}
}

struct fake_machine *fake_machine_get(void)
{
	const char *path = getenv("TGPU_FAKE_NVML");
	struct stat st;
	FILE *file;

	if (!path || stat(path, &st) < 0)
		return NULL;
	if (st.st_size == read_size && st.st_mtim.tv_sec == read_mtime.tv_sec &&
	    st.st_mtim.tv_nsec == read_mtime.tv_nsec)
		return &machine;
	file = fopen(path, "re");
	if (!file)
		return NULL;
	file_read(file);
	fclose(file);
	read_size = st.st_size;
	read_mtime = st.st_mtim;
	return &machine;
}
