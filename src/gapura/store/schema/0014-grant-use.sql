-- What was paid by grants, by grant; and an account's use, by time.
CREATE INDEX request_by_grant ON request (purse) WHERE substr(purse, 1, 3) = 'gr:';
CREATE INDEX charge_by_grant ON charge (purse) WHERE substr(purse, 1, 3) = 'gr:';
CREATE INDEX request_by_account ON request (account, opened_at);
