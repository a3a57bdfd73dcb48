-- What a job made of its GPUs (common/usage.h), as sums that a restarted tgpud can go on adding to;
-- and histories readable in the order in which they happened, over all jobs.

ALTER TABLE job ADD COLUMN usage_looks INTEGER;          -- reports that saw it run; NULL: none
ALTER TABLE job ADD COLUMN usage_seen_ms INTEGER;        -- of its life, between looks
ALTER TABLE job ADD COLUMN util_percent_ms INTEGER;      -- over its GPUs: utilisation x time ...
ALTER TABLE job ADD COLUMN util_of_ms INTEGER;           -- ... and the GPU time it is known for
ALTER TABLE job ADD COLUMN power_uj INTEGER;
ALTER TABLE job ADD COLUMN power_of_ms INTEGER;
ALTER TABLE job ADD COLUMN energy_mj INTEGER;
ALTER TABLE job ADD COLUMN energy_of_ms INTEGER;
ALTER TABLE job ADD COLUMN gpu_mem_peak_bytes INTEGER;   -- most on any one GPU
ALTER TABLE job ADD COLUMN gpus_used INTEGER;            -- bit i: the i-th of `alloc`
ALTER TABLE job ADD COLUMN gpus_unsure INTEGER;          -- bit i: whether it was used is not certain

CREATE INDEX event_revision ON event (revision, n);
