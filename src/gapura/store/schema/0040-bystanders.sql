-- Accounts that were seen from places of a campaign which is not about them: since `at` their answers tell them of
-- their day.
CREATE TABLE campaign_bystander (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (campaign, account)
) STRICT, WITHOUT ROWID;
