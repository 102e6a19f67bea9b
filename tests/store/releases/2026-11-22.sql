BEGIN TRANSACTION;
CREATE TABLE account (
            id TEXT PRIMARY KEY,
            external_id TEXT NOT NULL,
            organisation TEXT NOT NULL,
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            language TEXT NOT NULL,
            zone TEXT NOT NULL,
            declared_territory TEXT NOT NULL,
            ownership TEXT NOT NULL,
            contacts TEXT NOT NULL,
            requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
            tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
            budget INTEGER NOT NULL CHECK (budget >= -1),
            data_may_go_to TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (organisation, external_id)
        ) STRICT;
INSERT INTO "account" VALUES('acc_01a20320a2007c219eb7acb31a5fe13f','acme','default','','active','zh-Hans','','','','{"owner":"owner@acme.example"}',0,0,1000,'[]',1795348800000000);
INSERT INTO "account" VALUES('acc_01a20320a20074548a36fadbb36cb361','globex','default','','active','','','','','{}',0,0,-1,'[]',1795348800000000);
CREATE TABLE attempt (
            request TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            hold INTEGER NOT NULL,
            losses TEXT NOT NULL,
            opened_at INTEGER NOT NULL,
            ended_at INTEGER,
            failure TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (request, attempt)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "attempt" VALUES('req_0191',1,'openai','gpt-4o-mini',300,'[]',1795348800000000,1795348800000000,'');
INSERT INTO "attempt" VALUES('req_0193',1,'openai','gpt-4o-mini',300,'[]',1795348800000000,NULL,'');
CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            commitment BLOB NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
INSERT INTO "audit" VALUES(1,1795348800000000,'prn_owner','account.upsert','-',X'D6DCEC21BE7CD91B1880B4E8F101139A9A010C62B0C4EF9B7E63DA8CDC2BD5E9',X'DB44972137E76E8A3929C116CC5A1CE616873BF33E98619793661C44991C0096');
INSERT INTO "audit" VALUES(2,1795348800000000,'prn_owner','account.budget','acc_01a20320a2007c219eb7acb31a5fe13f',X'B9D4D2DC8C5D928A128292467BD452973F87E8E8D516B742A8A4F4D9CD4E91C8',X'1169966DB743621877C26A0716DC42B9E5A70A49C3E1D7A003D7B936A5ACC518');
INSERT INTO "audit" VALUES(3,1795348800000000,'prn_owner','key.create','acc_01a20320a2007c219eb7acb31a5fe13f',X'57CA56FBCCD2FAF770E43B7608AD2B0A12FC6C5D358BC39432A056233F5DB51D',X'15FCC532340BA6B7DDCABEF2C953EBD12AE692D0151A48C6AC139C0C2947FEBD');
CREATE TABLE audit_text (
            seq INTEGER PRIMARY KEY REFERENCES audit (seq),
            salt BLOB NOT NULL,
            reason TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;
INSERT INTO "audit_text" VALUES(1,X'6795C4302F90364395833E583023502F','made for the fixture','');
INSERT INTO "audit_text" VALUES(2,X'D85BAE4201B15EA588B81AFB5E01D08E','made for the fixture','');
INSERT INTO "audit_text" VALUES(3,X'BA7908D8A86F3D09FA84971394EE741C','made for the fixture','');
CREATE TABLE idempotency (
            actor TEXT NOT NULL,
            key TEXT NOT NULL,
            at INTEGER NOT NULL,
            request BLOB NOT NULL,
            result BLOB NOT NULL,
            PRIMARY KEY (actor, key)
        ) STRICT;
CREATE TABLE incarnation (
            id TEXT PRIMARY KEY,
            boot TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('live', 'closed')),
            begun_at INTEGER NOT NULL,
            closed_at INTEGER,
            segment INTEGER NOT NULL DEFAULT 1,
            place INTEGER NOT NULL DEFAULT 0,
            sequence INTEGER NOT NULL DEFAULT 0,
            missing INTEGER NOT NULL DEFAULT 0,
            strange INTEGER NOT NULL DEFAULT 0,
            torn INTEGER NOT NULL DEFAULT 0,
            marked_at INTEGER NOT NULL DEFAULT 0,
            marked TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
INSERT INTO "incarnation" VALUES('inc_1','boot','live',1795348800000000,NULL,1,500,4,0,0,0,0,'{}');
CREATE TABLE key (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES account (id),
            prefix TEXT NOT NULL,
            name TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
            models TEXT NOT NULL,
            providers TEXT NOT NULL,
            cidrs TEXT NOT NULL,
            may_assert_origin INTEGER NOT NULL CHECK (may_assert_origin IN (0, 1)),
            strict INTEGER NOT NULL CHECK (strict IN (0, 1)),
            requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
            tokens_per_minute INTEGER NOT NULL CHECK (tokens_per_minute >= 0),
            created_at INTEGER NOT NULL,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            pepper_id TEXT NOT NULL
        ) STRICT;
INSERT INTO "key" VALUES('key_01a20320a200765a9386792a38df26f1','acc_01a20320a2007c219eb7acb31a5fe13f','sk-gp-','first',0,0,'[]','[]','[]',0,0,0,0,1795348800000000,X'9C1FE770BD40480FC8D3CDD7C52226F632A8B6350AD2CF55478EFADBA007B583','e57ba0dd39ed');
CREATE TABLE ledger_account (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            owner TEXT NOT NULL,
            unit TEXT NOT NULL,
            balance INTEGER NOT NULL DEFAULT 0 CHECK (kind = 'operator' OR balance >= 0),
            ceiling INTEGER
        ) STRICT;
INSERT INTO "ledger_account" VALUES('budget:acc_01a20320a2007c219eb7acb31a5fe13f','budget','acc_01a20320a2007c219eb7acb31a5fe13f','tokens',400,1000);
INSERT INTO "ledger_account" VALUES('operator','operator','','tokens',-1000,NULL);
INSERT INTO "ledger_account" VALUES('slice:inc_1:acc_01a20320a2007c219eb7acb31a5fe13f','slice','acc_01a20320a2007c219eb7acb31a5fe13f','tokens',570,NULL);
INSERT INTO "ledger_account" VALUES('spent:acc_01a20320a2007c219eb7acb31a5fe13f','spent','acc_01a20320a2007c219eb7acb31a5fe13f','tokens',30,NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "meta" VALUES('pepper_id','e57ba0dd39ed');
INSERT INTO "meta" VALUES('audit_head','339bfea94ca75908bb7bb5e836542c444953b7bcc8e90db592d2fc61f14c8195');
CREATE TABLE principal (
            id TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            organisation TEXT NOT NULL,
            name TEXT NOT NULL,
            prefix TEXT NOT NULL,
            revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
            created_at INTEGER NOT NULL,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            pepper_id TEXT NOT NULL
        ) STRICT;
CREATE TABLE request (
            id TEXT PRIMARY KEY,
            outcome TEXT NOT NULL CHECK (outcome IN ('open', 'complete', 'cut', 'failed', 'refused')),
            status INTEGER NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT '',
            account TEXT NOT NULL DEFAULT '',
            key TEXT NOT NULL DEFAULT '',
            organisation TEXT NOT NULL DEFAULT '',
            model TEXT NOT NULL DEFAULT '',
            provider TEXT NOT NULL DEFAULT '',
            served_model TEXT NOT NULL DEFAULT '',
            stream INTEGER NOT NULL DEFAULT 0,
            sandbox INTEGER NOT NULL DEFAULT 0,
            territory TEXT NOT NULL DEFAULT '',
            certainty TEXT NOT NULL DEFAULT '',
            derivation TEXT NOT NULL DEFAULT '',
            egress TEXT NOT NULL DEFAULT '',
            decision TEXT NOT NULL DEFAULT '',
            effect TEXT NOT NULL DEFAULT '',
            policy_version TEXT NOT NULL DEFAULT '',
            purse TEXT NOT NULL DEFAULT '',
            hold INTEGER NOT NULL DEFAULT 0,
            input INTEGER NOT NULL DEFAULT 0,
            output INTEGER NOT NULL DEFAULT 0,
            cached INTEGER NOT NULL DEFAULT 0,
            reasoning INTEGER NOT NULL DEFAULT 0,
            estimated INTEGER NOT NULL DEFAULT 0,
            charged INTEGER NOT NULL DEFAULT 0,
            opened_at INTEGER NOT NULL,
            progress_at INTEGER,
            ended_at INTEGER,
            incarnation TEXT NOT NULL
        ) STRICT;
INSERT INTO "request" VALUES('req_0191','complete',200,'','acc_01a20320a2007c219eb7acb31a5fe13f','key_01a20320a200765a9386792a38df26f1','default','gpt-4o-mini','openai','gpt-4o-mini',0,0,'SG','certain','peer','SG','dec_1','allow','v1','tok:acc_01a20320a2007c219eb7acb31a5fe13f',300,10,20,0,0,0,30,1795348800000000,NULL,1795348800000000,'inc_1');
INSERT INTO "request" VALUES('req_0192','refused',403,'unsupported_country_region_territory','acc_01a20320a2007c219eb7acb31a5fe13f','key_01a20320a200765a9386792a38df26f1','default','gpt-4o-mini','','',0,0,'SG','certain','peer','SG','dec_1','allow','v1','',0,0,0,0,0,0,0,1795348800000000,NULL,1795348800000000,'inc_1');
INSERT INTO "request" VALUES('req_0193','open',0,'','acc_01a20320a2007c219eb7acb31a5fe13f','key_01a20320a200765a9386792a38df26f1','default','gpt-4o-mini','openai','gpt-4o-mini',0,0,'SG','certain','peer','SG','dec_1','allow','v1','tok:acc_01a20320a2007c219eb7acb31a5fe13f',300,0,0,0,0,0,0,1795348800000000,NULL,NULL,'inc_1');
CREATE TABLE request_place (
            request TEXT PRIMARY KEY,
            address TEXT NOT NULL,
            peer TEXT NOT NULL,
            answers TEXT NOT NULL,
            verdicts TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO "request_place" VALUES('req_0191','203.0.113.7','203.0.113.7','[["ipfire","SG","2026-06-25"]]','[["openai/gpt-4o-mini","allow","openai/api","coverage","covers SG",true]]');
INSERT INTO "request_place" VALUES('req_0192','203.0.113.7','203.0.113.7','[["ipfire","SG","2026-06-25"]]','[["openai/gpt-4o-mini","allow","openai/api","coverage","covers SG",true]]');
INSERT INTO "request_place" VALUES('req_0193','203.0.113.7','203.0.113.7','[["ipfire","SG","2026-06-25"]]','[["openai/gpt-4o-mini","allow","openai/api","coverage","covers SG",true]]');
CREATE TABLE step (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO "step" VALUES(1,'0001-spine');
INSERT INTO "step" VALUES(2,'0002-record-and-ledger');
CREATE TABLE transfer (
            id INTEGER PRIMARY KEY,
            debit TEXT NOT NULL REFERENCES ledger_account (id),
            credit TEXT NOT NULL REFERENCES ledger_account (id) CHECK (credit <> debit),
            amount INTEGER NOT NULL CHECK (amount > 0),
            kind TEXT NOT NULL,
            ref TEXT NOT NULL UNIQUE,
            at INTEGER NOT NULL
        ) STRICT;
INSERT INTO "transfer" VALUES(1,'operator','budget:acc_01a20320a2007c219eb7acb31a5fe13f',1000,'grant','chg_1',1795348800000000);
INSERT INTO "transfer" VALUES(2,'budget:acc_01a20320a2007c219eb7acb31a5fe13f','slice:inc_1:acc_01a20320a2007c219eb7acb31a5fe13f',600,'lend','lend_1',1795348800000000);
INSERT INTO "transfer" VALUES(3,'slice:inc_1:acc_01a20320a2007c219eb7acb31a5fe13f','spent:acc_01a20320a2007c219eb7acb31a5fe13f',30,'spend','spend_1:s',1795348800000000);
CREATE INDEX key_by_account ON key (account_id, id);
CREATE INDEX incarnation_live ON incarnation (id) WHERE state = 'live';
CREATE INDEX request_open ON request (incarnation) WHERE outcome = 'open';
CREATE INDEX request_by_decision ON request (decision);
CREATE INDEX ledger_account_by_owner ON ledger_account (owner, kind);
CREATE INDEX transfer_by_debit ON transfer (debit, kind);
CREATE INDEX transfer_by_credit ON transfer (credit, kind);
CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
            BEGIN SELECT RAISE(ABORT, 'a transfer is never changed'); END;
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
            BEGIN SELECT RAISE(ABORT, 'a transfer is never deleted'); END;
COMMIT;
