"""Access logs and records as columns: whom would a list hit?

    files → intake → seen (one row an address, account, key, model and day) → places → verdicts → figures → Backtest

Everything up to the last step happens in DuckDB and on disk, so memory does not grow with the logs.  Places and
verdicts are asked for once for each distinct address and each distinct combination, of the same functions that
judge live traffic; they are handed in, because this package knows neither the atlas nor the rules.
"""
