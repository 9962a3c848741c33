//! Runs, checks and undoes migrations.
