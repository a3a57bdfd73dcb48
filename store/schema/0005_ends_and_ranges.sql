-- Jobs that ended are found by how they ended, everybody's and one user's; events of many tasks at once.

-- In order of id within each key, for that is what an index ends with. Active jobs are not in them, so a submit costs
-- an index less than with job_user, and an end two more. As with job_active, not written as IN (...).
CREATE INDEX job_ended ON job (state)
WHERE state = 'finished' OR state = 'failed' OR state = 'cancelled';

CREATE INDEX job_user_ended ON job (uid, state)
WHERE state = 'finished' OR state = 'failed' OR state = 'cancelled';

-- The active ones of a user are few, and in memory.
DROP INDEX job_user;

-- An event is one of the tasks job .. job + n_tasks - 1, which were one row of `job` then.
ALTER TABLE event ADD COLUMN n_tasks INTEGER NOT NULL DEFAULT 1 CHECK (n_tasks > 0);

-- The history of a task has its own events, which begin with its id, and those of many that it is among: these are in
-- here, a few per array and not one per task.
CREATE INDEX event_range ON event (job, n_tasks) WHERE n_tasks > 1;
