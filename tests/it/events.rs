//! Events: outbox, order, replay.
