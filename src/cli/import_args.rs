use std::path::PathBuf;

use clap::Args;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// supervisord's config file
    pub file: PathBuf,
    /// Print every process that the file comes to as JSON, looking at nothing but the file and its includes
    #[arg(long)]
    pub expanded: bool,
    /// With --expanded: a variable beside those of a plain login of root, for %(ENV_NAME)s
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable, requires = "expanded")]
    pub variables: Vec<(String, String)>,
    /// With --expanded: the machine's name, for %(host_node_name)s
    #[arg(long, value_name = "NAME", default_value = "localhost", requires = "expanded")]
    pub hostname: String,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE".to_owned()),
    }
}
