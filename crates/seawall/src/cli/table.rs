//! Lists for people: columns as wide as their widest entry, two spaces between them.

/// Writes rows below a heading; the last column is not padded.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|title| title.chars().count());
    for row in rows {
        for (width, entry) in widths.iter_mut().zip(row) {
            *width = (*width).max(entry.chars().count());
        }
    }
    let line = |entries: [&str; N]| {
        let mut line = String::new();
        for (width, entry) in widths.iter().zip(entries) {
            line += &format!("{entry:<width$}  ");
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    };
    let mut text = line(heading);
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = [["é".to_owned(), "x".to_owned()], ["longer".to_owned(), String::new()]];
        insta::assert_snapshot!(super::table(["NAME", "ROLES"], &rows), @"
        NAME    ROLES
        é       x
        longer
        ");
    }
}
