//! Tables: columns padded with blanks, nothing drawn, as kubectl and virsh do.

use trustnet_core::readiness::clean;

/// Lays rows out in columns; the last one is not padded. A name that somebody else gave to a domain is
/// no command to the terminal.
#[must_use]
pub fn lay_out(headers: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let columns = rows
        .iter()
        .map(Vec::len)
        .chain(headers.map(<[&str]>::len))
        .max()
        .unwrap_or(0);
    let mut widths = vec![0; columns];
    let head: Option<Vec<String>> =
        headers.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    let all = || head.iter().chain(&rows);
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in all() {
        for (index, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if index + 1 < row.len() {
                let gap = widths[index] - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_and_the_last_has_no_trailing_blanks() {
        let rows = vec![
            vec!["web".into(), "running".into()],
            vec!["db-server".into(), "shut off".into()],
        ];
        let text = super::lay_out(Some(&["NAME", "STATE"]), &rows);
        assert_eq!(
            text,
            "NAME       STATE\nweb        running\ndb-server  shut off\n"
        );
    }

    #[test]
    fn what_stands_in_a_cell_is_no_command_to_a_terminal() {
        let rows = vec![vec![
            "\u{1b}[2Jweb\u{1b}]0;title\u{7}".into(),
            "a\nb".into(),
        ]];
        assert_eq!(super::lay_out(None, &rows), "web  a b\n");
    }
}
