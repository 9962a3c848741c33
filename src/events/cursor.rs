//! What a cursor of the event streams says, before it is sealed and after it is opened.

use std::time::Duration;

use entity::Timestamp;
use uuid::Uuid;

use crate::storage::account_events::{Position, Positions};

/// The log keeps its rows for so long: an older cursor may have lost some.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 16 + 8 + 2 * 20;

/// A place in both logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Who may use it.
    pub owner: Uuid,
    /// How old it is.
    pub at: Timestamp,
    /// What it points at.
    pub positions: Positions,
}

/// Why a cursor is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorRefusal {
    /// It is not one of ours, or somebody else's.
    Invalid,
    /// The log does not reach back so far.
    Expired,
}

impl Cursor {
    /// As bytes of a fixed length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend(self.owner.as_bytes());
        bytes.extend(self.at.millis().to_be_bytes());
        for position in [self.positions.events, self.positions.audit] {
            bytes.extend(position.epoch.to_be_bytes());
            bytes.extend(position.xid.to_be_bytes());
            bytes.extend(position.seq.to_be_bytes());
        }
        bytes
    }

    /// From such bytes; none where they are anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if bytes.len() != LENGTH || rest.take::<1>()? != [VERSION] {
            return None;
        }
        Some(Self {
            owner: Uuid::from_bytes(rest.take()?),
            at: Timestamp::from_millis(i64::from_be_bytes(rest.take()?)),
            positions: Positions { events: rest.position()?, audit: rest.position()? },
        })
    }

    /// Where to go on, if `reader` may.
    ///
    /// # Errors
    /// `Invalid` for somebody else's, `Expired` after 30 days.
    pub fn resume(&self, reader: Uuid, now: Timestamp) -> Result<Positions, CursorRefusal> {
        if self.owner != reader {
            Err(CursorRefusal::Invalid)
        } else if now.since(self.at) > KEPT {
            Err(CursorRefusal::Expired)
        } else {
            Ok(self.positions)
        }
    }
}

/// A place in the audit log alone: the cursor of one of its rows. The list of rows goes on from it, and so does their stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    /// When the row was written.
    pub at: Timestamp,
    /// Where it stands.
    pub position: Position,
}

impl AuditPlace {
    /// What such cursors are sealed for.
    pub const PURPOSE: &'static str = "cursor.audit";

    /// As bytes of a fixed length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Position { epoch, xid, seq } = self.position;
        [&self.at.millis().to_be_bytes()[..], &epoch.to_be_bytes(), &xid.to_be_bytes(), &seq.to_be_bytes()].concat()
    }

    /// From such bytes; none where they are anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let place = Self { at: Timestamp::from_millis(i64::from_be_bytes(rest.take()?)), position: rest.position()? };
        rest.0.is_empty().then_some(place)
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position {
            epoch: i32::from_be_bytes(self.take()?),
            xid: i64::from_be_bytes(self.take()?),
            seq: i64::from_be_bytes(self.take()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            owner: Uuid::from_u128(7),
            at: Timestamp::from_millis(1_000),
            positions: Positions {
                events: Position { epoch: 2, xid: 3, seq: i64::MAX },
                audit: Position { epoch: 2, xid: i64::MIN, seq: -1 },
            },
        }
    }

    #[test]
    fn it_survives_the_trip() {
        let bytes = cursor().to_bytes();
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(Cursor::from_bytes(&bytes), Some(cursor()));
    }

    #[test]
    fn other_bytes_are_none() {
        let bytes = cursor().to_bytes();
        assert_eq!(Cursor::from_bytes(&[]), None);
        assert_eq!(Cursor::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Cursor::from_bytes(&[bytes.clone(), vec![0]].concat()), None);
        let mut other_version = bytes;
        other_version[0] = 2;
        assert_eq!(Cursor::from_bytes(&other_version), None);
    }

    #[test]
    fn a_place_in_the_audit_log_survives_the_trip() {
        let place = AuditPlace { at: cursor().at, position: cursor().positions.audit };
        assert_eq!(AuditPlace::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(AuditPlace::from_bytes(&place.to_bytes()[1..]), None);
        assert_eq!(AuditPlace::from_bytes(&[place.to_bytes(), vec![0]].concat()), None);
    }

    #[test]
    fn it_serves_its_owner_for_thirty_days() {
        let owner = cursor().owner;
        let at = cursor().at;
        assert_eq!(cursor().resume(owner, at + KEPT), Ok(cursor().positions));
        assert_eq!(cursor().resume(owner, at + KEPT + Duration::from_millis(1)), Err(CursorRefusal::Expired));
        assert_eq!(cursor().resume(Uuid::from_u128(8), at), Err(CursorRefusal::Invalid));
    }
}
