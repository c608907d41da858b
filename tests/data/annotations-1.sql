-- annotations.sqlite of format 1, as SQLite dumps it.
PRAGMA journal_mode=WAL;
PRAGMA application_id=1764914753;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE board_pictures (
            board INTEGER NOT NULL REFERENCES boards ON DELETE CASCADE,
            picture INTEGER NOT NULL REFERENCES pictures,
            place INTEGER NOT NULL CHECK (typeof(place) = 'integer'),
            PRIMARY KEY (board, picture)
        ) WITHOUT ROWID;
INSERT INTO "board_pictures" VALUES(1,1,0);
INSERT INTO "board_pictures" VALUES(1,2,1);
CREATE TABLE boards (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            note TEXT NOT NULL DEFAULT '' CHECK (typeof(note) = 'text'),
            place INTEGER NOT NULL CHECK (typeof(place) = 'integer'),
            deleted INTEGER CHECK (typeof(deleted) IN ('integer', 'null'))
        );
INSERT INTO "boards" VALUES(1,'Mood','dusk',1,NULL);
INSERT INTO "boards" VALUES(2,'gone','',2,1796042045);
CREATE TABLE not_copies (
            one INTEGER NOT NULL REFERENCES pictures,
            other INTEGER NOT NULL REFERENCES pictures,
            PRIMARY KEY (one, other),
            CHECK (one < other)
        ) WITHOUT ROWID;
INSERT INTO "not_copies" VALUES(1,2);
CREATE TABLE pictures (
            id INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE CHECK (typeof(sha256) = 'text' AND length(sha256) = 64),
            path BLOB NOT NULL CHECK (typeof(path) = 'blob'),
            starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
            note TEXT NOT NULL DEFAULT '' CHECK (typeof(note) = 'text')
        );
INSERT INTO "pictures" VALUES(1,'d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35',X'622E706E67',1,'my note');
INSERT INTO "pictures" VALUES(2,'6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b',X'636166EDB3A92E706E67',0,'');
CREATE TABLE searches (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text'),
            query TEXT NOT NULL CHECK (typeof(query) = 'text')
        );
INSERT INTO "searches" VALUES(1,'owls','?tag=owl');
CREATE TABLE tags (
            picture INTEGER NOT NULL REFERENCES pictures,
            name TEXT NOT NULL CHECK (typeof(name) = 'text'),
            PRIMARY KEY (picture, name)
        ) WITHOUT ROWID;
INSERT INTO "tags" VALUES(1,'night');
CREATE UNIQUE INDEX board_names ON boards (name) WHERE deleted IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('boards',2);
INSERT INTO "sqlite_sequence" VALUES('searches',1);
COMMIT;
