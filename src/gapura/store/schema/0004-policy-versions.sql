CREATE TABLE policy_version (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    format TEXT NOT NULL CHECK (format IN ('toml', 'yaml')),
    document TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER policy_version_is_never_changed BEFORE UPDATE ON policy_version
    BEGIN SELECT RAISE(ABORT, 'a policy version is never changed'); END;
CREATE TRIGGER policy_version_is_never_deleted BEFORE DELETE ON policy_version
    BEGIN SELECT RAISE(ABORT, 'a policy version is never deleted'); END;

CREATE TABLE policy_state (
    seq INTEGER PRIMARY KEY,
    version TEXT NOT NULL REFERENCES policy_version (id),
    state TEXT NOT NULL CHECK (state IN ('proposed', 'shadow', 'active', 'retired')),
    rulebook TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX policy_state_by_version ON policy_state (version, seq);
CREATE INDEX policy_state_by_rulebook ON policy_state (rulebook);
CREATE TRIGGER policy_state_is_never_changed BEFORE UPDATE ON policy_state
    BEGIN SELECT RAISE(ABORT, 'a policy state is never changed'); END;
CREATE TRIGGER policy_state_is_never_deleted BEFORE DELETE ON policy_state
    BEGIN SELECT RAISE(ABORT, 'a policy state is never deleted'); END;

ALTER TABLE request ADD COLUMN shadow_effect TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN shadow_version TEXT NOT NULL DEFAULT '';
CREATE INDEX request_by_shadow ON request (shadow_version, id) WHERE shadow_version <> '';
