/* SPDX-License-Identifier: MIT */
/*
 * What may stand at the end of a command line, for the shells (completions/).
 *
 * `tgpu complete WORD...` gets the words behind "tgpu"; the last is the one being written, perhaps
 * empty. It prints candidates, one "TEXT<tab>EXPLANATION" a line, or one line for the shell itself:
 * "@files", "@dirs", or "@command N": a command begins at the Nth of these words.
 */
#pragma once

/* Do it. Always exit code 0: a shell that completes has no place for errors. */
int complete(int argc, char **argv);
