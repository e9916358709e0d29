use crate::cli::args::Events;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::unless_interrupted;
use crate::cli::output;
use crate::cli::render::{progress, time};
use crate::protocol::event::{Event, What};

/// Streams what happens until the supervisor ends or somebody has seen enough.
pub(in crate::cli) fn run(context: &Context, args: &Events) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let mut client = context.connect().await?;
        let mut events = client.events().await?;
        let all = async {
            while let Some(event) = events.next().await? {
                if args.json { output::json_line(&event)? } else { output::line(&words(&event))? }
            }
            context.say("the supervisor ended");
            Ok::<_, Failure>(())
        };
        unless_interrupted(all, "").await
    })
}

fn words(event: &Event) -> String {
    let what = match &event.what {
        What::Service(change) => progress::words(change),
        What::Supervisor { message } => message.clone(),
        What::Notes { service, notes } if notes.is_empty() => format!("{service} has its ports as declared"),
        What::Notes { service, notes } => format!("{service} {}", notes.join("; ")),
        What::RemoteCommunication { kind, data } => format!("a client says {kind}: {data}"),
        What::Ended => "the supervisor ends".to_owned(),
        What::Missed { count } => format!("{count} events were dropped: this reader was too slow"),
    };
    format!("{} {what}", time::local(event.unix_ms, "%H:%M:%S%.3f"))
}
