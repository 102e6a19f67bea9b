-- A campaign as it was written, and how far it has come.  `…_digest`: of the text that was previewed, and of that which
-- was sent as a test.  `surveyed_to`: up to which row of `request` its evidence goes; `surveyed_by`: place data.
CREATE TABLE campaign (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    spec TEXT NOT NULL,
    digest TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    approved_by TEXT NOT NULL DEFAULT '',
    people INTEGER NOT NULL DEFAULT 0,
    made_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL DEFAULT 0,
    armed TEXT NOT NULL DEFAULT '',
    former TEXT NOT NULL DEFAULT '',
    surveyed_to INTEGER NOT NULL DEFAULT 0,
    surveyed_by TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE campaign_step (
    seq INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaign (id),
    move TEXT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX campaign_step_by_campaign ON campaign_step (campaign, seq);

-- Whom a back-test names; `territories` as JSON: code → requests.
CREATE TABLE campaign_listed (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    days INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    territories TEXT NOT NULL,
    networks TEXT NOT NULL,
    PRIMARY KEY (campaign, account)
) STRICT, WITHOUT ROWID;

-- What was seen of an account from places that the campaign's policy does not cover.
CREATE TABLE campaign_evidence (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    territory TEXT NOT NULL,
    network TEXT NOT NULL,
    requests INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, account, key, territory, network)
) STRICT, WITHOUT ROWID;

-- Days on which it was answered with a notice in the headers, for those who cannot be reached otherwise.
CREATE TABLE campaign_header (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (campaign, account, day)
) STRICT, WITHOUT ROWID;

-- Accounts whose visits were counted anew by other place data.
CREATE TABLE visit_again (account TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- `round`: how often it came to be affected.  `stage`, `next_at`: what it is told next, and when; 0: nothing.
-- `told_at`, `told_by`: since when it counts as told, and how; 0: it is not.  `exemption`: what keeps the date from it
-- until then.  `posted_at`: since when its answers tell of it.  `acted`: what was done to it.
CREATE TABLE campaign_account (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('affected', 'released')),
    round INTEGER NOT NULL,
    days INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL,
    since INTEGER NOT NULL,
    stage INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    told_at INTEGER NOT NULL DEFAULT 0,
    told_by TEXT NOT NULL DEFAULT '',
    exemption TEXT NOT NULL DEFAULT '',
    posted_at INTEGER NOT NULL DEFAULT 0,
    acted TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (campaign, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_account_by_next ON campaign_account (campaign, next_at) WHERE next_at > 0;
CREATE INDEX campaign_account_by_account ON campaign_account (account);

-- One notice to one account.  `contact`: the role that is written to.  `copies`: how often it may have gone out more
-- than once, each a case for the report.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaign (id),
    account TEXT NOT NULL,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    contact TEXT NOT NULL DEFAULT '',
    tried TEXT NOT NULL DEFAULT '[]',
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    copies INTEGER NOT NULL DEFAULT 0,
    message_id TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    code INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    planned_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL DEFAULT 0,
    complained_at INTEGER NOT NULL DEFAULT 0,
    UNIQUE (campaign, account, stage)
) STRICT;
CREATE INDEX delivery_by_due ON delivery (campaign, due_at, id) WHERE state IN ('planned', 'composed', 'deferred', 'unsure');
CREATE INDEX delivery_under_way ON delivery (id) WHERE state = 'sending';
CREATE INDEX delivery_by_message ON delivery (message_id) WHERE message_id <> '';
CREATE INDEX delivery_by_account ON delivery (account);

-- What exactly was said, and to which address: retention may take it.
CREATE TABLE delivery_letter (
    delivery INTEGER PRIMARY KEY REFERENCES delivery (id),
    letter TEXT NOT NULL
) STRICT;
