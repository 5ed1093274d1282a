//! Tables: columns padded with blanks, nothing drawn, as kubectl and virsh do.

/// Lays rows out in columns; the last one is not padded.
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
    let all = || head.iter().chain(rows);
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
}
