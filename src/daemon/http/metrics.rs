use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Detail, Mailbox, Message};
use crate::protocol::problem::Problem;
use crate::protocol::status::{ServiceView, Status, SupervisorView};
use crate::vocab::port::HeldBy;
use crate::vocab::state::{Health, State as ServiceState};

/// The media type of the OpenMetrics text format, version 1.0.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// How things stand as OpenMetrics, looked at afresh for each scrape.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "OpenMetrics text", body = String, content_type = OPEN_METRICS), (status = "default", description = "A refusal", body = Problem)))]
pub async fn show(State(mailbox): State<Mailbox>) -> Result<Response, Refusal> {
    let status = mailbox.ask(|reply| Message::Status(Detail::AtAGlance, reply)).await;
    let status = status.ok_or_else(refusal::ending)?;
    let text = exposition(&status).map_err(|_| refusal::ending())?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

fn exposition(status: &Status) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("procman");
    of_supervisor(&mut registry, &status.supervisor);
    of_states(&mut registry, &status.services);
    of_usage(&mut registry, &status.services);
    of_ports(&mut registry, &status.services);
    of_logs(&mut registry, &status.services);
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

fn of_supervisor(registry: &mut Registry, supervisor: &SupervisorView) {
    let version = Info::new([("version", supervisor.version.clone())]);
    registry.register("supervisor", "The supervisor", version);
    let uptime = Gauge::<f64, AtomicU64>::default();
    uptime.set(supervisor.uptime_s.unwrap_or_default());
    registry.register_with_unit("supervisor_uptime", "How long it has run", Unit::Seconds, uptime);
    let replacements = Counter::<u64>::default();
    replacements.inc_by(supervisor.restarts);
    let help = "How often it was replaced since the services were first brought up";
    registry.register("supervisor_replacements", help, replacements);
}

fn of_states(registry: &mut Registry, services: &[ServiceView]) {
    let [ok, states, healthy] = std::array::from_fn(|_| Gauges::default());
    let restarts = Family::<Labels, Counter>::default();
    for service in services {
        let labels = of_service(service);
        ok.get_or_create(&labels).set(one_if(service.is_as_wanted()));
        for state in ServiceState::ALL {
            let labels = with(&labels, "state", state.to_string());
            states.get_or_create(&labels).set(one_if(state == service.state));
        }
        match service.health {
            Health::Healthy => drop(healthy.get_or_create(&labels).set(1.0)),
            Health::Unhealthy | Health::Starting => drop(healthy.get_or_create(&labels).set(0.0)),
            Health::None => (),
        }
        restarts.get_or_create(&labels).inc_by(service.restarts);
    }
    registry.register("service_ok", "Whether it is as it should be", ok);
    registry.register("service_state", "1 for the state it is in", states);
    registry.register("service_healthy", "Whether its check passes; absent where it declares none", healthy);
    registry.register("service_restarts", "How often it was started again by itself", restarts);
}

fn of_usage(registry: &mut Registry, services: &[ServiceView]) {
    let [uptime, cpu, memory, processes] = std::array::from_fn(|_| Gauges::default());
    for service in services {
        let labels = of_service(service);
        if let Some(uptime_s) = service.uptime_s {
            uptime.get_or_create(&labels).set(uptime_s);
        }
        if let Some(percent) = service.cpu_percent {
            cpu.get_or_create(&labels).set(percent / 100.0);
        }
        if let Some(bytes) = service.memory_bytes {
            // Above 2^53 bytes a page more or less is not seen.
            memory.get_or_create(&labels).set(bytes as f64);
        }
        processes.get_or_create(&labels).set(f64::from(service.processes));
    }
    let help = "How long its run has lasted";
    registry.register_with_unit("service_uptime", help, Unit::Seconds, uptime);
    let help = "CPU use of its process tree over its last second or more, 1 for a whole core";
    registry.register_with_unit("service_cpu", help, Unit::Ratios, cpu);
    let help = "Resident memory of its process tree";
    registry.register_with_unit("service_memory", help, Unit::Bytes, memory);
    registry.register("service_processes", "How many processes its tree has", processes);
}

fn of_ports(registry: &mut Registry, services: &[ServiceView]) {
    let held = Gauges::default();
    for service in services {
        for port in &service.ports {
            let labels = with(&of_service(service), "port", port.port.to_string());
            held.get_or_create(&labels).set(one_if(port.held_by == HeldBy::Service));
        }
    }
    registry.register("service_port_held", "Whether its own process tree holds a port it declares", held);
}

fn of_logs(registry: &mut Registry, services: &[ServiceView]) {
    let [lines, bytes] = std::array::from_fn(|_| Family::<Labels, Counter>::default());
    for service in services {
        let labels = of_service(service);
        lines.get_or_create(&labels).inc_by(service.dropped_lines);
        bytes.get_or_create(&labels).inc_by(service.dropped_bytes);
    }
    registry.register("service_log_dropped_lines", "How many lines of its output were not written", lines);
    let help = "How many bytes of its output were not written";
    registry.register_with_unit("service_log_dropped", help, Unit::Bytes, bytes);
}

fn of_service(service: &ServiceView) -> Labels {
    let group = service.group.clone().unwrap_or_default();
    vec![("service", service.name.to_string()), ("group", group)]
}

fn with(labels: &Labels, name: &'static str, value: String) -> Labels {
    labels.iter().cloned().chain([(name, value)]).collect()
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
