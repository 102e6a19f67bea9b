-- An account's certain places, by day (since 1970, UTC): from this it is judged where the customer is.
CREATE TABLE visit (
    account TEXT NOT NULL,
    day INTEGER NOT NULL,
    territory TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (account, day, territory)
) STRICT, WITHOUT ROWID;

-- `turns_on`: the day on which time alone changes it, -1 for never.  `given`: what the account's status became
-- because of it.
CREATE TABLE residence (
    account TEXT NOT NULL,
    policy TEXT NOT NULL,
    state TEXT NOT NULL,
    residence TEXT NOT NULL,
    turns_on INTEGER NOT NULL,
    given TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account, policy)
) STRICT, WITHOUT ROWID;
CREATE INDEX residence_by_turn ON residence (turns_on) WHERE turns_on >= 0;
CREATE INDEX residence_by_state ON residence (state, account);
