use super::yaml::Node;
use crate::config::writer::quoted;
use crate::spec::limits::Limits;

/// The limits of a service as the members of `limits`. What cannot be one is said in `remarks`.
pub(super) fn read(service: &Node, remarks: &mut Vec<(usize, String)>) -> Vec<(String, String)> {
    let of_deploy = ["resources", "limits"]
        .iter()
        .try_fold(service.get("deploy"), |node, key| node.map(|node| node.get(key)));
    let of_deploy = of_deploy.flatten();
    let mut limits = Vec::new();
    if let Some(memory) = of_deploy.and_then(|limits| limits.get("memory")).or(service.get("mem_limit")) {
        match memory.text().and_then(size) {
            Some(size) => limits.push(("memory".to_owned(), quoted(&size))),
            None => remarks.push((memory.line, "the memory limit is left out: it is no size".to_owned())),
        }
    }
    for (key, own) in [("nofile", "open_files"), ("nproc", "processes")] {
        let asked = service.get("ulimits").and_then(|limits| limits.get(key));
        let count = asked.and_then(|node| node.get("soft").unwrap_or(node).text()?.parse::<u64>().ok());
        match (asked, count) {
            (_, Some(count)) => limits.push((own.to_owned(), count.to_string())),
            (Some(node), None) => {
                remarks.push((node.line, format!("ulimits.{key} is left out: it is no number")))
            }
            (None, None) => (),
        }
    }
    let others = service.get("ulimits").map(Node::entries).unwrap_or_default();
    for (key, node) in others.iter().filter(|(key, _)| key != "nofile" && key != "nproc") {
        remarks.push((node.line, format!("ulimits.{key} is left out")));
    }
    let processor = of_deploy.and_then(|limits| limits.get("cpus")).or(service.get("cpus"));
    if let Some(node) = processor {
        match node
            .text()
            .and_then(|text| text.parse().ok())
            .filter(|count| Limits::cpu_millis(*count).is_some())
        {
            Some(count) => limits.push(("cpu".to_owned(), count.to_string())),
            None => remarks.push((node.line, "`cpus` is left out: it is no number of processors".to_owned())),
        }
    }
    if let Some(node) = of_deploy.and_then(|limits| limits.get("pids")).or(service.get("pids_limit")) {
        remarks.push((node.line, "the limit of processes is left out".to_owned()));
    }
    limits
}

/// A size of docker's, whose units are binary: `512m` is 512 MiB.
fn size(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => "B",
        "k" | "kb" => "KiB",
        "m" | "mb" => "MiB",
        "g" | "gb" => "GiB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}
