//! From when on a sign-in or a refresh looks risky, and what that brings.

use super::reader::Reader;

/// No score reaches it.
const NEVER: u8 = 101;

/// Settings of risk.
#[derive(Clone, Debug)]
pub struct Risk {
    /// From this score on a session is suspicious.
    pub suspicious_from: u8,
    /// From this score on a sign-in is asked for another proof.
    pub second_factor_from: u8,
}

impl Risk {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let risk = Self {
            suspicious_from: reader.count(
                "risk.suspicious_from",
                50,
                "From this score on, of 100, a session is suspicious: its owner is told. 101: never.",
            ),
            second_factor_from: reader.count(
                "risk.second_factor_from",
                80,
                "From this score on a sign-in takes another proof, on trusted devices too. 101: never.",
            ),
        };
        for (name, from) in [("risk.suspicious_from", risk.suspicious_from), ("risk.second_factor_from", risk.second_factor_from)] {
            if from > NEVER {
                reader.problem(name, "must be at most 101");
            }
        }
        if risk.second_factor_from < risk.suspicious_from {
            reader.problem("risk.second_factor_from", "must be no less than risk.suspicious_from");
        }
        risk
    }
}
