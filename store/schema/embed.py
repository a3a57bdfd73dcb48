#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn schema/NNNN_*.sql into one C array: embed.py OUTPUT STEP.sql..."""
import json
import pathlib
import sys


def literal(sql):
    """The text as C string literals, one per line. JSON escapes ASCII text as C does."""
    if not sql.isascii():
        sys.exit("embed.py: schema files are plain ASCII")
    return "\n".join("\t " + json.dumps(line) for line in sql.splitlines(keepends=True))


def main(output, steps):
    rows = []
    for number, step in enumerate(map(pathlib.Path, sorted(steps)), start=1):
        if not step.name.startswith(f"{number:04}_"):
            sys.exit(f"embed.py: expected step {number:04}, found {step.name}")
        rows.append(f'\t{{"{step.stem}",\n{literal(step.read_text())}}},\n')
    pathlib.Path(output).write_text(
        "/* Made by store/schema/embed.py from the .sql files beside it. */\n"
        '#include "store/schema.h"\n\n'
        "const struct schema_step schema_steps[] = {\n" + "".join(rows) + "};\n"
        f"const size_t schema_n_steps = {len(rows)};\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
