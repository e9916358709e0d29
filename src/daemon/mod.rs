//! The async shell around the pure machine: it does what the machine decides and tells it what happens. One event loop, one
//! owner of all state (the engine), messages between the rest; what may wait for a disk has threads beside it: the pump of
//! `logs`, the records of runs, readers of logs. It may use vocab, spec, protocol, sys, config, machine, rundir, ports, logs
//! and probe. Deliberately absent: decisions.

/// From a config file to a running engine, or to the reason why not.
pub mod boot;
/// Why runs end, and the record of that.
pub mod causes;
/// Where the services' output comes out.
pub mod channels;
/// The run that a warden watches.
pub mod charge;
/// Who else holds the ports of a service that is about to start.
pub mod conflict;
/// How much of the processors runs may use.
mod cpu;
/// The journal, kept up to date.
pub mod diary;
/// The config on disk, and whether it is what runs.
mod disk;
/// Runs that were replaced, kept from accepting more.
mod drain;
/// Which services start by themselves, as people say.
mod enable;
/// The sole owner of the state.
pub mod engine;
/// Commands of services beside their own, made ready.
mod errand;
/// What ends all, by the config.
pub mod exit_on;
/// Who depends on whom, and how the last starts went.
pub mod graph;
/// Groups as supervisord's clients take them in and out.
pub mod groups;
/// The guardian, and another when it has ended.
pub mod guardianship;
/// The stacks of programs that hang.
mod hangs;
/// Listening sockets that are held for services.
pub mod holdings;
/// The commands that are run on occasions of a service.
mod hooks;
/// The control socket.
pub mod http;
/// The last lines of standard error of a run.
pub mod last_words;
/// Services that are told of events.
pub mod listeners;
/// Log daemons that services write to, and that are not there.
pub mod log_daemons;
/// What a reading of logs is told beside the files.
pub mod log_feed;
/// Which lines of the logs a client means, and how they cross the socket.
pub mod log_query;
/// One look at a live run: ports held, check passed.
pub mod look;
/// Why a program cannot be executed.
pub mod lookup;
/// What reaches the engine.
pub mod mailbox;
/// Runs that name another process as their main one.
mod mainpid;
/// The run directory, put right again.
pub mod mending;
/// CPU and memory of process trees.
pub mod meter;
/// What looks at one run remember.
pub mod notebook;
/// How the ports of a run differ from what is declared.
pub mod notes;
/// What services tell of themselves.
mod notify;
/// What clients ask for, in the machine's words.
pub mod orders;
/// Who has come to the supervisor.
mod orphans;
/// The supervisor's own log.
pub mod own_log;
/// The file of it that a config names.
mod own_log_file;
/// Its lines in supervisord's form.
mod own_log_line;
/// The time before each of its lines.
mod own_log_time;
/// What its own log says of services.
mod own_words;
/// What a supervisor before this one left.
pub mod past;
/// What the machine asks for, done.
pub mod perform;
/// What is looked at before a living run is replaced.
pub mod preflight;
/// Processes as supervisord's clients see them.
pub mod processes;
/// The config that a supervisor acts on, proven.
mod proven;
/// What supervisord's clients ask the engine.
pub mod question;
/// When memory is given back.
mod quiet;
/// What wardens are told.
mod reins;
/// The config, read again while services live.
mod reload;
/// Files whose change makes a broken program worth another try.
mod repairs;
/// What supervisord's clients call the services.
pub mod roster;
/// Log files, set aside on request.
mod rotate;
/// Other counts of replicas.
pub mod scale;
/// Trees and ports of all services, seen at once.
pub mod scene;
/// The wall clock, and the times of schedules.
mod schedule;
/// The Python shim that answers `bind` with held sockets.
pub mod shim;
/// Signals that the supervisor itself gets.
pub mod signals;
/// Who is told of changes.
mod targets;
/// Status as seen from inside.
pub mod view;
/// One run's process, watched and ended with its whole tree.
pub mod warden;
/// Files whose change starts a service again.
mod watch;
/// What one run has told of itself.
mod words;
