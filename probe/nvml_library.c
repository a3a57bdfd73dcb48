/* SPDX-License-Identifier: MIT */
/*
 * Loads libnvidia-ml by dlopen and finds its functions by one table.
 *
 * A driver of any generation will do as long as it has the required functions (R418 and later have
 * them all); each optional one may be missing, and is then answered for with FUNCTION_NOT_FOUND.
 * Invariants: after nvml_library_open() returned 0, every REQUIRED member is set.
 * Read next: nvml.c.
 */
#include <dlfcn.h>
#include <errno.h>

#include "probe/nvml.h"
#include "probe/probe.h"

enum { OPTIONAL, REQUIRED };

static const struct {
	const char *symbol;
	int need;
	size_t offset;
} functions[] = {
#define FUNCTION(name, need, parameters) {"nvml" #name, need, offsetof(struct nvml_library, name)},
	NVML_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

int nvml_library_open(const char *name, struct nvml_library *ret_lib, struct err *err)
{
	struct nvml_library lib = {.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)};
	void *found;

	if (!lib.handle)
		return PROBE_ABSENT;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		found = dlsym(lib.handle, functions[i].symbol);
		if (!found && functions[i].need == REQUIRED) {
			nvml_library_close(&lib);
			return err_set(
				err, -ENOSYS,
				"nvml: %s lacks %s; the NVIDIA driver is too old (R418 is the "
				"first that tgpu can use)",
				name, functions[i].symbol);
		}
		memcpy((char *)&lib + functions[i].offset, &found, sizeof(found));
	}
	found = dlsym(lib.handle, "nvmlErrorString");
	memcpy(&lib.ErrorString, &found, sizeof(found));
	*ret_lib = lib;
	return 0;
}

void nvml_library_close(struct nvml_library *lib)
{
	if (lib->handle)
		dlclose(lib->handle);
	*lib = (struct nvml_library){0};
}

const char *nvml_code_text(const struct nvml_library *lib, int code)
{
	const char *text = lib->ErrorString ? lib->ErrorString(code) : NULL;

	return text ? text : "unknown error";
}
