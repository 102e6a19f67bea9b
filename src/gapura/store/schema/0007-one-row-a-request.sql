-- A request's only attempt stands in its own row, `attempt` holds those of requests that had several; and a decision is
-- found by its request's id, which is the same but for the prefix.
ALTER TABLE request ADD COLUMN losses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE request ADD COLUMN subdivision TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN network TEXT NOT NULL DEFAULT '';
UPDATE request SET losses = attempt.losses FROM attempt
    WHERE attempt.request = request.id
      AND attempt.attempt = (SELECT max(attempt) FROM attempt one WHERE one.request = request.id);
DELETE FROM attempt WHERE attempt = 1
    AND NOT EXISTS (SELECT 1 FROM attempt later WHERE later.request = attempt.request AND later.attempt > 1);
DROP INDEX request_by_decision;
