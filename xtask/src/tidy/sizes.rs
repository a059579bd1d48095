//! No file grows past what a person reads in one go.
use super::finding::Finding;
use super::source::RustFile;

/// The most lines a file may have beside its `#[cfg(test)]` items.
const FILE_LINES_MAX: usize = 600;

/// Every file over the limit.
pub(super) fn check(files: &[RustFile]) -> Vec<Finding> {
    let over = files.iter().filter(|file| file.lines_product > FILE_LINES_MAX);
    over.map(|file| {
        let lines = file.lines_product;
        let message = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it");
        Finding::new(&file.path, 0, message)
    })
    .collect()
}

/// How many files there are, their median and the longest, tests aside.
pub(super) fn summary(files: &[RustFile]) -> String {
    let mut sizes: Vec<(usize, &str)> = files
        .iter()
        .filter(|file| !file.is_test() && file.lines_product > 0)
        .map(|file| (file.lines_product, file.path.as_str()))
        .collect();
    sizes.sort_unstable();
    let median = sizes.get(sizes.len() / 2).map_or(0, |(lines, _)| *lines);
    let (longest, path) = sizes.last().copied().unwrap_or_default();
    format!("{} files, median {median} lines, longest {longest} ({path})", sizes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn a() {}\n".repeat(700));
        let file = |lines| RustFile::new("protocol/src/a.rs", "fn b() {}\n".repeat(lines) + &tests);
        assert_eq!(check(&[file(600)]), []);
        assert_eq!(check(&[file(601)]).len(), 1);
    }

    #[test]
    fn the_median_is_of_product_files() {
        let file = |path, lines| RustFile::new(path, "fn a() {}\n".repeat(lines));
        let files =
            [file("protocol/src/a.rs", 1), file("protocol/src/b.rs", 9), file("tests/it/c.rs", 99)];
        assert_eq!(summary(&files), "2 files, median 9 lines, longest 9 (protocol/src/b.rs)");
    }
}
