/* SPDX-License-Identifier: MIT */
/* Fuzzes the specification of a job as the API receives it: JSON. */
#include "fuzz/fuzz_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};
	json_t *object =
		json_loadb((const char *)data, size,
			   JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

	if (!object)
		return 0;
	jobspec_init(&spec);
	if (jobspec_from_json(&spec, object, FUZZ_NOW_NS, &err) < 0)
		fuzz_check_refusal(&err);
	else
		fuzz_check_spec(&spec);
	json_decref(object);
	return 0;
}
