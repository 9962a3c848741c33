-- What a sign-in and a refresh are compared with: where sessions and devices were last seen.
-- type: expanding

--- up
-- By the deployment's database of addresses, where it has one. The position is coarse: tenths of a degree, some ten kilometres.
ALTER TABLE user_sessions ADD COLUMN location_country text CHECK (length(location_country) = 2);
ALTER TABLE user_sessions ADD COLUMN location_city text;
ALTER TABLE user_sessions ADD COLUMN location_timezone text;
ALTER TABLE user_sessions ADD COLUMN location_latitude integer CHECK (location_latitude BETWEEN -900 AND 900);
ALTER TABLE user_sessions ADD COLUMN location_longitude integer CHECK (location_longitude BETWEEN -1800 AND 1800);
-- What was proved before a refresh that looked risky makes the session recent no more.
ALTER TABLE user_sessions ADD COLUMN proofs_void_before {instant};
-- For the sign-in, which looks at the last places of an account.
CREATE INDEX user_sessions_location_idx ON user_sessions (user_id, created_at) WHERE location_country IS NOT NULL;

-- A known device in the country where it signed in last is compared with nothing else.
ALTER TABLE known_devices ADD COLUMN location_country text CHECK (length(location_country) = 2);

--- down
ALTER TABLE known_devices DROP COLUMN location_country;
DROP INDEX user_sessions_location_idx;
ALTER TABLE user_sessions DROP COLUMN proofs_void_before;
ALTER TABLE user_sessions DROP COLUMN location_longitude;
ALTER TABLE user_sessions DROP COLUMN location_latitude;
ALTER TABLE user_sessions DROP COLUMN location_timezone;
ALTER TABLE user_sessions DROP COLUMN location_city;
ALTER TABLE user_sessions DROP COLUMN location_country;
