/* SPDX-License-Identifier: MIT */
/*
 * The GPU report as a struct and as a line of JSON.
 *
 * One table per struct names its plain fields; printing and parsing both walk it, so neither can
 * know a field that the other does not. What is unknown ("" or a negative number) has no key.
 * Keys that this version does not know are passed over, so that a probe and a daemon of
 * neighbouring versions understand each other during an upgrade.
 *
 *     {"source":"nvml","driver":"550.163.01","time_ns":1767225600000000000,
 *      "gpus":[{"uuid":"GPU-...","index":0,...,"processes":[{"pid":812,"kind":"C",...}]},...],
 *      "links":[[0,1,"PIX",2],...],"warnings":["..."]}
 *
 * A link is [i, j, PCIe class, NVLinks] with i < j; a pair of which nothing is known is left out.
 *
 * Invariants: print -> parse -> print yields the same bytes; a parsed report keeps every bound of
 * gpureport.h. Text that is not UTF-8 (a process may call itself anything) is printed with '?' in
 * place of what JSON cannot carry. Cost: linear in the text.
 * Deliberately not here: whether the GPUs make sense together; that is for whoever uses them.
 */
#include "common/gpureport.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#define WARNINGS_MAX	 256
#define WARNING_SIZE_MAX 1024
#define CGROUP_SIZE_MAX	 4096 /* PATH_MAX */

enum field_type { FIELD_TEXT, FIELD_INT, FIELD_LONG, FIELD_BOOL };

struct field {
	const char *key;
	enum field_type type;
	size_t offset, size;
};

#define FIELD(kind, in, member)                                                              \
	{                                                                                    \
		.key = #member, .type = FIELD_##kind, .offset = offsetof(struct in, member), \
		.size = sizeof(((struct in *)NULL)->member)                                  \
	}

static const struct field report_fields[] = {
	FIELD(TEXT, gpu_report, source),    FIELD(TEXT, gpu_report, driver),
	FIELD(BOOL, gpu_report, simulated), FIELD(LONG, gpu_report, time_ns),
	FIELD(LONG, gpu_report, mono_ns),
};

static const struct field gpu_fields[] = {
	FIELD(TEXT, gpu_info, uuid),
	FIELD(TEXT, gpu_info, name),
	FIELD(TEXT, gpu_info, vendor),
	FIELD(TEXT, gpu_info, bus_id),
	FIELD(INT, gpu_info, index),
	FIELD(INT, gpu_info, minor),
	FIELD(INT, gpu_info, numa),
	FIELD(TEXT, gpu_info, cpus),
	FIELD(TEXT, gpu_info, parent),
	FIELD(BOOL, gpu_info, mig_enabled),
	FIELD(TEXT, gpu_info, health_reason),
	FIELD(LONG, gpu_info, mem_total_bytes),
	FIELD(LONG, gpu_info, mem_used_bytes),
	FIELD(LONG, gpu_info, utilization_percent),
	FIELD(LONG, gpu_info, power_mw),
	FIELD(LONG, gpu_info, temperature_c),
	FIELD(LONG, gpu_info, energy_mj),
	FIELD(LONG, gpu_info, ecc_uncorrected),
	FIELD(INT, gpu_info, xid),
	FIELD(LONG, gpu_info, xid_count),
};

static const struct field process_fields[] = {
	FIELD(INT, gpu_process, pid),
	FIELD(LONG, gpu_process, mem_bytes),
	FIELD(LONG, gpu_process, uid),
	FIELD(TEXT, gpu_process, name),
};

static const char *const health_names[] = {
	[GPU_HEALTH_OK] = "ok",
	[GPU_HEALTH_UNHEALTHY] = "unhealthy",
	[GPU_HEALTH_LOST] = "lost",
};

void gpu_report_init(struct gpu_report *report, size_t n_gpus)
{
	*report = (struct gpu_report){
		.gpus = xcalloc(n_gpus, sizeof(*report->gpus)),
		.n_gpus = n_gpus,
		.links = xcalloc(n_gpus * n_gpus, sizeof(*report->links)),
	};
	for (size_t i = 0; i < n_gpus; i++)
		report->gpus[i] = (struct gpu_info){
			.index = -1,
			.minor = -1,
			.numa = -1,
			.mem_total_bytes = GPU_UNKNOWN,
			.mem_used_bytes = GPU_UNKNOWN,
			.utilization_percent = GPU_UNKNOWN,
			.power_mw = GPU_UNKNOWN,
			.temperature_c = GPU_UNKNOWN,
			.energy_mj = GPU_UNKNOWN,
			.ecc_uncorrected = GPU_UNKNOWN,
			.xid = -1,
			.xid_count = GPU_UNKNOWN,
		};
}

void gpu_report_finish(struct gpu_report *report)
{
	for (size_t i = 0; i < report->n_gpus; i++) {
		struct gpu_info *gpu = &report->gpus[i];

		for (size_t k = 0; k < gpu->n_processes; k++) {
			free(gpu->processes[k].cgroup);
			free(gpu->processes[k].ancestors);
		}
		free(gpu->processes);
	}
	for (size_t i = 0; i < report->n_warnings; i++)
		free(report->warnings[i]);
	free(report->gpus);
	free(report->links);
	free(report->warnings);
	*report = (struct gpu_report){0};
}

void gpu_report_warn(struct gpu_report *report, const char *fmt, ...)
{
	char text[WARNING_SIZE_MAX];
	va_list ap;

	if (report->n_warnings == WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report->warnings = xreallocarray(report->warnings, report->n_warnings + 1, sizeof(char *));
	report->warnings[report->n_warnings++] = xstrdup(text);
}

struct gpu_link *gpu_report_link(const struct gpu_report *report, size_t i, size_t j)
{
	return &report->links[i * report->n_gpus + j];
}

/* Printing. */

static json_t *text_print(const char *text)
{
	_cleanup_(free_ptr) char *plain = NULL;
	json_t *json = json_string(text);

	if (json)
		return json;
	plain = xstrdup(text);
	for (char *at = plain; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return json_string(plain);
}

/* The value of one field, NULL when it is unknown. */
static json_t *field_print(const struct field *field, const void *base)
{
	const void *at = (const char *)base + field->offset;
	int64_t number;

	switch (field->type) {
	case FIELD_TEXT: return *(const char *)at ? text_print(at) : NULL;
	case FIELD_BOOL: return *(const bool *)at ? json_true() : NULL;
	case FIELD_INT: number = *(const int *)at; break;
	default: number = *(const int64_t *)at; break;
	}
	return number >= 0 ? json_integer(number) : NULL;
}

static json_t *fields_print(const struct field *fields, size_t n, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *value = field_print(&fields[i], base);

		if (value)
			json_object_set_new(object, fields[i].key, value);
	}
	return object;
}

static json_t *process_print(const struct gpu_process *process)
{
	json_t *object = fields_print(process_fields, ARRAY_SIZE(process_fields), process);
	json_t *ancestors;

	json_object_set_new(object, "kind", json_stringn(&process->kind, 1));
	if (process->cgroup)
		json_object_set_new(object, "cgroup", text_print(process->cgroup));
	if (process->n_ancestors == 0)
		return object;
	ancestors = json_array();
	for (size_t i = 0; i < process->n_ancestors; i++)
		json_array_append_new(ancestors, json_integer(process->ancestors[i]));
	json_object_set_new(object, "ancestors", ancestors);
	return object;
}

static json_t *gpu_print(const struct gpu_info *gpu)
{
	json_t *object = fields_print(gpu_fields, ARRAY_SIZE(gpu_fields), gpu);
	json_t *processes;

	json_object_set_new(object, "health", json_string(health_names[gpu->health]));
	if (!gpu->processes_known)
		return object;
	processes = json_array();
	for (size_t i = 0; i < gpu->n_processes; i++)
		json_array_append_new(processes, process_print(&gpu->processes[i]));
	json_object_set_new(object, "processes", processes);
	return object;
}

static json_t *links_print(const struct gpu_report *report)
{
	json_t *links = json_array();

	for (size_t i = 0; i < report->n_gpus; i++) {
		for (size_t j = i + 1; j < report->n_gpus; j++) {
			const struct gpu_link *link = gpu_report_link(report, i, j);

			if (link->pci == PCI_LINK_UNKNOWN && link->nvlinks == 0)
				continue;
			json_array_append_new(
				links, json_pack("[I,I,s,i]", (json_int_t)i, (json_int_t)j,
						 pci_link_name(link->pci), (int)link->nvlinks));
		}
	}
	return links;
}

char *gpu_report_print(const struct gpu_report *report)
{
	json_t *object = fields_print(report_fields, ARRAY_SIZE(report_fields), report);
	json_t *gpus = json_array(), *warnings = json_array();
	char *text;

	for (size_t i = 0; i < report->n_gpus; i++)
		json_array_append_new(gpus, gpu_print(&report->gpus[i]));
	for (size_t i = 0; i < report->n_warnings; i++)
		json_array_append_new(warnings, text_print(report->warnings[i]));
	json_object_set_new(object, "gpus", gpus);
	json_object_set_new(object, "links", links_print(report));
	json_object_set_new(object, "warnings", warnings);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		abort();
	return text;
}

char *gpu_report_print_error(const char *why)
{
	json_t *sentence = json_string(why);
	json_t *object = json_pack("{s:o}", "error", sentence ? sentence : json_string("?"));
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (!text)
		abort();
	return text;
}

/* Parsing. `where` names the place in the report for the sentence: "gpus[3].processes[0]". */

struct place {
	char name[96];
	struct err *err;
};

static int bad(const struct place *where, const char *key, const char *wanted)
{
	return err_set(where->err, -EINVAL, "GPU report: %s%s%s: %s", where->name,
		       where->name[0] ? "." : "", key, wanted);
}

static int number_parse(const json_t *value, int64_t max, int64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return -EINVAL;
	*ret_number = json_integer_value(value);
	return 0;
}

static int text_parse(const json_t *value, size_t size, const char **ret_text)
{
	if (!json_is_string(value) || json_string_length(value) >= size)
		return -EINVAL;
	*ret_text = json_string_value(value);
	return 0;
}

static int field_parse(const struct field *field, const json_t *value, void *base,
		       const struct place *where)
{
	void *at = (char *)base + field->offset;
	const char *text;
	int64_t number;

	switch (field->type) {
	case FIELD_TEXT:
		if (text_parse(value, field->size, &text) < 0)
			return bad(where, field->key, "must be a string that is not too long");
		memcpy(at, text, strlen(text) + 1);
		return 0;
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return bad(where, field->key, "must be true or false");
		*(bool *)at = json_is_true(value);
		return 0;
	case FIELD_INT:
		if (number_parse(value, INT_MAX, &number) < 0)
			return bad(where, field->key, "must be an integer from 0 to 2^31-1");
		*(int *)at = (int)number;
		return 0;
	case FIELD_LONG:
		if (number_parse(value, INT64_MAX, (int64_t *)at) < 0)
			return bad(where, field->key, "must be an integer from 0 to 2^63-1");
		return 0;
	}
	return 0;
}

static int fields_parse(const struct field *fields, size_t n, const json_t *object, void *base,
			const struct place *where)
{
	if (!json_is_object(object))
		return bad(where, "", "must be an object");
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, fields[i].key);
		int r = value ? field_parse(&fields[i], value, base, where) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* The array under `key` with at most `max` elements; NULL where there is no such key. */
static int array_parse(const json_t *object, const char *key, size_t max, const struct place *where,
		       const json_t **ret_array)
{
	const json_t *array = json_object_get(object, key);

	*ret_array = NULL;
	if (array && (!json_is_array(array) || json_array_size(array) > max))
		return bad(where, key, "must be an array that is not too long");
	*ret_array = array;
	return 0;
}

static int ancestors_parse(const json_t *object, struct gpu_process *process,
			   const struct place *where)
{
	const json_t *array;
	size_t n;
	int r = array_parse(object, "ancestors", GPU_REPORT_MAX_ANCESTORS, where, &array);

	if (r < 0)
		return r;
	n = json_array_size(array);
	if (n > 0)
		process->ancestors = xcalloc(n, sizeof(pid_t));
	for (size_t i = 0; i < n; i++) {
		int64_t pid;

		if (number_parse(json_array_get(array, i), INT_MAX, &pid) < 0 || pid == 0)
			return bad(where, "ancestors", "must hold process ids");
		process->ancestors[process->n_ancestors++] = (pid_t)pid;
	}
	return 0;
}

static int process_parse(const json_t *object, struct gpu_process *process,
			 const struct place *where)
{
	const char *kind, *cgroup;
	const json_t *value;
	int r = fields_parse(process_fields, ARRAY_SIZE(process_fields), object, process, where);

	if (r < 0)
		return r;
	if (process->pid <= 0)
		return bad(where, "pid", "must be a process id");
	value = json_object_get(object, "kind");
	if (text_parse(value, 2, &kind) < 0 || !kind[0] || !strchr("CGM?", kind[0]))
		return bad(where, "kind", "must be \"C\", \"G\", \"M\" or \"?\"");
	process->kind = kind[0];
	value = json_object_get(object, "cgroup");
	if (value && text_parse(value, CGROUP_SIZE_MAX, &cgroup) < 0)
		return bad(where, "cgroup", "must be a string that is not too long");
	process->cgroup = value ? xstrdup(cgroup) : NULL;
	return ancestors_parse(object, process, where);
}

static int processes_parse(const json_t *object, struct gpu_info *gpu, const struct place *where)
{
	const json_t *array;
	int r = array_parse(object, "processes", GPU_REPORT_MAX_PROCESSES, where, &array);

	if (r < 0 || !array)
		return r;
	gpu->processes_known = true;
	gpu->processes = xcalloc(json_array_size(array), sizeof(*gpu->processes));
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct place inner = {.err = where->err};
		struct gpu_process *process = &gpu->processes[gpu->n_processes++];

		*process = (struct gpu_process){.mem_bytes = GPU_UNKNOWN, .uid = GPU_UNKNOWN};
		snprintf(inner.name, sizeof(inner.name), "%.40s.processes[%zu]", where->name, i);
		r = process_parse(json_array_get(array, i), process, &inner);
		if (r < 0)
			return r;
	}
	return 0;
}

static int health_parse(const json_t *object, enum gpu_health *ret_health,
			const struct place *where)
{
	const char *text = json_string_value(json_object_get(object, "health"));

	for (size_t i = 0; text && i < ARRAY_SIZE(health_names); i++) {
		if (STREQ(text, health_names[i])) {
			*ret_health = (enum gpu_health)i;
			return 0;
		}
	}
	return bad(where, "health", "must be \"ok\", \"unhealthy\" or \"lost\"");
}

static int gpu_parse(const json_t *object, size_t i, struct gpu_info *gpu, struct err *err)
{
	struct place where = {.err = err};
	int r;

	snprintf(where.name, sizeof(where.name), "gpus[%zu]", i);
	r = fields_parse(gpu_fields, ARRAY_SIZE(gpu_fields), object, gpu, &where);
	if (r == 0)
		r = health_parse(object, &gpu->health, &where);
	if (r == 0)
		r = processes_parse(object, gpu, &where);
	return r;
}

static int link_parse(const json_t *row, struct gpu_report *report, const struct place *where)
{
	int64_t i, j, nvlinks;
	const char *class;
	int64_t max = (int64_t)report->n_gpus - 1;

	if (json_array_size(row) != 4 || number_parse(json_array_get(row, 0), max, &i) < 0 ||
	    number_parse(json_array_get(row, 1), max, &j) < 0 || i >= j ||
	    text_parse(json_array_get(row, 2), 8, &class) < 0 ||
	    number_parse(json_array_get(row, 3), UINT8_MAX, &nvlinks) < 0)
		return bad(where, "links", "must hold [i, j, \"PIX\", NVLinks] with i < j < GPUs");
	*gpu_report_link(report, (size_t)i, (size_t)j) = (struct gpu_link){
		.pci = (uint8_t)pci_link_parse(class),
		.nvlinks = (uint8_t)nvlinks,
	};
	*gpu_report_link(report, (size_t)j, (size_t)i) =
		*gpu_report_link(report, (size_t)i, (size_t)j);
	return 0;
}

static int links_parse(const json_t *object, struct gpu_report *report, const struct place *where)
{
	const json_t *array;
	int r = array_parse(object, "links", report->n_gpus * report->n_gpus, where, &array);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++)
		r = link_parse(json_array_get(array, i), report, where);
	return r;
}

static int warnings_parse(const json_t *object, struct gpu_report *report,
			  const struct place *where)
{
	const json_t *array;
	int r = array_parse(object, "warnings", WARNINGS_MAX, where, &array);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		const char *text;

		if (text_parse(json_array_get(array, i), WARNING_SIZE_MAX, &text) < 0)
			return bad(where, "warnings", "must hold strings that are not too long");
		gpu_report_warn(report, "%s", text);
	}
	return r;
}

static int report_parse(const json_t *object, struct gpu_report *report, struct err *err)
{
	const struct place where = {.err = err};
	const json_t *gpus;
	int r = array_parse(object, "gpus", GPU_REPORT_MAX_GPUS, &where, &gpus);

	if (r < 0)
		return r;
	if (!gpus)
		return bad(&where, "gpus", "is missing");
	gpu_report_init(report, json_array_size(gpus));
	r = fields_parse(report_fields, ARRAY_SIZE(report_fields), object, report, &where);
	for (size_t i = 0; r == 0 && i < report->n_gpus; i++)
		r = gpu_parse(json_array_get(gpus, i), i, &report->gpus[i], err);
	if (r == 0)
		r = links_parse(object, report, &where);
	if (r == 0)
		r = warnings_parse(object, report, &where);
	return r;
}

int gpu_report_parse(const char *text, struct gpu_report *ret_report, struct err *err)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	json_error_t detail;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &detail);
	int r;

	if (!object)
		return err_set(err, -EINVAL, "GPU report: not JSON: %s at byte %d", detail.text,
			       detail.position);
	if (json_is_string(json_object_get(object, "error")))
		r = err_set(err, -ECANCELED, "%s",
			    json_string_value(json_object_get(object, "error")));
	else
		r = report_parse(object, &report, err);
	json_decref(object);
	if (r < 0)
		return r;
	*ret_report = report;
	report = (struct gpu_report){0};
	return 0;
}
