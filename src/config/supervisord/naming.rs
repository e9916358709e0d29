use std::collections::{BTreeMap, BTreeSet};

use super::model::{Expanded, Program};
use crate::vocab::name::ServiceName;

/// The name of each process as a service, in the order of [`Expanded::programs`].
///
/// It is the process' own name where that is the only one of its kind, so that `GROUP:PROCESS` selects it as in
/// supervisorctl, and else `GROUP.PROCESS`. What a service's name cannot have becomes `_`, and what is taken then gets a
/// number.
pub(super) fn names(fleet: &Expanded) -> Vec<ServiceName> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for program in fleet.programs() {
        *counts.entry(fit(&program.name)).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let plain = |program: &Program| {
        let is_alone = program.name == program.group || counts.get(&fit(&program.name)) == Some(&1);
        if is_alone { fit(&program.name) } else { fit(&format!("{}.{}", program.group, program.name)) }
    };
    fleet.programs().filter_map(|program| unused(&plain(program), &mut taken)).collect()
}

fn unused(plain: &str, taken: &mut BTreeSet<ServiceName>) -> Option<ServiceName> {
    let numbered = (2..).map(|number| {
        let suffix = format!("-{number}");
        let room = ServiceName::LEN_MAX - suffix.len();
        format!("{}{suffix}", &plain[..plain.len().min(room)])
    });
    let mut all = std::iter::once(plain.to_owned()).chain(numbered);
    let name = all.find_map(|text| ServiceName::parse(&text).ok().filter(|name| !taken.contains(name)))?;
    taken.insert(name.clone());
    Some(name)
}

/// The text with `_` for what a service's name cannot have: ASCII alone, and not too long.
fn fit(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fitted: String = text.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let needs_front = !fitted.starts_with(|c: char| c.is_ascii_alphanumeric()) || fitted == "all";
    let mut fitted = if needs_front { format!("x{fitted}") } else { fitted };
    fitted.truncate(ServiceName::LEN_MAX);
    fitted
}
