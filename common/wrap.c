/* SPDX-License-Identifier: MIT */
/* Help texts, broken into lines. */
#include "common/wrap.h"

void wrap_print(FILE *out, const char *text, size_t at, size_t indent)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (at > indent && at + 1 + len > WRAP_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += len;
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}
