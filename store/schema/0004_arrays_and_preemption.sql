-- Arrays, and jobs that make room for others.

-- A row stands for n_tasks jobs with the ids id, id + 1, ... that are alike in everything: the tasks of an array
-- that have not begun yet. The first of them that begins (or is changed by itself) leaves the others to a row of their own.
ALTER TABLE job ADD COLUMN n_tasks INTEGER NOT NULL DEFAULT 1 CHECK (n_tasks > 0);
ALTER TABLE job ADD COLUMN array INTEGER;                            -- id of its first task, under which spec has that of all
ALTER TABLE job ADD COLUMN array_index INTEGER NOT NULL DEFAULT 0;   -- of the first task of the row
ALTER TABLE job ADD COLUMN array_limit INTEGER NOT NULL DEFAULT 0;   -- tasks that may run at a time; 0: all

ALTER TABLE job ADD COLUMN preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1));
ALTER TABLE job ADD COLUMN preempted INTEGER NOT NULL DEFAULT 0;     -- how often it has made room

-- What tasks run by that were changed after their array was submitted. Apart from spec, because a row that is split
-- leaves its spec to both parts, and any of these, the first task too, may then be changed again.
CREATE TABLE changed_spec (
	number INTEGER PRIMARY KEY,
	spec TEXT NOT NULL          -- JSON
) STRICT;

ALTER TABLE job ADD COLUMN changed_spec INTEGER;                     -- its number; NULL: as all of its array
