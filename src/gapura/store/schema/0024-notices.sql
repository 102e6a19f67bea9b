-- What campaigns have told an account, as gates repeat it beside their answers.
ALTER TABLE account ADD COLUMN notices TEXT NOT NULL DEFAULT '[]';
