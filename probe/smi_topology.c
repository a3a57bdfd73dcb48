/* SPDX-License-Identifier: MIT */
/*
 * `nvidia-smi topo -m` is made for people: network cards stand between the GPUs ("mlx5_0", "NIC0"),
 * the header has titles with blanks ("CPU Affinity"), is underlined with escape sequences, and
 * cells are separated by tabs, blanks or both. So only columns and rows called GPU<number> are
 * read, by the place their name has in the header, where every column before the titles is one
 * word.
 *
 * Invariants: a word that is not a link leaves its pair unknown; the weaker of two directions
 * counts.
 */
#include "probe/smi_topology.h"

#include <ctype.h>

#define WORDS_MAX 256 /* GPUs, network cards and the titles behind them */

/* Blank out terminal escapes: ESC [ parameters letter. */
static void strip_escapes(char *text)
{
	while ((text = strchr(text, '\033'))) {
		while (*text && !isalpha((unsigned char)*text))
			*text++ = ' ';
		if (*text)
			*text++ = ' ';
	}
}

static size_t split(char *line, char **words)
{
	size_t n = 0;
	char *word;

	while (n < WORDS_MAX && (word = strsep(&line, " \t\r")))
		if (*word)
			words[n++] = word;
	return n;
}

/* The place in the report of what is called "GPU<index>"; -1 when it is none of ours. */
static int find_gpu(const struct gpu_report *report, const char *word)
{
	int64_t index;

	if (strncmp(word, "GPU", 3) != 0 || parse_int64(word + 3, 0, INT32_MAX, &index) < 0)
		return -1;
	for (size_t i = 0; i < report->n_gpus; i++)
		if (report->gpus[i].index == index)
			return (int)i;
	return -1;
}

/* Each direction is its own cell of the matrix for now. */
static void row_read(struct gpu_report *report, int row, char *const *words, size_t n_words,
		     const int *columns, size_t n_columns)
{
	for (size_t c = 0; c < n_columns && c + 1 < n_words; c++) {
		const char *word = words[c + 1];
		struct gpu_link *link;
		int64_t nvlinks = 0;

		if (columns[c] < 0 || columns[c] == row)
			continue;
		link = gpu_report_link(report, (size_t)row, (size_t)columns[c]);
		link->pci = (uint8_t)pci_link_parse(word);
		if (strncmp(word, "NV", 2) == 0 &&
		    parse_int64(word + 2, 1, UINT8_MAX, &nvlinks) == 0)
			link->nvlinks = (uint8_t)nvlinks;
	}
}

static void make_symmetric(struct gpu_report *report)
{
	for (size_t i = 0; i < report->n_gpus; i++) {
		for (size_t j = i + 1; j < report->n_gpus; j++) {
			struct gpu_link *a = gpu_report_link(report, i, j);
			struct gpu_link *b = gpu_report_link(report, j, i);

			if (b->pci < a->pci)
				a->pci = b->pci;
			if (b->nvlinks < a->nvlinks)
				a->nvlinks = b->nvlinks;
			*b = *a;
		}
	}
}

void smi_topology_parse(char *text, struct gpu_report *report)
{
	char *words[WORDS_MAX], *line;
	int columns[WORDS_MAX];
	size_t n_columns = 0;

	strip_escapes(text);
	while ((line = strsep(&text, "\n"))) {
		size_t n = split(line, words);
		int row = n > 0 ? find_gpu(report, words[0]) : -1;

		/* The header is the first line that begins with a GPU; rows begin with one, too. */
		if (n_columns == 0 && row >= 0)
			for (; n_columns < n; n_columns++)
				columns[n_columns] = find_gpu(report, words[n_columns]);
		else if (row >= 0)
			row_read(report, row, words, n, columns, n_columns);
	}
	make_symmetric(report);
}
