//! What event listeners are told.

use crate::Script;
use crate::world::Step::{Call, Ctl, File, Shown, Until, Written};

/// Writes down what it is told, one event a line: of the clock in `ticks`, of all else in `seen`.
pub(crate) const EARS: &str = r#"
import sys
while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    headers = dict(token.split(":") for token in line.split())
    data = sys.stdin.read(int(headers["len"]))
    name = headers["eventname"]
    with open("ticks" if name.startswith("TICK") else "seen", "a") as seen:
        seen.write(" ".join(sorted(headers)) + " " + name + " " + data.replace("\n", "|") + "\n")
    sys.stdout.write("RESULT 2\nOK")
    sys.stdout.flush()
"#;

/// Everything that a process can say, cut in awkward places, and each piece read alone.
const SAYS: &str = r#"
import sys, time
def say(file, data):
    file.buffer.write(data)
    file.buffer.flush()
    time.sleep(0.3)
say(sys.stdout, b"nothing of this is told to anybody\n")
say(sys.stdout, b"before<!--XSUPERVISOR:BEGIN-->one")
say(sys.stdout, b" message<!--XSUPERV")
say(sys.stdout, b"ISOR:END-->and this is in the log again\n")
say(sys.stdout, "<!--XSUPERVISOR:BEGIN-->grün\nund rot<!--XSUPERVISOR:END-->".encode())
say(sys.stdout, b"<!--XSUPERVISOR:BEGIN-->\x88\\'\n<!--XSUPERVISOR:END-->")
say(sys.stdout, b"and here is the end of what is said")
say(sys.stderr, "wörter\n".encode())
say(sys.stderr, b"two\nlines\n")
say(sys.stderr, b"\x88\n")
say(sys.stderr, b"no end of a line")
"#;

pub(crate) const EVENTS: Script = Script {
    name: "events",
    config: "\
[eventlistener:ears]
command=python3 -u %(here)s/ears.py
directory=%(here)s
events=PROCESS_STATE,PROCESS_LOG,PROCESS_COMMUNICATION,REMOTE_COMMUNICATION,PROCESS_GROUP,TICK_5
buffer_size=1000
autostart=false
startsecs=0
[program:says]
command=python3 -u %(here)s/says.py
autostart=false
autorestart=false
startsecs=0
stdout_logfile=%(here)s/says.out
stdout_capture_maxbytes=1KB
stderr_logfile=%(here)s/says.err
stderr_events_enabled=true
[program:stays]
command=sleep 600
autostart=false
startsecs=0
[program:missing]
command=/no/such/program
autostart=false
startretries=0
[program:crashes]
command=sh -c 'sleep 0.4 && exit 3'
autostart=false
startretries=1
; Long enough for supervisord, which looks for ends once a second, to see that it did not last.
startsecs=5
",
    steps: &[
        File("ears.py", EARS),
        File("says.py", SAYS),
        Ctl("start ears"),
        Ctl("start says"),
        Until("says", "EXITED"),
        Written("seen", "PROCESS_STATE_EXITED"),
        Ctl("start stays"),
        Ctl("stop stays"),
        Ctl("start missing"),
        Until("missing", "FATAL"),
        Ctl("start crashes"),
        Until("crashes", "FATAL"),
        Call("supervisor.sendRemoteCommEvent", &["kind", "data"]),
        Ctl("remove stays"),
        Ctl("add stays"),
        // Events come in their order, so with this one all are there.
        Call("supervisor.sendRemoteCommEvent", &["last", "one"]),
        Written("seen", "type:last|one"),
        Written("ticks", "TICK_5 when:"),
        Shown("seen"),
        Shown("says.out"),
        Shown("says.err"),
    ],
};
