/* SPDX-License-Identifier: MIT */
/* Fuzzes YAML job files. */
#include "common/jobfile.h"
#include "fuzz/fuzz_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};

	jobspec_init(&spec);
	spec.cwd = xstrdup("/home/me");
	if (jobfile_parse_yaml(&spec, (const char *)data, size, "job.yaml", FUZZ_NOW_NS, &err) <
	    0) {
		fuzz_check_refusal(&err);
		fuzz_check(strncmp(err.msg, "job.yaml:", 9) == 0);
		return 0;
	}
	fuzz_check_spec(&spec);
	return 0;
}
