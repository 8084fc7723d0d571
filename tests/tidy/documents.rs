//! Documents that name paths, and configurations that say what they are.

/// Folders whose mention in a document is a promise.
const OURS: [&str; 9] =
    ["src/", "tests/", "benches/", "examples/", "config/", "docs/", "fuzz/", ".ci/", "tests/conformance/"];

/// Endings of files that are checked wherever they are said to be.
const ENDINGS: [&str; 6] = [".rs", ".md", ".yaml", ".toml", ".py", ".json"];

/// Paths in backticks or links of a document that do not exist.
pub(crate) fn missing_paths(name: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut is_fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        if is_fenced {
            continue;
        }
        for path in named_paths(line) {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let beside = format!("{folder}/{path}");
            if !exists(&path) && (folder.is_empty() || !exists(&beside)) {
                faults.push(format!("{name}:{}: there is no {path}", index + 1));
            }
        }
    }
    faults
}

/// Paths of the package in `backticks` and in the targets of links.
fn named_paths(line: &str) -> Vec<String> {
    let spans = line.split('`').skip(1).step_by(2).map(str::to_owned);
    let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned());
    let mut found = Vec::new();
    for text in spans.chain(links) {
        let path = text.split('#').next().unwrap_or_default().trim_start_matches("./").to_owned();
        let has_pattern = path.contains(['*', '{', '<', '$', ' ', ':', '…']);
        let is_ours = OURS.iter().any(|folder| path.starts_with(folder));
        let is_file = path.contains('/')
            && ENDINGS.iter().any(|ending| path.ends_with(ending))
            && !path.starts_with(['/', '~', '.']);
        let is_made = path.starts_with("tailwater-data") || path.starts_with("target/");
        if (is_ours || is_file) && !has_pattern && !is_made {
            found.push(path);
        }
    }
    found
}

/// A configuration opens with a comment of what it is for, and has no tabs.
pub(crate) fn configuration(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("# ") {
        faults.push(format!("{name}: does not open with # and what it is for"));
    }
    if text.contains('\t') {
        faults.push(format!("{name}: holds a tab, which YAML does not take for an indent"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        missing_paths("docs/a.md", text, &|path| ["src/lib.rs", "docs/b.md", "wire"].contains(&path))
    }

    #[test]
    fn a_path_that_does_not_exist_is_a_fault() {
        assert_eq!(missing("see `src/gone.rs` and `config/x.yaml`").len(), 2);
        assert_eq!(missing("see [it](docs/gone.md)").len(), 1);
        assert!(missing("see `src/lib.rs`, [b](b.md), `docs/b.md`").is_empty());
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        assert!(
            missing(
                "`/v1/traces`, `application/json`, `src/*.rs`, `docs/NNNN-<title>.md`, `tailwater-data/traces.jsonl`"
            )
            .is_empty()
        );
        assert!(missing("```\ncargo run src/gone.rs `src/gone.rs`\n```").is_empty());
    }

    #[test]
    fn a_configuration_without_a_word_is_a_fault() {
        assert_eq!(configuration("a.yaml", "receivers:\n\totlp:").len(), 2);
        assert!(configuration("a.yaml", "# For a laptop.\nreceivers:").is_empty());
    }
}
