/* SPDX-License-Identifier: MIT */
/* Fuzzes scripts with #TGPU and #SBATCH lines. */
#include "common/jobfile.h"
#include "fuzz/fuzz_spec.h"

static void check_warning(void *ctx, const char *sentence)
{
	(void)ctx;
	fuzz_check(strncmp(sentence, "job.sh:", 7) == 0 && !strchr(sentence, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};

	jobspec_init(&spec);
	spec.cwd = xstrdup("/home/me");
	if (jobfile_parse_script(&spec, (const char *)data, size, "job.sh", FUZZ_NOW_NS,
				 check_warning, NULL, &err) < 0) {
		fuzz_check_refusal(&err);
		return 0;
	}
	fuzz_check(spec.script && strlen(spec.script) == size);
	fuzz_check_spec(&spec);
	return 0;
}
