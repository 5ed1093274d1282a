//! What came of the tests: counted from what the runners print.

use std::collections::BTreeMap;

/// Who runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// `cargo test`
    Cargo,
    /// `cargo nextest`
    Nextest,
    /// `pytest`
    Pytest,
}

/// What came of a number of tests.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    passed: usize,
    failed: usize,
    /// Tests that the runner left out by itself.
    ignored: usize,
    /// Tests that said that they cannot be run here, and why. The runner takes them for passed.
    skipped: BTreeMap<String, String>,
    /// Whole suites that cannot be run here, and why.
    left_out: BTreeMap<String, String>,
}

impl Tally {
    /// Takes in one line of a runner's output.
    pub fn read(&mut self, runner: Runner, line: &str) {
        let line = line.trim();
        if let Some((name, why)) = skip(line) {
            self.skipped.insert(name.to_owned(), why.to_owned());
            return;
        }
        let counts = match runner {
            Runner::Cargo => line
                .strip_prefix("test result: ")
                .and_then(|rest| rest.split_once(". ")),
            // Each test is a process of its own there, whose own result is shown as its output.
            Runner::Nextest => summary(line),
            Runner::Pytest => verdict(line),
        };
        if let Some((_, counts)) = counts {
            self.count(counts.split([';', ',']));
        }
    }

    fn count<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            let Some((number, what)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what.split(' ').next() {
                Some("passed") => self.passed += number,
                Some("failed" | "timed" | "exec" | "error" | "errors") => self.failed += number,
                Some("ignored" | "skipped") => self.ignored += number,
                _ => {}
            }
        }
    }

    /// A suite that cannot be run here.
    pub fn leave_out(&mut self, suite: &str, why: &str) {
        self.left_out.insert(suite.to_owned(), why.to_owned());
    }

    /// A runner that failed without naming a test: it did not build, or died.
    pub fn runner_failed(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.skipped.extend(other.skipped.clone());
        self.left_out.extend(other.left_out.clone());
    }

    /// Whether anything failed.
    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Each skip with its reason.
    pub fn skips(&self) -> Vec<String> {
        let named = self
            .skipped
            .iter()
            .chain(&self.left_out)
            .map(|(name, why)| format!("{name}: {why}"));
        let ignored = (self.ignored > 0).then(|| format!("{} marked `#[ignore]`", self.ignored));
        named.chain(ignored).collect()
    }

    /// The line that ends a run.
    pub fn closing(&self) -> String {
        let skipped = self.skipped.len() + self.left_out.len() + self.ignored;
        let passed = self.passed.saturating_sub(self.skipped.len());
        format!("{passed} passed, {} failed, {skipped} skipped", self.failed)
    }
}

/// Leaves out what passed tests have printed: only that one was skipped is news.
#[derive(Debug, Default)]
pub struct Filter {
    after_pass: bool,
}

impl Filter {
    /// Whether a line of nextest's is worth showing.
    pub fn shows(&mut self, line: &str) -> bool {
        if let Some(word) = status(line) {
            self.after_pass = word == "PASS";
            return true;
        }
        !self.after_pass || skip(line.trim()).is_some()
    }
}

/// The word that begins a line of nextest's own: `PASS [ 0.017s] …`, `Summary [ …`, or a rule.
fn status(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if line.starts_with("────") {
        return Some("");
    }
    let (word, _) = line.split_once(" [")?;
    let is_word = word == "Summary"
        || (!word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == ' '));
    is_word.then_some(word.trim_end())
}

/// `skipped: <test name>: <why>`, also where libtest has begun the line with the test's name.
fn skip(line: &str) -> Option<(&str, &str)> {
    let said = match line.strip_prefix("test ") {
        Some(rest) => rest.split_once(" ... ")?.1,
        None => line,
    };
    // A test's path has `::` in it; the reason follows the first colon with a space.
    said.strip_prefix("skipped: ")?.split_once(": ")
}

/// `Summary [ 0.017s] 3 tests run: 2 passed, 1 failed, 0 skipped`
fn summary(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.strip_prefix("Summary [")?.split_once(']')?;
    rest.split_once(" run: ")
}

/// `=== 1 failed, 26 passed in 7.91s ===`; what follows the counts is given first.
fn verdict(line: &str) -> Option<(&str, &str)> {
    let inner = line.strip_prefix("==")?.strip_suffix("==")?;
    let (counts, time) = inner.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    time.starts_with(|c: char| c.is_ascii_digit())
        .then_some((time, counts))
}

#[cfg(test)]
mod tests {
    use super::{Filter, Runner, Tally};

    fn tally(runner: Runner, lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(runner, line));
        tally
    }

    #[test]
    fn the_runner_of_cargo_is_counted_over_all_its_binaries() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s",
        ];
        assert_eq!(
            tally(Runner::Cargo, &lines).closing(),
            "4 passed, 2 failed, 1 skipped"
        );
    }

    #[test]
    fn nextest_is_counted_from_its_summary_alone() {
        let lines = [
            "    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 36 filtered out; finished in 0.03s",
            "     Summary [   0.017s] 5 tests run: 2 passed (1 slow), 1 failed, 2 timed out, 4 skipped",
        ];
        assert_eq!(
            tally(Runner::Nextest, &lines).closing(),
            "2 passed, 3 failed, 4 skipped"
        );
    }

    #[test]
    fn pytest_is_counted_from_its_last_line() {
        let lines = [
            "=========================== short test summary info ============================",
            "FAILED test_client.py::test_in_order - AssertionError: 3 passed in 2 pieces",
            "====== 1 failed, 26 passed, 3 skipped, 7 warnings, 2 errors in 7.91s =======",
        ];
        assert_eq!(
            tally(Runner::Pytest, &lines).closing(),
            "26 passed, 3 failed, 3 skipped"
        );
        let none =
            ["============================ no tests ran in 0.01s ============================="];
        assert_eq!(
            tally(Runner::Pytest, &none).closing(),
            "0 passed, 0 failed, 0 skipped"
        );
    }

    #[test]
    fn a_test_that_says_it_is_skipped_is_not_a_passed_one() {
        let lines = [
            "    skipped: tpm::a_guest_has_one: no swtpm",
            "test bridge ... skipped: bridge: needs root",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ];
        let tally = tally(Runner::Cargo, &lines);
        assert_eq!(tally.closing(), "1 passed, 0 failed, 2 skipped");
        assert_eq!(
            tally.skips(),
            ["bridge: needs root", "tpm::a_guest_has_one: no swtpm"]
        );
    }

    #[test]
    fn a_runner_that_did_not_build_has_failed() {
        let mut tally = tally(Runner::Cargo, &["error: could not compile `trustnet-core`"]);
        assert!(!tally.has_failed());
        tally.runner_failed();
        assert_eq!(tally.closing(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn of_what_passed_tests_print_only_a_skip_is_shown() {
        let lines = [
            (
                "        PASS [   0.009s] trustnet-core plan::it_is_a_plan",
                true,
            ),
            ("  stdout ───", false),
            ("    skipped: it_is_a_plan: no hypervisor", true),
            ("    test result: ok. 1 passed; 0 failed", false),
            (
                "        FAIL [   0.009s] trustnet-core plan::it_is_none",
                true,
            ),
            ("    thread panicked at src/core/plan.rs", true),
        ];
        let mut filter = Filter::default();
        for (line, is_shown) in lines {
            assert_eq!(filter.shows(line), is_shown, "{line}");
        }
    }
}
