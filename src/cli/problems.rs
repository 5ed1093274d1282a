//! What is wrong with a file, shown to a person: what, where, the line with a caret, the hint.

use trustnet_core::problem::{Problem, Severity};

use crate::Program;

/// Shows all problems of a file in the order of their places, and counts the errors among them.
pub fn show_all(
    program: &Program,
    source: &str,
    bytes: &[u8],
    mut problems: Vec<Problem>,
) -> usize {
    let text = String::from_utf8_lossy(bytes);
    problems.sort_by_key(|problem| problem.place.map_or(0, |place| place.offset));
    for problem in &problems {
        show(program, source, &text, problem);
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    errors.count()
}

/// Shows a problem: what, where, the line with a caret, the hint.
fn show(program: &Program, source: &str, text: &str, problem: &Problem) {
    let (code, word) = match problem.severity {
        Severity::Error => ("31;1", "error"),
        Severity::Warning => ("33;1", "warning"),
    };
    let mut out = match problem.place {
        Some(place) => format!("{source}:{}:{}: ", place.line, place.column),
        None => format!("{source}: "),
    };
    out.push_str(&program.ui.paint_err(code, word));
    out.push_str(&format!(
        ": {}",
        trustnet_core::readiness::clean(&problem.to_string())
    ));
    // A line that holds a secret is not repeated.
    if let Some(place) = problem.place.filter(|_| !problem.concerns_secret())
        && let Some(line) = text.lines().nth(place.line - 1)
    {
        let number = place.line.to_string();
        // A tab was made one blank, so that the caret stands below its character.
        let line = trustnet_core::readiness::clean(line);
        let (line, room, width) = excerpt(&line, place.column.saturating_sub(1), place.length);
        let room = " ".repeat(room);
        let caret = program.ui.paint_err(code, &"^".repeat(width));
        out.push_str(&format!(
            "\n {number} | {line}\n {} | {room}{caret}",
            " ".repeat(number.len())
        ));
    }
    if let Some(hint) = &problem.hint {
        out.push_str(&format!("\n  hint: {hint}"));
    }
    program.ui.always(out);
}

/// The most characters of a line that are shown.
const WIDEST: usize = 160;

/// What is shown of a line, and where below it the caret begins and how wide it is: all of the line, or
/// what is around the place where it is too long for any terminal.
fn excerpt(line: &str, start: usize, length: usize) -> (String, usize, usize) {
    let count = line.chars().count();
    let width = |end: usize| length.min(end.saturating_sub(start)).max(1);
    if count <= WIDEST {
        return (line.to_owned(), start, width(count));
    }
    let from = start.saturating_sub(WIDEST / 2).min(count - WIDEST);
    let shown: String = line.chars().skip(from).take(WIDEST).collect();
    let cut = |there: bool| if there { "…" } else { "" };
    let end = from + WIDEST;
    (
        format!("{}{shown}{}", cut(from > 0), cut(end < count)),
        start - from + usize::from(from > 0),
        width(end),
    )
}

#[cfg(test)]
mod tests {
    use super::{WIDEST, excerpt};

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let all = |line: &str| (line.to_owned(), 2, 3);
        assert_eq!(excerpt("a bcd e", 2, 3), all("a bcd e"));
        assert_eq!(excerpt("a é", 2, 9), ("a é".to_owned(), 2, 1));
        for start in [0, 1, 79, 80, 81, 500, 900, 999] {
            let line: String = (0..1000)
                .map(|at| if at == start { 'X' } else { 'é' })
                .collect();
            let (text, room, width) = excerpt(&line, start, 2000);
            assert_eq!(text.chars().nth(room), Some('X'), "{start}: {text}");
            assert!(text.chars().count() <= WIDEST + 2, "{start}: {text}");
            assert!(room + width <= WIDEST + 1, "{start}: {room} {width}");
        }
    }
}
