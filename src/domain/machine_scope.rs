//! What a machine token opens.

use std::{fmt, str::FromStr};

/// One of the things that a machine token can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MachineScope {
    /// Following what happens to sessions and accounts, and the audit log.
    EventsRead,
    /// Looking users up.
    UsersRead,
    /// Giving and taking coins.
    CoinsWrite,
}

/// No scope has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are the scopes events:read, users:read and coins:write")]
pub struct UnknownScope;

impl MachineScope {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::EventsRead, Self::UsersRead, Self::CoinsWrite];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::UsersRead => "users:read",
            Self::CoinsWrite => "coins:write",
        }
    }

    /// Those of a text with blanks in between. A word that is not known opens nothing: a newer program may have written it.
    #[must_use]
    pub fn list_from(text: &str) -> Vec<Self> {
        text.split(' ').filter_map(|word| word.parse().ok()).collect()
    }

    /// The text of some, each once, in a fixed order.
    #[must_use]
    pub fn list_to_text(scopes: &[Self]) -> String {
        let chosen: Vec<&str> = Self::ALL.into_iter().filter(|scope| scopes.contains(scope)).map(Self::as_str).collect();
        chosen.join(" ")
    }
}

impl fmt::Display for MachineScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MachineScope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let all = MachineScope::list_to_text(&[MachineScope::CoinsWrite, MachineScope::EventsRead, MachineScope::CoinsWrite]);
        assert_eq!(all, "events:read coins:write");
        assert_eq!(MachineScope::list_from(&all), [MachineScope::EventsRead, MachineScope::CoinsWrite]);
        assert_eq!(MachineScope::list_from("events:read* users users:read sessions:read"), [MachineScope::UsersRead]);
        assert_eq!(MachineScope::list_from(""), []);
        assert_eq!("EVENTS:READ".parse::<MachineScope>(), Err(UnknownScope));
    }
}
