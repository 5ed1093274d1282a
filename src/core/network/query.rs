//! Query strings.

use std::str::FromStr;

use super::{NodeId, Refusal};

/// The parameters of a query.
#[derive(Debug)]
pub struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    /// Reads a query. Its values are numbers, words and ids, in which nothing is to be escaped.
    ///
    /// # Errors
    /// A parameter is not known, or twice there.
    pub fn parse(query: Option<&'a str>, known: &[&str]) -> Result<Self, Refusal> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                let words: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
                let reason = match words.as_slice() {
                    [] => "the route takes no parameter".to_owned(),
                    words => format!("the route takes {}", words.join(", ")),
                };
                return Err(Refusal::invalid(name, reason));
            }
            if found.iter().any(|(before, _)| *before == name) {
                return Err(Refusal::invalid(name, "it is given twice"));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    /// A whole number between two.
    ///
    /// # Errors
    /// It is none, or not between them.
    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse::<u64>().ok()).flatten();
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let reason = format!("a whole number from {least} to {most} is wanted");
                Err(Refusal::invalid(name, reason))
            }
        }
    }

    /// A node's id.
    ///
    /// # Errors
    /// It is none.
    pub fn id(&self, name: &str) -> Result<Option<NodeId>, Refusal> {
        self.get(name).map(|text| id(name, text)).transpose()
    }

    /// One of some words.
    ///
    /// # Errors
    /// It is none of them.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("`{word}`")).collect();
                let reason = format!("one of {} is wanted", words.join(", "));
                Err(Refusal::invalid(name, reason))
            }
        }
    }
}

/// A node's id in a path or a query.
///
/// # Errors
/// It is none.
pub fn id(name: &str, text: &str) -> Result<NodeId, Refusal> {
    NodeId::from_str(text).map_err(|error| Refusal::invalid(name, error))
}

/// Refuses any query: what is not signed decides nothing.
///
/// # Errors
/// There is one.
pub fn none(query: Option<&str>) -> Result<(), Refusal> {
    Query::parse(query, &[]).map(drop)
}
