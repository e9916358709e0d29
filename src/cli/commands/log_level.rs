use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::protocol::logs::LogLevelOrder;
use crate::vocab::log_level::LogLevel;

/// Lets the running supervisor's own log tell more or less.
pub(in crate::cli) fn run(context: &Context, level: LogLevel) -> Result<(), Failure> {
    let order = LogLevelOrder { level };
    let set = runtime()?
        .block_on(async { context.connect().await?.set_log_level(order).await.map_err(Failure::from) })?;
    context
        .say(&format!("the supervisor's own log tells `{}` from here on, until it ends", set.level.as_str()));
    Ok(())
}
