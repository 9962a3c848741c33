//! How coins are counted: never below nothing, and never beyond what an `Int` of the API can tell.

/// What an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// What is left.
    pub balance: i32,
    /// All that was ever added.
    pub total_earned: i32,
}

/// Why an amount does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncountable {
    /// Nothing would be added or taken.
    Nothing,
    /// More would be taken than there is.
    NotEnough,
    /// Balance or total would be larger than 2³¹−1.
    TooMuch,
}

impl Purse {
    /// What it holds with `amount` added, or taken where that is negative.
    pub fn with(self, amount: i32) -> Result<Self, Uncountable> {
        if amount == 0 {
            return Err(Uncountable::Nothing);
        }
        let balance = i64::from(self.balance) + i64::from(amount);
        if balance < 0 {
            return Err(Uncountable::NotEnough);
        }
        let balance = i32::try_from(balance).map_err(|_| Uncountable::TooMuch)?;
        let total_earned = self.total_earned.checked_add(amount.max(0)).ok_or(Uncountable::TooMuch)?;
        Ok(Self { balance, total_earned })
    }
}

/// Whether a text may stand beside an entry: 1 to `longest` characters that can be seen.
#[must_use]
pub fn is_label(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_are_where_an_int_ends() {
        let purse = |balance, total_earned| Purse { balance, total_earned };
        assert_eq!(purse(0, 0).with(0), Err(Uncountable::Nothing));
        assert_eq!(purse(0, 9).with(-1), Err(Uncountable::NotEnough));
        assert_eq!(purse(i32::MAX, i32::MAX).with(i32::MIN), Err(Uncountable::NotEnough));
        assert_eq!(purse(i32::MAX, i32::MAX).with(-i32::MAX), Ok(purse(0, i32::MAX)));
        assert_eq!(purse(0, 0).with(i32::MAX), Ok(purse(i32::MAX, i32::MAX)));
        assert_eq!(purse(1, 1).with(i32::MAX), Err(Uncountable::TooMuch));
        assert_eq!(purse(0, 1).with(i32::MAX), Err(Uncountable::TooMuch), "all that was earned does not fit any more");
    }

    #[test]
    fn labels_are_short_and_can_be_seen() {
        assert!(is_label("หนึ่ง", 5) && is_label("a b", 3));
        for text in ["", " ", "abcd", "a\nb", "a\u{0}"] {
            assert!(!is_label(text, 3), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_counts_is_the_sum_and_never_negative(amounts in prop::collection::vec(any::<i32>(), 0..60)) {
            let mut purse = Purse { balance: 0, total_earned: 0 };
            let (mut sum, mut earned) = (0_i64, 0_i64);
            for amount in amounts {
                if let Ok(next) = purse.with(amount) {
                    purse = next;
                    sum += i64::from(amount);
                    earned += i64::from(amount.max(0));
                }
                prop_assert!(purse.balance >= 0 && purse.balance <= purse.total_earned);
                prop_assert_eq!((i64::from(purse.balance), i64::from(purse.total_earned)), (sum, earned));
            }
        }
    }
}
