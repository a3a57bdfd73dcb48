/* SPDX-License-Identifier: MIT */
/*
 * /proc/driver/nvidia: gpus/BUS-ID/information, lines of "Key: \t value", and version.
 *
 * It answers even where NVML does not (library missing, versions that do not match, a GPU that has
 * fallen off the bus), which is when a name and a UUID are most wanted. [open-gpu-kernel-modules
 * kernel-open/nvidia/nv-procfs.c writes it]
 */
#include "probe/nvidia_proc.h"

#include "probe/system.h"

/* Copy the value behind "key:". False when there is none, or none that fits. */
static bool value_copy(const char *text, const char *key, char *ret_value, size_t size)
{
	size_t len = strlen(key), n;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		n = strcspn(line, "\n");
		if (n == 0 || n >= size)
			return false;
		memcpy(ret_value, line, n);
		ret_value[n] = '\0';
		return true;
	}
	return false;
}

void nvidia_proc_describe(const char *root, struct gpu_info *gpu)
{
	_cleanup_(free_ptr) char *text =
		system_text(root, "/proc/driver/nvidia/gpus/%s/information", gpu->bus_id);
	char value[sizeof(gpu->uuid)];
	int64_t minor;

	if (!text)
		return;
	if (!gpu->name[0] && value_copy(text, "Model", value, sizeof(value)))
		memcpy(gpu->name, value, sizeof(gpu->name));
	if (!gpu->uuid[0] && value_copy(text, "GPU UUID", value, sizeof(value)) &&
	    !strchr(value, '?'))
		memcpy(gpu->uuid, value, sizeof(gpu->uuid));
	if (gpu->minor < 0 && value_copy(text, "Device Minor", value, sizeof(value)) &&
	    parse_int64(value, 0, INT32_MAX, &minor) == 0)
		gpu->minor = (int)minor;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue ...": the first dotted word. */
void nvidia_proc_version(const char *root, char *ret_version, size_t size)
{
	_cleanup_(free_ptr) char *text = system_text(root, "/proc/driver/nvidia/version");
	char *rest = text, *word;

	ret_version[0] = '\0';
	while ((word = strsep(&rest, " \t\n"))) {
		if (strchr(word, '.') && word[strspn(word, "0123456789.")] == '\0') {
			snprintf(ret_version, size, "%s", word);
			return;
		}
	}
}
