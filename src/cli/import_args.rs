use std::path::PathBuf;

use clap::Args;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// supervisord's config file, a Procfile, or a compose file
    pub file: PathBuf,
    /// Print every process that the file comes to as JSON, looking at nothing but the file and its includes
    #[arg(long)]
    pub expanded: bool,
    /// A variable for %(ENV_NAME)s beside those of this process; with --expanded beside those of a plain login of root
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// The machine's name for %(host_node_name)s [default: that of this machine; with --expanded localhost]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE".to_owned()),
    }
}
