# SPDX-License-Identifier: Apache-2.0
"""The tables, version by version. A version that people have on disk is never edited again.

Rules that always hold, from version 1 on:

- A message's parent is in the same chat and has a smaller id; a live message (`deleted_in` is
  null) has a live parent. A chat's `active_leaf` is a live message of it without live children,
  or null where it has no live message.
- `deleted_in` names the root of the deletion that hid a message, so that deletions within
  deletions are undone each for itself.
- `writer` names the process that writes a message while its status is "writing".
- The two indexes hold every title and every live message that is not being written, each with
  two newlines after it: so every one or two characters begin a trigram too. They keep no
  positions (`detail=none`): that is 40 % smaller, and a hit is verified in its text anyway.
- Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

APPLICATION_ID = 0x5955524E
"""'YURN' in the file's header: this database is yuren's."""

VERSION_1 = """
CREATE TABLE chats (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    title_is_set INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    model TEXT NOT NULL DEFAULT '',
    system_prompt TEXT NOT NULL DEFAULT '',
    sampling TEXT,
    preset TEXT,
    active_leaf INTEGER REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
    draft TEXT NOT NULL DEFAULT '',
    scroll REAL,
    archived_at INTEGER,
    deleted_at INTEGER,
    source TEXT NOT NULL DEFAULT '',
    extras TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX chats_by_update ON chats (updated_at, id);
CREATE INDEX chats_by_opening ON chats (opened_at);
CREATE INDEX chats_by_uid ON chats (uid);
CREATE INDEX chats_by_source ON chats (source) WHERE source <> '';
CREATE INDEX chats_by_leaf ON chats (active_leaf);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    parent_id INTEGER CHECK (parent_id < id),
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    text TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('writing', 'done', 'length', 'stopped', 'failed')),
    stats TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    is_pinned INTEGER NOT NULL DEFAULT 0,
    speaker TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    writer TEXT,
    deleted_in INTEGER,
    extras TEXT NOT NULL DEFAULT '{}',
    UNIQUE (chat_id, id),
    FOREIGN KEY (chat_id, parent_id) REFERENCES messages (chat_id, id) ON DELETE CASCADE
);
CREATE INDEX messages_by_parent ON messages (chat_id, parent_id, deleted_in, id);
CREATE INDEX messages_writing ON messages (writer) WHERE status = 'writing';
CREATE INDEX messages_deleted ON messages (deleted_in) WHERE deleted_in IS NOT NULL;

CREATE TABLE pictures (
    sha256 TEXT PRIMARY KEY,
    suffix TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE message_pictures (
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL REFERENCES pictures (sha256),
    PRIMARY KEY (message_id, position)
) WITHOUT ROWID;
CREATE INDEX message_pictures_by_hash ON message_pictures (sha256);
CREATE TABLE draft_pictures (
    chat_id INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL REFERENCES pictures (sha256),
    PRIMARY KEY (chat_id, position)
) WITHOUT ROWID;
CREATE INDEX draft_pictures_by_hash ON draft_pictures (sha256);

CREATE TABLE system_prompts (
    id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    UNIQUE (chat_id, text)
);
CREATE TABLE prompts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL UNIQUE,
    used_at INTEGER NOT NULL
);
CREATE TABLE models (
    model TEXT PRIMARY KEY,
    load TEXT NOT NULL,
    device TEXT NOT NULL,
    used_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE VIEW indexed_titles AS
    SELECT id, title || char(10, 10) AS text FROM chats WHERE title <> '';
CREATE VIEW indexed_messages AS
    SELECT id, text || char(10, 10) AS text FROM messages
    WHERE status <> 'writing' AND deleted_in IS NULL AND text <> '';
CREATE VIRTUAL TABLE title_index USING fts5 (
    text, content = 'indexed_titles', content_rowid = 'id',
    tokenize = 'trigram', detail = 'none', columnsize = 0
);
CREATE VIRTUAL TABLE message_index USING fts5 (
    text, content = 'indexed_messages', content_rowid = 'id',
    tokenize = 'trigram', detail = 'none', columnsize = 0
);
CREATE VIRTUAL TABLE title_terms USING fts5vocab ('title_index', 'row');
CREATE VIRTUAL TABLE message_terms USING fts5vocab ('message_index', 'row');

CREATE TRIGGER title_inserted AFTER INSERT ON chats WHEN new.title <> '' BEGIN
    INSERT INTO title_index (rowid, text) VALUES (new.id, new.title || char(10, 10));
END;
CREATE TRIGGER title_changing BEFORE UPDATE OF title ON chats
WHEN old.title <> '' AND old.title IS NOT new.title BEGIN
    INSERT INTO title_index (title_index, rowid, text)
    VALUES ('delete', old.id, old.title || char(10, 10));
END;
CREATE TRIGGER title_changed AFTER UPDATE OF title ON chats
WHEN new.title <> '' AND old.title IS NOT new.title BEGIN
    INSERT INTO title_index (rowid, text) VALUES (new.id, new.title || char(10, 10));
END;
CREATE TRIGGER title_deleted AFTER DELETE ON chats WHEN old.title <> '' BEGIN
    INSERT INTO title_index (title_index, rowid, text)
    VALUES ('delete', old.id, old.title || char(10, 10));
END;

CREATE TRIGGER message_inserted AFTER INSERT ON messages
WHEN new.status <> 'writing' AND new.deleted_in IS NULL AND new.text <> '' BEGIN
    INSERT INTO message_index (rowid, text) VALUES (new.id, new.text || char(10, 10));
END;
CREATE TRIGGER message_changing BEFORE UPDATE OF text, status, deleted_in ON messages
WHEN old.status <> 'writing' AND old.deleted_in IS NULL AND old.text <> ''
    AND (new.status = 'writing' OR new.deleted_in IS NOT NULL OR new.text IS NOT old.text) BEGIN
    INSERT INTO message_index (message_index, rowid, text)
    VALUES ('delete', old.id, old.text || char(10, 10));
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text, status, deleted_in ON messages
WHEN new.status <> 'writing' AND new.deleted_in IS NULL AND new.text <> ''
    AND (old.status = 'writing' OR old.deleted_in IS NOT NULL OR new.text IS NOT old.text) BEGIN
    INSERT INTO message_index (rowid, text) VALUES (new.id, new.text || char(10, 10));
END;
CREATE TRIGGER message_deleted AFTER DELETE ON messages
WHEN old.status <> 'writing' AND old.deleted_in IS NULL AND old.text <> '' BEGIN
    INSERT INTO message_index (message_index, rowid, text)
    VALUES ('delete', old.id, old.text || char(10, 10));
END;
"""

VERSION_2 = """
ALTER TABLE chats ADD COLUMN system_draft TEXT;
"""
"""What has been typed in the place of the system prompt and not been saved; null for nothing."""

VERSION_3 = """
CREATE TABLE chat_presets (
    id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    preset TEXT,
    used_at INTEGER NOT NULL
);
CREATE INDEX chat_presets_by_chat ON chat_presets (chat_id, id);
INSERT INTO chat_presets (chat_id, preset, used_at)
    SELECT id, preset, created_at FROM chats WHERE preset IS NOT NULL;
UPDATE chats SET preset = NULL WHERE preset IS NOT NULL;

CREATE TABLE new_system_prompts (
    id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    used_at INTEGER NOT NULL
);
INSERT INTO new_system_prompts (chat_id, text, used_at)
    SELECT chat_id, text, used_at FROM system_prompts ORDER BY used_at, id;
INSERT INTO new_system_prompts (chat_id, text, used_at)
    SELECT id, '', created_at FROM chats
    WHERE id NOT IN (SELECT chat_id FROM system_prompts);
DROP TABLE system_prompts;
ALTER TABLE new_system_prompts RENAME TO system_prompts;
CREATE INDEX system_prompts_by_chat ON system_prompts (chat_id, id);
"""
"""A preset may hold megabytes, and SQLite writes the whole of a row that changes: presets leave the
rows of chats, which change with every draft. The column stays, null: a process of an older version
that still has the file open reads it.

Each time that a system prompt or a preset is put into use is a row: so it is known what each
answer was told. Of a system prompt that was in use before this version, only the last time is."""
