//! Finds settings that do not exist, and what was probably meant.

use super::reader::{Problem, Setting, variable};

/// Names in the file that no setting has.
pub(super) fn in_file(keys: &[String], settings: &[Setting]) -> Vec<Problem> {
    let known: Vec<String> = settings.iter().map(|setting| setting.name.clone().into_owned()).collect();
    keys.iter().filter(|key| !known.contains(key)).map(|key| problem(key, &known)).collect()
}

/// Variables that no setting has.
pub(super) fn in_environment<'a>(variables: impl Iterator<Item = &'a str>, settings: &[Setting]) -> Vec<Problem> {
    let known: Vec<String> = settings.iter().map(|setting| variable(&setting.name)).collect();
    variables
        .filter(|name| name.starts_with("POSTERN_") && !is_of_others(name))
        .filter(|name| !known.iter().any(|known| known == name))
        .map(|name| problem(name, &known))
        .collect()
}

/// Variables of ours that are no settings, and those that Kubernetes gives every container beside a service called postern.
fn is_of_others(name: &str) -> bool {
    name == "POSTERN_CONFIG"
        || name.starts_with("POSTERN_TEST_")
        || name == "POSTERN_SERVICE_HOST"
        || name.starts_with("POSTERN_SERVICE_PORT")
        || name == "POSTERN_PORT"
        || name.starts_with("POSTERN_PORT_")
}

fn problem(name: &str, known: &[String]) -> Problem {
    let nearest = known.iter().map(|candidate| (distance(name, candidate), candidate)).min();
    let hint = nearest
        .filter(|(distance, candidate)| *distance <= candidate.len().max(9) / 3)
        .map(|(_, candidate)| format!("; did you mean {candidate}?"))
        .unwrap_or_default();
    Problem::new(format!("{name} is not a setting{hint}"))
}

/// Levenshtein's distance, in one row.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, left) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances() {
        for (left, right, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("LISTEN", "LISTNE", 2), ("ü", "u", 1)] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
