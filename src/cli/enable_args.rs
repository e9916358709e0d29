use clap::Args;

/// `enable` and `disable`.
#[derive(Debug, Args)]
pub struct Enable {
    /// Names, globs, `group:*` or `all`; of replicas all are meant
    #[arg(required = true)]
    pub services: Vec<String>,
}
