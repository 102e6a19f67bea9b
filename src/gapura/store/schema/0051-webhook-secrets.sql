-- How often an endpoint's secret was rotated, and until when the one before it is good, too (UTC microseconds).
ALTER TABLE webhook ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook ADD COLUMN former_until INTEGER NOT NULL DEFAULT 0;
