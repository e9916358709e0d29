//! What is played in every world.

use crate::Script;
use crate::world::Step::{Call, Config, Ctl, Gone, Mode, Typed, Unordered, Until, Written};

/// One program for each way in which a program goes, and every action on it.
pub(crate) const STATES: Script = Script {
    name: "states",
    config: "\
[program:stays]
command=sleep 600
; For a moment: what is over when supervisord looks for it the first time, it takes for one that could not be started.
[program:ended]
command=sh -c 'sleep 1; exit 0'
startsecs=0
autorestart=false
[program:expected]
command=sh -c 'exit 3'
startsecs=0
exitcodes=3
[program:crashes]
command=sh -c 'exit 3'
startretries=1
autostart=false
[program:missing]
command=/no/such/program
startretries=0
autostart=false
[program:folder]
command=/tmp
autostart=false
[program:plain]
command=/etc/passwd
autostart=false
[program:manual]
command=sleep 600
startsecs=0
autostart=false
[program:unclosed]
command=sh -c \"exit 3
startretries=0
autostart=false
[program:deaf]
command=sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 0.1; done'
startsecs=0
stopwaitsecs=1
stopasgroup=true
stdout_logfile=%(here)s/deaf.log
",
    steps: &[
        Until("stays", "RUNNING"),
        Until("ended", "EXITED"),
        Until("expected", "EXITED"),
        Written("deaf.log", "deaf"),
        Ctl("status"),
        Ctl("status all"),
        Ctl("status stays"),
        Ctl("status manual stays nosuch"),
        Ctl("status nosuch"),
        Ctl("pid stays manual"),
        Ctl("pid"),
        Ctl("pid nosuch"),
        Ctl("start"),
        Ctl("start nosuch"),
        Ctl("start stays"),
        Ctl("start manual"),
        Ctl("status manual"),
        Ctl("start ended"),
        Ctl("start missing"),
        Ctl("status missing"),
        Ctl("start folder"),
        Ctl("start plain"),
        Ctl("start unclosed"),
        Ctl("status unclosed"),
        Ctl("start crashes"),
        Until("crashes", "FATAL"),
        Ctl("status crashes"),
        Ctl("signal CONT stays"),
        Ctl("signal SIGCONT stays nosuch"),
        Ctl("signal 18 crashes"),
        Ctl("signal NOSUCH stays"),
        Ctl("signal CONT"),
        Ctl("signal CONT all"),
        Ctl("stop"),
        Ctl("stop nosuch"),
        Ctl("stop crashes"),
        Ctl("stop deaf"),
        Ctl("status deaf"),
        Ctl("stop manual stays"),
        Ctl("stop stays"),
        Ctl("status stays"),
        Ctl("restart"),
        Ctl("restart stays manual"),
        Ctl("restart nosuch"),
        Ctl("version"),
        Ctl("version x"),
        Ctl("bogus"),
        Typed("", "pid nosuch\n\nhelp version\nstop manual\n"),
        Typed("fg manual", ""),
        Ctl("fg nosuch"),
        Ctl("shutdown"),
        Gone,
        Ctl("status"),
        Ctl("pid"),
        Ctl("shutdown"),
        Ctl("reread"),
    ],
};

/// Groups, and names of many.
pub(crate) const GROUPS: Script = Script {
    name: "groups",
    config: "\
[program:x]
command=sleep 600
startsecs=0
[program:y]
command=sleep 600
startsecs=0
autostart=false
[group:g]
programs=x,y
priority=5
[program:w]
process_name=%(program_name)s_%(process_num)02d
numprocs=3
command=sleep 600
startsecs=0
[program:alone]
command=sleep 600
startsecs=0
[group:nobody]
",
    steps: &[
        Until("g:x", "RUNNING"),
        Until("w:w_02", "RUNNING"),
        Until("alone", "RUNNING"),
        Ctl("status"),
        Ctl("status g:*"),
        Ctl("status w: alone"),
        Ctl("status nosuch:*"),
        Ctl("avail"),
        Ctl("start g:y"),
        Ctl("start g:*"),
        Ctl("start x"),
        Ctl("start nosuch:*"),
        Unordered("stop g:*"),
        Ctl("stop g:*"),
        Ctl("stop nosuch:*"),
        Ctl("status nobody:*"),
        Ctl("start nobody:*"),
        Ctl("stop nobody:*"),
        Ctl("add nobody"),
        Ctl("remove nobody"),
        Ctl("start nobody:*"),
        Ctl("reread"),
        Ctl("update"),
        Call("supervisor.stopProcessGroup", &["nobody"]),
        Call("supervisor.signalProcessGroup", &["nobody", "CONT"]),
        Unordered("start g:*"),
        Unordered("restart w:*"),
        Unordered("signal CONT w:*"),
        Ctl("signal CONT nosuch:*"),
        Ctl("stop w:w_01"),
        Ctl("signal CONT w:w_01"),
        Unordered("signal CONT all"),
        Unordered("pid all"),
        Ctl("clear g:*"),
        Ctl("clear w:w_00 alone"),
        Unordered("stop all"),
        Ctl("stop all"),
        Ctl("status"),
        Unordered("start all"),
        Ctl("status"),
        Unordered("restart all"),
        Ctl("reload"),
    ],
};

const FIRST: &str = "\
[program:kept]
command=sleep 600
startsecs=0
[program:changed]
command=sleep 600
startsecs=0
[program:dropped]
command=sleep 600
startsecs=0
";

const SECOND: &str = "\
[program:kept]
command=sleep 600
startsecs=0
[program:changed]
command=sleep 601
startsecs=0
[program:new]
command=sleep 600
startsecs=0
[program:newer]
command=sleep 600
startsecs=0
autostart=false
priority=7
";

const BROKEN: &str = "\
[program:kept]
command=sleep 600
startsecs=often
";

/// reread, update, add, remove, avail.
pub(crate) const CONFIG: Script = Script {
    name: "config",
    config: FIRST,
    steps: &[
        Until("kept", "RUNNING"),
        Until("changed", "RUNNING"),
        Until("dropped", "RUNNING"),
        Ctl("reread"),
        Ctl("update"),
        Ctl("avail"),
        Ctl("add"),
        Ctl("add kept"),
        Ctl("add nosuch"),
        Ctl("remove kept"),
        Ctl("remove nosuch"),
        Config(SECOND),
        Ctl("reread"),
        Ctl("reread"),
        Ctl("avail"),
        Ctl("status"),
        Ctl("add new"),
        Until("new", "RUNNING"),
        Ctl("reread"),
        Ctl("update nosuch"),
        Ctl("update changed"),
        Until("changed", "RUNNING"),
        Ctl("status"),
        Ctl("update"),
        Ctl("status"),
        Ctl("update"),
        Ctl("stop new"),
        Ctl("remove new"),
        Ctl("status"),
        Ctl("reread"),
        Ctl("avail"),
        Config(BROKEN),
        Ctl("reread"),
        Ctl("update"),
        Ctl("status kept"),
        Ctl("reread x"),
        Ctl("avail x"),
    ],
};

/// tail, maintail, clear.
pub(crate) const LOGS: Script = Script {
    name: "logs",
    config: "\
[program:talks]
command=sh -c 'echo one; echo two; echo three >&2; exec sleep 600'
startsecs=0
stdout_logfile=%(here)s/talks.out
stderr_logfile=%(here)s/talks.err
[program:joined]
command=sh -c 'echo out; echo err >&2; exec sleep 600'
startsecs=0
redirect_stderr=true
stdout_logfile=%(here)s/joined.out
[program:silent]
command=sleep 600
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
[program:quiet]
command=sleep 600
startsecs=0
stdout_logfile=%(here)s/quiet.out
stderr_logfile=%(here)s/quiet.err
",
    steps: &[
        Written("talks.out", "two"),
        Written("talks.err", "three"),
        Written("joined.out", "err"),
        Mode("quiet.out"),
        Mode("quiet.err"),
        Mode("talks.err"),
        Ctl("tail quiet"),
        Call("supervisor.readProcessStdoutLog", &["quiet", "0", "0"]),
        Ctl("tail talks"),
        Ctl("tail -5 talks"),
        Ctl("tail -5 talks stdout"),
        Ctl("tail talks stderr"),
        Ctl("tail joined"),
        Ctl("tail joined stderr"),
        Ctl("tail silent"),
        Ctl("tail nosuch"),
        Ctl("tail talks foo"),
        Ctl("tail -x talks"),
        Ctl("tail"),
        Ctl("tail -f nosuch"),
        Ctl("maintail x"),
        Ctl("clear"),
        Ctl("clear nosuch"),
        Ctl("clear talks"),
        Ctl("tail talks"),
        Ctl("tail talks stderr"),
        Unordered("clear all"),
        Ctl("tail joined"),
    ],
};

/// Values and faults, called as they are.
pub(crate) const METHODS: Script = Script {
    name: "methods",
    config: "\
[program:a]
command=sleep 600
startsecs=0
stdout_logfile=%(here)s/a.out
stderr_logfile=NONE
[program:b]
command=sleep 600
autostart=false
startsecs=0
redirect_stderr=true
stdout_logfile=%(here)s/b.out
",
    steps: &[
        Until("a", "RUNNING"),
        Call("supervisor.getAPIVersion", &[]),
        Call("supervisor.getVersion", &[]),
        Call("supervisor.getSupervisorVersion", &[]),
        Call("supervisor.getIdentification", &[]),
        Call("supervisor.getState", &[]),
        Call("supervisor.getState", &["too", "much"]),
        Call("supervisor.nosuch", &[]),
        Call("nosuch", &[]),
        Call("supervisor._private", &[]),
        Call("supervisor.getProcessInfo", &["b"]),
        Call("supervisor.getProcessInfo", &["a"]),
        Call("supervisor.getProcessInfo", &["nosuch"]),
        Call("supervisor.getProcessInfo", &["a:*"]),
        Call("supervisor.getProcessInfo", &[]),
        Call("supervisor.startProcess", &["a"]),
        Call("supervisor.startProcess", &["nosuch"]),
        Call("supervisor.startProcess", &["b:*"]),
        Call("supervisor.startProcessGroup", &["b"]),
        Call("supervisor.startProcessGroup", &["nosuch"]),
        Call("supervisor.signalProcess", &["a", "CONT"]),
        Call("supervisor.signalProcess", &["a", "NOSUCH"]),
        Call("supervisor.signalProcessGroup", &["a", "CONT"]),
        Call("supervisor.signalAllProcesses", &["SIGCONT"]),
        Call("supervisor.signalProcess", &["a", "18"]),
        Call("supervisor.signalProcess", &["a", " cont "]),
        Call("supervisor.signalProcess", &["a", "0"]),
        Call("supervisor.signalProcess", &["a", "9999"]),
        Call("supervisor.signalProcessGroup", &["a", "18"]),
        Call("supervisor.signalAllProcesses", &["18"]),
        Call("supervisor.signalAllProcesses", &["9999"]),
        Call("supervisor.stopProcess", &["b"]),
        Call("supervisor.stopProcess", &["b"]),
        Call("supervisor.stopProcess", &["nosuch"]),
        Call("supervisor.stopProcessGroup", &["b"]),
        Call("supervisor.stopProcessGroup", &["nosuch"]),
        Call("supervisor.readProcessStdoutLog", &["a", "0", "0"]),
        Call("supervisor.readProcessStdoutLog", &["a", "-5", "5"]),
        Call("supervisor.readProcessStdoutLog", &["a", "0", "-1"]),
        Call("supervisor.readProcessStdoutLog", &["nosuch", "0", "0"]),
        Call("supervisor.readProcessStderrLog", &["a", "0", "0"]),
        Call("supervisor.tailProcessStdoutLog", &["a", "0", "100"]),
        Call("supervisor.tailProcessStderrLog", &["a", "0", "100"]),
        Call("supervisor.clearProcessLogs", &["a"]),
        Call("supervisor.clearProcessLogs", &["nosuch"]),
        Call("supervisor.clearAllProcessLogs", &[]),
        Call("supervisor.sendProcessStdin", &["a", "text"]),
        Call("supervisor.sendProcessStdin", &["b", "text"]),
        Call("supervisor.sendProcessStdin", &["nosuch", "text"]),
        Call("supervisor.sendRemoteCommEvent", &["kind", "data"]),
        Call("supervisor.reloadConfig", &[]),
        Call("supervisor.addProcessGroup", &["a"]),
        Call("supervisor.addProcessGroup", &["nosuch"]),
        Call("supervisor.removeProcessGroup", &["a"]),
        Call("supervisor.removeProcessGroup", &["nosuch"]),
        Call("supervisor.getAllConfigInfo", &[]),
        Call("system.listMethods", &[]),
        Call("system.methodSignature", &["supervisor.startProcess"]),
        Call("system.methodSignature", &["nosuch"]),
        Call("system.methodHelp", &["nosuch"]),
    ],
};
