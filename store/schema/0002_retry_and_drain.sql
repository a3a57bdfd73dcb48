-- Jobs that begin again after a failure, orders to end that outlive the daemon, GPUs taken out of service.

ALTER TABLE job ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;  -- allowed
ALTER TABLE job ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;  -- used up
ALTER TABLE job ADD COLUMN kill_now INTEGER NOT NULL DEFAULT 0 CHECK (kill_now IN (0, 1));

-- A GPU that is not to be given to jobs, until somebody says otherwise. The others have no row.
CREATE TABLE drain (
	uuid TEXT PRIMARY KEY,
	time_ns INTEGER NOT NULL,
	uid INTEGER,                -- who did it; NULL: tgpud, because the GPU broke
	reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
