use std::borrow::Cow;
use std::collections::BTreeSet;

use super::format::{Names, expand};
use super::groups::Groups;
use super::ini::Ini;
use super::model::{Expanded, File, Reading};
use super::python::{directory_of, join, normal};
use super::reader::{Ground, Reader, here};
use super::refusal::{Place, Refusal};
use super::{include, known, overrides, servers, settings};

/// Where included files come from.
pub enum Includes {
    /// From the disk, by the patterns of the main file.
    OnDisk,
    /// These, as they were found before.
    Found(Vec<File>),
}

/// Reads a config of supervisord: the main file's text, whatever it includes, and everything expanded.
pub fn read(text: &str, ground: Ground<'_>, includes: Includes) -> Reading {
    let mut reading = begun(text, ground);
    reading.outcome = match merge(&mut reading, ground, includes) {
        Ok(ini) => {
            reading.remarks = known::remarks(&ini);
            interpret(&mut reading, &ini, ground)
        }
        Err(refusal) => Err(vec![refusal]),
    };
    reading
}

/// A reading of which nothing is known but the main file.
fn begun(text: &str, ground: Ground<'_>) -> Reading {
    let main = File { name: ground.config.display().to_string(), text: text.to_owned() };
    Reading {
        outcome: Err(Vec::new()),
        files: vec![main],
        is_fragment: false,
        warnings: Vec::new(),
        infos: Vec::new(),
        remarks: Vec::new(),
    }
}

/// The files that the main file includes, as they are on the disk; none if they cannot all be had.
pub fn included(text: &str, ground: Ground<'_>) -> Option<Vec<File>> {
    let mut reading = begun(text, ground);
    merge(&mut reading, ground, Includes::OnDisk).ok()?;
    Some(reading.files.split_off(1))
}

/// Reads the main file, what it includes, and what a command line said, into one; what is read last counts.
fn merge(reading: &mut Reading, ground: Ground<'_>, includes: Includes) -> Result<Ini, Refusal> {
    let mut ini = merge_files(reading, ground, includes)?;
    if let Some(text) = ground.environment.value(overrides::VARIABLE) {
        ini.read(reading.files.len(), overrides::NAME, text)?;
        reading.files.push(File { name: overrides::NAME.to_owned(), text: text.to_owned() });
    }
    Ok(ini)
}

/// Reads the main file and what it includes into one.
fn merge_files(reading: &mut Reading, ground: Ground<'_>, includes: Includes) -> Result<Ini, Refusal> {
    let mut ini = Ini::default();
    let Some(File { name, text }) = reading.files.first().cloned() else { return Ok(ini) };
    ini.read(0, &name, &text)?;
    let here = here(ground.config);
    if ini.section("supervisord").is_none() {
        // supervisord itself reads such a file only where another, which has the section, includes it.
        reading.is_fragment = true;
        reading.infos.push(format!("Included extra file \"{name}\" during parsing"));
        ini.expand_here(&here);
        ini.add_section("supervisord", Place { file: 0, span: 0..0 });
        return Ok(ini);
    }
    if ini.section("include").is_none() {
        return Ok(ini);
    }
    ini.expand_here(&here);
    let found = match includes {
        Includes::Found(files) => files,
        Includes::OnDisk => find(reading, &ini, ground)?,
    };
    for file in found {
        reading.infos.push(format!("Included extra file \"{}\" during parsing", file.name));
        let at = reading.files.len();
        reading.files.push(file.clone());
        ini.read(at, &file.name, &file.text)?;
        ini.expand_here(&normal(&join(
            &ground.working_directory.to_string_lossy(),
            directory_of(&file.name),
        )));
    }
    Ok(ini)
}

fn find(reading: &mut Reading, ini: &Ini, ground: Ground<'_>) -> Result<Vec<File>, Refusal> {
    let Some(section) = ini.section("include") else { return Ok(Vec::new()) };
    let Some(entry) = ini.entry(section, "files") else {
        let what = ".ini file has [include] section, but no files setting";
        return Err(Refusal::at(section.place.clone(), what).hint("add `files = conf.d/*.conf`"));
    };
    let mut names = Names::default();
    names.set_variables(ground.environment.variables());
    names.set("here", here(ground.config));
    names.set("host_node_name", ground.host);
    let at_entry = |what: String| Refusal::at(entry.place.clone(), what);
    let patterns = expand(&entry.value, &names, "include.files").map_err(at_entry)?;
    let mut files = Vec::new();
    for pattern in patterns.split_whitespace() {
        let pattern = join(&here(ground.config), pattern);
        let found = include::find(&pattern);
        if found.is_empty() {
            reading.warnings.push(format!("No file matches via include \"{pattern}\""));
        }
        for name in found {
            // A file that cannot be opened is passed over in silence by supervisord; here it is said.
            match std::fs::read(&name) {
                Ok(bytes) => {
                    files.push(File { text: text_of(&bytes, &name).map_err(at_entry)?.into_owned(), name })
                }
                Err(error) => reading.warnings.push(format!("cannot read included file \"{name}\": {error}")),
            }
        }
    }
    Ok(files)
}

fn text_of<'b>(bytes: &'b [u8], name: &str) -> Result<Cow<'b, str>, String> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| format!("cannot read {name} as text: byte {} is not UTF-8", error.valid_up_to()))
}

/// From what the files say to the fleet. Every section is read, so that all that is wrong comes at once, in the order
/// in which supervisord would come upon it.
fn interpret(reading: &mut Reading, ini: &Ini, ground: Ground<'_>) -> Result<Expanded, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut reader = Reader::new(ini, ground);
    let settings = match ini.section("supervisord") {
        Some(section) => settings::read(&mut reader, section),
        None => Err(Refusal::new(".ini file does not include supervisord section")),
    };
    let settings = settings.map_err(|refusal| refusals.push(refusal)).ok();
    let interfaces = servers::read_interfaces(&reader).map_err(|refusal| refusals.push(refusal)).ok();
    let files = reading.files.iter().map(|file| file.name.clone()).collect();
    let mut groups = Groups { reader: &reader, files, warnings: Vec::new(), refusals };
    let mut read = groups.read();
    let mut refusals = groups.refusals;
    reading.warnings.append(&mut groups.warnings);
    let servers = servers::read(&reader).map_err(|refusal| refusals.push(refusal)).ok();
    let (Some(mut supervisord), Some(rpcinterfaces), Some(servers), true) =
        (settings, interfaces, servers, refusals.is_empty())
    else {
        return Err(distinct(refusals));
    };
    for program in read.iter_mut().flat_map(|group| &mut group.programs) {
        let own = std::mem::replace(&mut program.environment, supervisord.environment.clone());
        program.environment.extend(own);
    }
    supervisord.serverurl = settings::server_url(&servers);
    Ok(Expanded { supervisord, servers, rpcinterfaces, groups: read })
}

/// Each refusal once: a program of two groups is read twice.
fn distinct(refusals: Vec<Refusal>) -> Vec<Refusal> {
    let mut seen = BTreeSet::new();
    refusals.into_iter().filter(|refusal| seen.insert(refusal.what.clone())).collect()
}
