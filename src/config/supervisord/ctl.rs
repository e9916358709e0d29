use super::format::Names;
use super::ini::Ini;
use super::model::Ctl;
use super::reader::{Ground, Reader};
use super::refusal::Refusal;

/// Refuses what only Python could carry out: `[ctlplugin:NAME]` adds actions, and the usual ones are built in.
pub fn prove(text: &str, config: &str) -> Result<(), Refusal> {
    let mut ini = Ini::default();
    ini.read(0, config, text)?;
    let mut plugins = ini.sections().filter(|section| section.name.starts_with("ctlplugin:"));
    plugins.try_for_each(|section| {
        let factory = ini.entry(section, "supervisor.ctl_factory").map_or("", |entry| entry.value.as_str());
        if factory == "supervisor.supervisorctl:DefaultControllerPlugin" {
            return Ok(());
        }
        let what = format!("[{}] needs the Python plugin {factory}, which cannot be loaded", section.name);
        Err(Refusal::at(section.place.clone(), what))
    })
}

/// Reads `[supervisorctl]`, which supervisorctl takes from the main file alone: it knows no `[include]`.
pub fn read(text: &str, ground: Ground<'_>) -> Result<Ctl, Refusal> {
    let mut ini = Ini::default();
    ini.read(0, &ground.config.display().to_string(), text)?;
    let Some(section) = ini.section("supervisorctl") else {
        return Err(Refusal::new(".ini file does not include supervisorctl section"));
    };
    let reader = Reader::new(&ini, ground);
    let (here, none) = (reader.with_here(), Names::default());
    let (options, placed) = (reader.options(section, &none), reader.options(section, &here));
    let serverurl = placed.text("serverurl")?;
    let serverurl = serverurl.unwrap_or_else(|| "http://localhost:9001".to_owned());
    let serverurl = match serverurl.strip_prefix("unix://") {
        Some(path) => format!("unix://{}", reader.normal(path)),
        None => serverurl,
    };
    let prompt = options.text("prompt")?.unwrap_or_else(|| "supervisor".to_owned());
    let username = options.text("username")?;
    let password = options.text("password")?;
    let history = placed.text("history_file")?.filter(|file| !file.is_empty());
    let history = history.map(|file| reader.normal(&file));
    Ok(Ctl { serverurl, username, password, prompt, history })
}
