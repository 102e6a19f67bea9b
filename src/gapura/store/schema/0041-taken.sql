-- Notices that an endpoint took, with the status that it answered and the hash of exactly what it was posted.
CREATE TABLE campaign_taken (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    stage TEXT NOT NULL,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    code INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (campaign, account, stage, webhook)
) STRICT, WITHOUT ROWID;
