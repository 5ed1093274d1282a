//! Why no root was found, told once for each reason.

use std::fmt::Display;

/// What the rounds of looking for the root came to, since one last answered.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Of this round: where, and why there is none.
    missed: Vec<String>,
    /// What was told last.
    told: Option<String>,
}

impl Search {
    /// There is none here.
    pub fn missed(&mut self, place: impl Display, why: impl Display) {
        self.missed.push(format!("{place}: {why}"));
    }

    /// A root answers: what comes after it is lost is new.
    pub fn found(&mut self) {
        *self = Self::default();
    }

    /// A round has found none: why, unless that was told of the last one.
    pub fn ended(&mut self) -> Option<&str> {
        let why = std::mem::take(&mut self.missed).join("; ");
        if self.told.as_ref() == Some(&why) {
            return None;
        }
        self.told = Some(why);
        self.told.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    #[test]
    fn a_reason_is_told_once_until_it_changes_or_a_root_answers() {
        let mut search = Search::default();
        let mut round = |why: &[(&str, &str)]| {
            for (place, why) in why {
                search.missed(place, why);
            }
            search.ended().map(str::to_owned)
        };
        let refused = [("[::1]:8000", "refused")];
        assert_eq!(round(&refused).as_deref(), Some("[::1]:8000: refused"));
        assert_eq!(round(&refused), None);
        let both = [refused[0], ("a.org", "no such name")];
        let told = "[::1]:8000: refused; a.org: no such name";
        assert_eq!(round(&both).as_deref(), Some(told));
        assert_eq!(round(&both), None);
        assert_eq!(round(&refused).as_deref(), Some("[::1]:8000: refused"));
        search.found();
        search.missed("[::1]:8000", "refused");
        assert_eq!(search.ended(), Some("[::1]:8000: refused"));
    }
}
