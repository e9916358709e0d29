use clap::Args as ClapArgs;

/// `why`.
#[derive(Debug, ClapArgs)]
pub struct Why {
    /// Names, globs, `group:*` or `all`
    #[arg(required = true)]
    pub services: Vec<String>,
    /// Print JSON: an array, one object a service
    #[arg(long)]
    pub json: bool,
}

/// `history`.
#[derive(Debug, ClapArgs)]
pub struct History {
    /// Names, globs, `group:*` or `all`; of a service that the config has no more its name
    #[arg(required = true)]
    pub services: Vec<String>,
    /// Only the last N ends of each
    #[arg(short = 'n', long = "last", value_name = "N")]
    pub last: Option<usize>,
    /// One JSON object per line, the oldest first
    #[arg(long)]
    pub json: bool,
}
