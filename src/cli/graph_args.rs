use clap::Args;

/// `graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// The services, with all that they need [default: all]
    pub services: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print the language of Graphviz
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
}
