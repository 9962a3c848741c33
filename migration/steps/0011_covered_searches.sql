-- Whom a search finds is put in order from the index alone: a name that thousands have is looked up in no table.
-- type: expanding

--- up postgres
-- An index answers alone only where it has every column that is named, also those whose expression it has.
DROP INDEX users_email_order_idx;
DROP INDEX users_phone_start_idx;
DROP INDEX users_username_start_idx;
DROP INDEX users_display_name_start_idx;
DROP INDEX users_full_name_start_idx;
DROP INDEX users_first_name_start_idx;
DROP INDEX users_last_name_start_idx;
CREATE INDEX users_email_order_idx ON users ((coalesce(email, '')) COLLATE "C", id) INCLUDE (email, created_at);
CREATE INDEX users_phone_start_idx ON users (phone COLLATE "C") INCLUDE (id, email, created_at) WHERE phone IS NOT NULL;
CREATE INDEX users_username_start_idx ON users (username COLLATE "C") INCLUDE (id, email, created_at) WHERE username IS NOT NULL;
CREATE INDEX users_display_name_start_idx ON users ((lower(display_name)) COLLATE "C") INCLUDE (display_name, id, email, created_at)
    WHERE display_name IS NOT NULL;
CREATE INDEX users_full_name_start_idx ON users ((lower(full_name)) COLLATE "C") INCLUDE (full_name, id, email, created_at)
    WHERE full_name IS NOT NULL;
CREATE INDEX users_first_name_start_idx ON users ((lower(first_name)) COLLATE "C") INCLUDE (first_name, id, email, created_at)
    WHERE first_name IS NOT NULL;
CREATE INDEX users_last_name_start_idx ON users ((lower(last_name)) COLLATE "C") INCLUDE (last_name, id, email, created_at)
    WHERE last_name IS NOT NULL;
-- How many share a start, so that the planner knows when to go through them and when along the order: indexes of some rows alone tell it nothing.
CREATE STATISTICS users_display_name_starts ON (lower(display_name)) FROM users;
CREATE STATISTICS users_full_name_starts ON (lower(full_name)) FROM users;
CREATE STATISTICS users_first_name_starts ON (lower(first_name)) FROM users;
CREATE STATISTICS users_last_name_starts ON (lower(last_name)) FROM users;
-- Among a hundred bounds, which is what is usual, nothing rarer than one in a hundred is told apart.
ALTER STATISTICS users_display_name_starts SET STATISTICS 400;
ALTER STATISTICS users_full_name_starts SET STATISTICS 400;
ALTER STATISTICS users_first_name_starts SET STATISTICS 400;
ALTER STATISTICS users_last_name_starts SET STATISTICS 400;

--- up sqlite
-- Its searches go through one file on one machine: nothing to do.

--- down postgres
DROP STATISTICS users_last_name_starts;
DROP STATISTICS users_first_name_starts;
DROP STATISTICS users_full_name_starts;
DROP STATISTICS users_display_name_starts;
DROP INDEX users_last_name_start_idx;
DROP INDEX users_first_name_start_idx;
DROP INDEX users_full_name_start_idx;
DROP INDEX users_display_name_start_idx;
DROP INDEX users_username_start_idx;
DROP INDEX users_phone_start_idx;
DROP INDEX users_email_order_idx;
CREATE INDEX users_email_order_idx ON users ((coalesce(email, '')) COLLATE "C", id);
CREATE INDEX users_phone_start_idx ON users (phone COLLATE "C") WHERE phone IS NOT NULL;
CREATE INDEX users_username_start_idx ON users (username COLLATE "C") WHERE username IS NOT NULL;
CREATE INDEX users_display_name_start_idx ON users ((lower(display_name)) COLLATE "C") WHERE display_name IS NOT NULL;
CREATE INDEX users_full_name_start_idx ON users ((lower(full_name)) COLLATE "C") WHERE full_name IS NOT NULL;
CREATE INDEX users_first_name_start_idx ON users ((lower(first_name)) COLLATE "C") WHERE first_name IS NOT NULL;
CREATE INDEX users_last_name_start_idx ON users ((lower(last_name)) COLLATE "C") WHERE last_name IS NOT NULL;

--- down sqlite
-- Nothing to undo.
