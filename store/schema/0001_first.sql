-- The first schema. A person may read the file with the sqlite3 program, so states and causes are
-- written by name and what is unknown is NULL. Times are nanoseconds since 1970, UTC.
-- How rows are read and written: store/sqlite_row.c.

CREATE TABLE meta (
	one INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
	last_id INTEGER NOT NULL,                -- the highest job id ever used
	revision INTEGER NOT NULL                -- of the last commit
) STRICT;

INSERT INTO meta (one, last_id, revision) VALUES (1, 0, 0);

CREATE TABLE job (
	id INTEGER PRIMARY KEY,
	revision INTEGER NOT NULL,  -- of the commit that last changed it
	uid INTEGER NOT NULL,
	key TEXT,                   -- the submitter's own, unique per uid
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	held INTEGER NOT NULL CHECK (held IN (0, 1)),
	requeue INTEGER NOT NULL CHECK (requeue IN (0, 1)),
	priority INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	num_gpus INTEGER NOT NULL,
	cpus INTEGER NOT NULL,
	mem_bytes INTEGER NOT NULL,
	gpu_mem_bytes INTEGER NOT NULL,
	submit_ns INTEGER,
	begin_ns INTEGER,
	place_ns INTEGER,
	start_ns INTEGER,
	stop_ns INTEGER,
	end_ns INTEGER,
	limit_ns INTEGER,           -- NULL: none
	cause TEXT,
	exit_code INTEGER,
	signal INTEGER,
	cancelled_by INTEGER,       -- uid
	cpu_ns INTEGER,
	peak_bytes INTEGER,
	alloc TEXT,                 -- JSON
	boot_id TEXT,
	message TEXT
) STRICT;

-- A restart loads the jobs that are not over; a year of others must not slow it down. Not written
-- as NOT IN (...), for which SQLite builds a table in memory at every change of a row: about 10x slower.
CREATE INDEX job_active ON job (id)
WHERE state <> 'finished' AND state <> 'failed' AND state <> 'cancelled';

-- The newest jobs of one user among everybody's.
CREATE INDEX job_user ON job (uid, id);

CREATE UNIQUE INDEX job_key ON job (uid, key) WHERE key IS NOT NULL;

-- Apart from job, because it is large and never changes while the job's row changes often.
CREATE TABLE spec (
	job INTEGER PRIMARY KEY REFERENCES job (id),
	spec TEXT NOT NULL,         -- JSON
	owner TEXT NOT NULL         -- JSON
) STRICT;

-- Clustered by job, which is how a history is read; needs no second tree for it.
CREATE TABLE event (
	job INTEGER NOT NULL REFERENCES job (id),
	revision INTEGER NOT NULL,
	n INTEGER NOT NULL,         -- position in its commit
	time_ns INTEGER,
	event TEXT NOT NULL,
	detail TEXT,
	PRIMARY KEY (job, revision, n)
) STRICT, WITHOUT ROWID;
