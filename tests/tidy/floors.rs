//! The table of floors, and who may import whom.

use super::source::{code_only, lines_outside_tests};

/// Folders of `src`, from the ground up. A folder may import those of lower floors.
const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["sketch", "assembly", "sampling", "routing", "timing", "evaluation"],
    &["wire", "config", "ottl"],
    &["metrics", "net", "pipeline", "telemetry", "storage"],
    &["receivers", "processors", "connectors", "exporters", "extensions"],
    &["service", "replay", "cli"],
];

/// What only tests may use; it stands beside the floors.
const FOR_TESTS: &str = "testing";
/// The floor whose folders may know each other.
const SEAMS: usize = 3;
/// The floor of the components, each of which knows only itself.
const COMPONENTS: usize = 4;
/// The top floor, whose folders know those that stand before them: the command line runs the
/// service, and not the other way round.
const TOP: usize = 5;

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|folders| folders.contains(&folder))
}

/// The folder below `src`; `None` for `lib.rs` and `main.rs`.
fn folder_of(name: &str) -> Option<&str> {
    let (folder, _) = name.strip_prefix("src/")?.split_once('/')?;
    Some(folder)
}

/// The component that a file of the components' floor belongs to: folder or file name.
fn component_of(name: &str) -> Option<&str> {
    let (_, rest) = name.strip_prefix("src/")?.split_once('/')?;
    let component = rest.split_once('/').map_or_else(|| rest.trim_end_matches(".rs"), |(component, _)| component);
    Some(component)
}

/// Faults of the `crate::…` paths of one file, wherever they stand.
pub(crate) fn imports(name: &str, text: &str) -> Vec<String> {
    let Some(folder) = folder_of(name) else { return Vec::new() };
    let Some(own_floor) = floor(folder) else { return Vec::new() };
    let code = code_only(text);
    let mut faults = Vec::new();
    let outside_tests: Vec<usize> = lines_outside_tests(&code).into_iter().map(|(number, _)| number).collect();
    for (number, line) in numbered_statements(&code) {
        for path in crate_paths(&line) {
            if path[0] == FOR_TESTS && outside_tests.contains(&number) && !name.ends_with("/tests.rs") {
                faults.push(format!("{name}:{number}: imports crate::{FOR_TESTS}, which is for tests"));
            }
            if let Some(why) = refused(name, folder, own_floor, &path) {
                faults.push(format!("{name}:{number}: imports crate::{}: {why}", path.join("::")));
            }
        }
    }
    faults
}

fn refused(name: &str, folder: &str, own_floor: usize, path: &[String]) -> Option<String> {
    let to = path.first()?;
    let to_floor = floor(to)?;
    if to == folder {
        return sibling(name, own_floor, path);
    }
    let step = |folder: &str| FLOORS[TOP].iter().position(|known| *known == folder);
    let is_step_down = own_floor == TOP && to_floor == TOP && step(to) < step(folder);
    let are_seams = own_floor == SEAMS && to_floor == SEAMS;
    if to_floor < own_floor || are_seams || is_step_down {
        return None;
    }
    Some(format!("{folder} is on floor {own_floor} and {to} on floor {to_floor}; imports go downwards only"))
}

/// A component knows no other of its folder, but exporters share `delivery`.
fn sibling(name: &str, own_floor: usize, path: &[String]) -> Option<String> {
    if own_floor != COMPONENTS {
        return None;
    }
    let (own, other) = (component_of(name)?, path.get(1)?);
    let is_named_by_mod = own == "mod";
    let is_shared = path[0] == "exporters" && other == "delivery";
    let is_item = other.starts_with(char::is_uppercase);
    if is_named_by_mod || is_shared || is_item || own == other {
        return None;
    }
    Some(format!("{own} must not know its neighbour {other}"))
}

/// Statements of code joined over lines, each with the number of its first line.
fn numbered_statements(code: &str) -> Vec<(usize, String)> {
    let mut statements = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in code.lines().enumerate() {
        let is_use = line.trim_start().starts_with("use ")
            || line.trim_start().starts_with("pub use ")
            || line.trim_start().starts_with("pub(");
        match &mut open {
            Some((_, text)) => text.push_str(line.trim()),
            None if is_use && line.contains("use ") => open = Some((index + 1, line.trim().to_owned())),
            None => statements.push((index + 1, line.to_owned())),
        }
        if open.as_ref().is_some_and(|(_, text)| text.contains(';')) {
            statements.extend(open.take());
        }
    }
    statements
}

/// Every path after `crate::` or `super::super::` groups resolved to leading segments: of
/// `crate::{a::b, c}` both `a::b` and `c`.
fn crate_paths(statement: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in statement.match_indices("crate::") {
        let is_own_word =
            !statement[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$');
        if is_own_word {
            found.extend(expand(&statement[at + "crate::".len()..]));
        }
    }
    found
}

/// The first two segments of each branch of a path or group.
fn expand(rest: &str) -> Vec<Vec<String>> {
    let rest = rest.trim_start();
    if let Some(group) = rest.strip_prefix('{') {
        return split_group(group).into_iter().flat_map(expand).collect();
    }
    let end = rest.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(rest.len());
    let first = rest[..end].to_owned();
    match rest[end..].strip_prefix("::") {
        Some(more) => {
            let nested = expand(more);
            if nested.is_empty() {
                vec![vec![first]]
            } else {
                nested.into_iter().map(|path| [vec![first.clone()], path].concat()).collect()
            }
        }
        None if first.is_empty() => Vec::new(),
        None => vec![vec![first]],
    }
}

/// The members of a group whose opening brace has been read.
fn split_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                return members;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

/// Folders that stand on no floor.
pub(crate) fn unknown_folders(files: &[(String, String)]) -> Vec<String> {
    let mut folders: Vec<&str> = files
        .iter()
        .filter_map(|(name, _)| folder_of(name))
        .filter(|folder| floor(folder).is_none() && *folder != FOR_TESTS)
        .collect();
    folders.dedup();
    folders
        .into_iter()
        .map(|folder| format!("src/{folder} has no floor; put it into the table of tests/tidy/floors.rs"))
        .collect()
}

/// What pure code may not touch, and what it does instead.
const WORLD: [(&str, &str); 9] = [
    ("tokio", "drivers in pipeline wait, pure code is told"),
    ("std::fs", "storage and exporters do I/O"),
    ("std::net", "net opens sockets"),
    ("std::thread", "drivers own threads"),
    ("std::env", "what is read from outside is an argument"),
    ("Instant::now", "the time is an argument"),
    ("SystemTime", "the time is an argument"),
    ("hyper", "net speaks HTTP"),
    ("rand", "randomness is an argument"),
];

/// Faults of a file of floors 0 to 2 or of a processor that asks the world; tests may.
pub(crate) fn impurities(name: &str, text: &str) -> Vec<String> {
    let Some(folder) = folder_of(name) else { return Vec::new() };
    let is_pure = floor(folder).is_some_and(|floor| floor <= 2) || folder == "processors";
    if !is_pure || IMPURE.iter().any(|(file, _)| *file == name) || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = code_only(text);
    let mut faults = Vec::new();
    for (number, line) in lines_outside_tests(&code) {
        for (word, instead) in WORLD {
            if holds_word(line, word) {
                faults.push(format!("{name}:{number}: {word} in pure code; {instead}"));
            }
        }
    }
    faults
}

/// Files of pure folders that ask the world all the same, with the reason; the list may only
/// shrink.
const IMPURE: &[(&str, &str)] = &[(
    "src/processors/memory_limiter/total_memory.rs",
    "limit_percentage is a share of the machine's memory, which is read once when the limiter is built",
)];

fn holds_word(line: &str, word: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_upwards_is_a_fault() {
        let faults = imports("src/model/span.rs", "use crate::{\n    wire::scan,\n    model::Batch,\n};");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("src/model/span.rs:1: imports crate::wire::scan"), "{faults:?}");
        assert_eq!(imports("src/wire/a.rs", "fn f() { crate::config::parse(); }").len(), 1, "siblings of floor 2");
        assert_eq!(imports("src/service/a.rs", "use crate::cli::x;").len(), 1);
        assert_eq!(imports("src/service/a.rs", "use crate::replay::x;").len(), 1);
        assert!(imports("src/replay/a.rs", "use crate::service::x;").is_empty());
        assert!(imports("src/cli/a.rs", "use crate::service::run;\nuse crate::model::Batch;").is_empty());
        assert!(imports("src/net/a.rs", "use crate::telemetry::Metrics;").is_empty());
        assert_eq!(imports("src/net/a.rs", "use crate::testing::spans;").len(), 1);
        assert!(imports("src/net/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::testing::spans;\n}").is_empty());
    }

    #[test]
    fn a_component_that_knows_its_neighbour_is_a_fault() {
        assert_eq!(imports("src/exporters/file.rs", "use crate::exporters::debug::Config;").len(), 1);
        assert_eq!(imports("src/exporters/file/mod.rs", "use crate::receivers::otlp::Config;").len(), 1);
        assert!(imports("src/exporters/otlp/mod.rs", "use crate::exporters::delivery::Queue;").is_empty());
        assert!(imports("src/exporters/otlp/a.rs", "use crate::exporters::otlp::Config;").is_empty());
        assert!(imports("src/exporters/mod.rs", "pub use crate::exporters::otlp::Config;").is_empty());
    }

    #[test]
    fn a_path_in_a_comment_or_string_is_none() {
        assert!(imports("src/model/a.rs", "// see crate::cli\nlet a = \"crate::service\";").is_empty());
    }

    #[test]
    fn pure_code_that_asks_the_world_is_a_fault() {
        assert_eq!(impurities("src/timing/wheel.rs", "use tokio::time;").len(), 1);
        assert_eq!(impurities("src/processors/batch.rs", "fn f() { std::fs::read(path); }").len(), 1);
        assert!(impurities("src/net/a.rs", "use tokio::time;").is_empty());
        assert!(impurities("src/model/a.rs", "#[cfg(test)]\nmod tests {\n    use tokio::time;\n}").is_empty());
        assert!(impurities("src/model/a.rs", "let operand = brand;").is_empty());
    }

    #[test]
    fn a_folder_without_a_floor_is_a_fault() {
        let files = [("src/attic/mod.rs".to_owned(), String::new()), ("src/lib.rs".to_owned(), String::new())];
        assert_eq!(unknown_folders(&files).len(), 1);
    }
}
