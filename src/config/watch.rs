use globset::GlobBuilder;

use super::health::positive;
use super::sections;
use super::table::Section;
use super::value::Value;
use crate::spec::watch::Watch;

/// Reads `watch`: globs, or a table of them.
pub(super) fn read(section: &Section<'_>) -> Option<Watch> {
    let value = section.value("watch")?;
    if value.table().is_none() {
        return Some(Watch { paths: globs(&value)?, ignore: Vec::new(), debounce: Watch::DEBOUNCE });
    }
    let section = value.section()?;
    let (paths, ignore) = (section.value("paths"), section.value("ignore"));
    let debounce = section.value("debounce").map_or(Some(Watch::DEBOUNCE), |value| positive(&value));
    section.refuse_others("watch");
    if paths.is_none() {
        value.add("nothing is watched here", "write `watch = { paths = [\"src/**/*.py\"] }`");
    }
    let (paths, ignore) = (globs(&paths?), ignore.map_or(Some(Vec::new()), |value| globs(&value)));
    Some(Watch { paths: paths?, ignore: ignore?, debounce: debounce? })
}

fn globs(value: &Value<'_>) -> Option<Vec<String>> {
    let globs: Vec<Option<String>> = value.members().iter().map(glob).collect();
    if globs.is_empty() {
        value.add("there is no glob here", "write [\"src/**/*.py\"]");
        return None;
    }
    globs.into_iter().collect()
}

fn glob(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let leaves = text.starts_with('/') || text.split('/').any(|part| part == "..");
    if text.is_empty() || leaves {
        value.add(
            format!("`{text}` does not lie in the service's directory"),
            "write a path from there, as in \"src/**/*.py\"",
        );
        return None;
    }
    let text = text.strip_prefix("./").unwrap_or(&text).to_owned();
    sections::note_glob(value, GlobBuilder::new(&text).literal_separator(true).build()).map(|_| text)
}
