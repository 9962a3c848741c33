-- A display or first name that the full name begins with is found by the full name already: its own index leaves it out.
-- type: expanding

--- up postgres
DROP STATISTICS users_display_name_starts;
DROP STATISTICS users_first_name_starts;
DROP INDEX users_display_name_start_idx;
DROP INDEX users_first_name_start_idx;
CREATE INDEX users_display_name_start_idx
    ON users ((CASE WHEN starts_with(lower(full_name), lower(display_name)) THEN NULL ELSE lower(display_name) END) COLLATE "C")
    INCLUDE (display_name, full_name, id, email, created_at)
    WHERE (CASE WHEN starts_with(lower(full_name), lower(display_name)) THEN NULL ELSE lower(display_name) END) IS NOT NULL;
CREATE INDEX users_first_name_start_idx
    ON users ((CASE WHEN starts_with(lower(full_name), lower(first_name)) THEN NULL ELSE lower(first_name) END) COLLATE "C")
    INCLUDE (first_name, full_name, id, email, created_at)
    WHERE (CASE WHEN starts_with(lower(full_name), lower(first_name)) THEN NULL ELSE lower(first_name) END) IS NOT NULL;
-- As before: the planner has to know how many share a start.
CREATE STATISTICS users_display_name_starts
    ON (CASE WHEN starts_with(lower(full_name), lower(display_name)) THEN NULL ELSE lower(display_name) END) FROM users;
CREATE STATISTICS users_first_name_starts
    ON (CASE WHEN starts_with(lower(full_name), lower(first_name)) THEN NULL ELSE lower(first_name) END) FROM users;
ALTER STATISTICS users_display_name_starts SET STATISTICS 400;
ALTER STATISTICS users_first_name_starts SET STATISTICS 400;

--- up sqlite
-- Its searches go through one file on one machine: nothing to do.

--- down postgres
DROP STATISTICS users_first_name_starts;
DROP STATISTICS users_display_name_starts;
DROP INDEX users_first_name_start_idx;
DROP INDEX users_display_name_start_idx;
CREATE INDEX users_display_name_start_idx ON users ((lower(display_name)) COLLATE "C") INCLUDE (display_name, id, email, created_at)
    WHERE display_name IS NOT NULL;
CREATE INDEX users_first_name_start_idx ON users ((lower(first_name)) COLLATE "C") INCLUDE (first_name, id, email, created_at)
    WHERE first_name IS NOT NULL;
CREATE STATISTICS users_display_name_starts ON (lower(display_name)) FROM users;
CREATE STATISTICS users_first_name_starts ON (lower(first_name)) FROM users;
ALTER STATISTICS users_display_name_starts SET STATISTICS 400;
ALTER STATISTICS users_first_name_starts SET STATISTICS 400;

--- down sqlite
-- Nothing to undo.
