-- Which of an account's keys were used from where; days as in `visit`.
CREATE TABLE visit_key (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    territory TEXT NOT NULL,
    requests INTEGER NOT NULL,
    first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL,
    PRIMARY KEY (account, territory, key)
) STRICT, WITHOUT ROWID;
