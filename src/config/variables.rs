use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::env_file;
use super::scope::Knowledge;
use super::table::Section;
use super::value::Value;

/// The variables that a service is given, and whether they are all.
pub(super) struct Variables {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) knowledge: Knowledge,
}

/// Those of the files that `env_file` names, the later ones in front. Their values may use the variables of the section
/// and of the files and lines before them.
pub(super) fn of_files(base: &Path, section: &Section<'_>) -> Variables {
    let mut all = Variables { variables: BTreeMap::new(), knowledge: Knowledge::Whole };
    for value in section.value("env_file").map(|value| value.members()).unwrap_or_default() {
        if read_file(base, &value, &mut all.variables).is_none() {
            all.knowledge = Knowledge::Partial;
        }
    }
    all
}

/// Adds the variables of one file; none when a note says what could not be read.
fn read_file(base: &Path, value: &Value<'_>, variables: &mut BTreeMap<String, String>) -> Option<()> {
    let file = base.join(value.text()?);
    value.add_file(&file);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let hint = "it is taken from the config file's directory";
            value.add(format!("cannot read {}: {error}", file.display()), hint);
            return None;
        }
    };
    let outer = value.scope().environment().overlaid(variables);
    let read = env_file::read(&bytes, outer);
    variables.extend(read.variables);
    for bad in &read.problems {
        // The line itself is not shown: env files hold secrets.
        value.add(format!("cannot read {}:{}: {}", file.display(), bad.line, bad.what), bad.hint);
    }
    read.problems.is_empty().then_some(())
}

/// These with those of the table `env` in front.
pub(super) fn of_table(section: &Section<'_>, files: Variables) -> Variables {
    let mut all = files;
    // The nearest table wins, so the farthest goes first.
    for value in section.values("env").into_iter().rev() {
        if value.expect_table().is_none() {
            all.knowledge = Knowledge::Partial;
        }
        for (name, _, value) in value.entries() {
            if name.is_empty() || name.contains(['=', '\0']) {
                value.add(format!("`{name}` is not the name of a variable"), "use letters, digits and `_`");
            } else if let Some(text) = value.text() {
                all.variables.insert(name.to_owned(), text);
            } else {
                all.knowledge = Knowledge::Partial;
            }
        }
    }
    all
}
