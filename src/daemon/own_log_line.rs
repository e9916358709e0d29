use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::sys::clock;

/// Lines as those of supervisord, which people's programs look for: `2026-11-26 07:00:00,123 INFO spawned: 'x' with pid 1`, by
/// the clock on the wall (its `loggers.py`).
pub(super) struct SupervisordLine;

impl<S, N> FormatEvent<S, N> for SupervisordLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let time = time(clock::unix_ms(), TimeZone::system());
        writeln!(writer, "{time} {} {}{}", code(*event.metadata().level()), said.message, said.fields)
    }
}

/// supervisord's four letters; it has no more than these that procman has a use for.
fn code(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERRO",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBG",
        Level::TRACE => "TRAC",
    }
}

fn time(unix_ms: u64, zone: TimeZone) -> String {
    let at =
        i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let seconds = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
    format!("{seconds},{:03}", unix_ms % 1000)
}

/// What an event says, and what it knows beside.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string takes all that is written into it.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{SupervisordLine, time};
    use jiff::tz::TimeZone;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_a_time_a_code_and_what_is_said() {
        assert_eq!(time(1_700_000_000_045, TimeZone::UTC), "2023-11-14 22:13:20,045");
        let page = Page::default();
        let writer = page.clone();
        let layer = fmt::layer().with_writer(move || writer.clone()).event_format(SupervisordLine);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("spawned: 'x' with pid 1");
            tracing::warn!(service = "x", run = 3, "cannot do it");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let said: Vec<&str> = text.lines().map(|line| &line[23..]).collect();
        assert_eq!(
            said,
            [" INFO spawned: 'x' with pid 1", " WARN cannot do it service=\"x\" run=3"],
            "{text}"
        );
    }
}
