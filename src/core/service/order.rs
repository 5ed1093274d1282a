//! The order of a guest's services: each after those that it depends on.

use std::collections::BTreeMap;

/// Sorts names so that each stands behind what it needs; else in the order given.
///
/// # Errors
/// The names of a circle.
pub(super) fn sort(
    names: &[String],
    needs: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, Vec<String>> {
    let mut sorted: Vec<String> = Vec::new();
    while sorted.len() < names.len() {
        let ready = |name: &&String| {
            !sorted.contains(name)
                && needs
                    .get(*name)
                    .is_none_or(|needs| needs.iter().all(|need| sorted.contains(need)))
        };
        match names.iter().find(ready) {
            Some(next) => sorted.push(next.clone()),
            None => {
                let rest = names.iter().filter(|name| !sorted.contains(name));
                return Err(rest.cloned().collect());
            }
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::sort;

    #[test]
    fn each_stands_behind_what_it_needs_and_a_circle_is_named() {
        let names: Vec<String> = ["forge", "web", "sql"].map(String::from).to_vec();
        let needs = |pairs: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
            pairs
                .iter()
                .map(|(name, need)| ((*name).to_owned(), vec![(*need).to_owned()]))
                .collect()
        };
        let sorted = sort(&names, &needs(&[("forge", "sql")]));
        assert_eq!(
            sorted,
            Ok(["web", "sql", "forge"].map(String::from).to_vec())
        );
        let circle = sort(&names, &needs(&[("forge", "sql"), ("sql", "forge")]));
        assert_eq!(circle, Err(["forge", "sql"].map(String::from).to_vec()));
    }
}
