-- `told` 0: where the ledger is shared, it is not known yet whether this gateway is the one to tell it.
ALTER TABLE grant_alert ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
CREATE INDEX grant_alert_untold ON grant_alert (at) WHERE told = 0;
