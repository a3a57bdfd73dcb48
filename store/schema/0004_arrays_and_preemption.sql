-- Arrays, and jobs that make room for others.

-- A row stands for n_tasks jobs with the ids id, id + 1, ... that are alike in everything: the tasks of an array
-- that have not begun yet. The first of them that begins (or is changed by itself) leaves the others to a row of their own.
ALTER TABLE job ADD COLUMN n_tasks INTEGER NOT NULL DEFAULT 1 CHECK (n_tasks > 0);
ALTER TABLE job ADD COLUMN array INTEGER;                            -- id of its first task, whose spec is everybody's
ALTER TABLE job ADD COLUMN array_index INTEGER NOT NULL DEFAULT 0;   -- of the first task of the row
ALTER TABLE job ADD COLUMN array_limit INTEGER NOT NULL DEFAULT 0;   -- tasks that may run at a time; 0: all

ALTER TABLE job ADD COLUMN preemptible INTEGER NOT NULL DEFAULT 0 CHECK (preemptible IN (0, 1));
ALTER TABLE job ADD COLUMN preempted INTEGER NOT NULL DEFAULT 0;     -- how often it has made room

-- GPUs that are one user's from start_ns to end_ns. What is over has no row.
CREATE TABLE window (
	id INTEGER PRIMARY KEY,
	uid INTEGER NOT NULL,
	start_ns INTEGER NOT NULL,
	end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
	gpus TEXT NOT NULL,         -- JSON: index and UUID of each
	reason TEXT NOT NULL,
	created_by INTEGER NOT NULL, -- uid
	created_ns INTEGER NOT NULL
) STRICT;
