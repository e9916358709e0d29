//! What `[supervisord]` says of all programs, its own log, and the sockets of FastCGI programs.

use crate::Script;
use crate::events::EARS;
use crate::world::Step::{Ctl, File, Gone, Shown, Until, Written};

/// Text in colour, cut within a sequence and within a capture.
const COLOURS: &str = r#"
import sys, time
def say(file, data):
    file.buffer.write(data)
    file.buffer.flush()
    time.sleep(0.3)
say(sys.stdout, b"\x1b[1;31mred\x1b[0m and \x1b[2Kplain\n")
say(sys.stdout, b"<!--XSUPERVISOR:BEGIN-->\x1b[32mmessage\x1b[m<!--XSUPERVISOR:END-->and \x1b(B what is no sequence\n")
say(sys.stderr, b"\x1b[33mcomplaint\x1b[0m\n")
"#;

/// Says of its standard input what a FastCGI program has there.
const SOCKET: &str = r#"
import os, socket, stat, time
taken = socket.socket(fileno=os.dup(0))
path = taken.getsockname()
words = [stat.S_ISSOCK(os.fstat(0).st_mode), os.path.basename(path), oct(os.stat(path).st_mode)]
clients = []
def connects():
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    clients.append(client)
    return client.connect_ex(path) == 0
# So many wait that nobody accepts.
words.append(sum(1 for _ in iter(connects, False)))
os.write(1, (" ".join(map(str, words)) + "\n").encode())
time.sleep(600)
"#;

/// Programs that say when they end.
pub(crate) const ORDER: Script = Script {
    name: "order",
    config: "\
[program:db]
command=sh -c 'trap \"sleep 0.3; echo db >> %(here)s/order; exit 0\" TERM; echo up; while :; do sleep 0.05; done'
priority=10
startsecs=0
stdout_logfile=%(here)s/db.out
[program:web]
command=sh -c 'trap \"sleep 0.6; echo web >> %(here)s/order; exit 0\" TERM; echo up; while :; do sleep 0.05; done'
priority=20
startsecs=0
stdout_logfile=%(here)s/web.out
[program:mid]
command=sh -c 'trap \"echo mid >> %(here)s/order; exit 0\" TERM; echo up; while :; do sleep 0.05; done'
priority=15
startsecs=0
stdout_logfile=%(here)s/mid.out
",
    steps: &[
        Written("db.out", "up"),
        Written("web.out", "up"),
        Written("mid.out", "up"),
        Ctl("shutdown"),
        Gone,
        Shown("order"),
    ],
};

pub(crate) const OWN: Script = Script {
    name: "own",
    config: "\
[supervisord]
strip_ansi=true
loglevel=debug
minfds=700
identifier=thing
environment=SHARED=\"a b\",TWICE=\"of all\"
[eventlistener:ears]
command=python3 -u %(here)s/ears.py
directory=%(here)s
events=PROCESS_LOG,PROCESS_COMMUNICATION
autostart=false
startsecs=0
[program:colours]
command=python3 -u %(here)s/colours.py
autostart=false
autorestart=false
startsecs=0
stdout_logfile=%(here)s/colours.out
stdout_capture_maxbytes=1KB
stdout_events_enabled=true
stderr_logfile=%(here)s/colours.err
[program:settings]
command=sh -c 'umask && echo \"$SHARED $TWICE $SUPERVISOR_PROCESS_NAME $SUPERVISOR_GROUP_NAME\" && exec sleep 600'
startsecs=0
umask=027
environment=TWICE=\"of one\"
stdout_logfile=%(here)s/settings.out
[program:crashes]
command=sh -c 'sleep 0.4 && exit 3'
startretries=0
; Long enough for supervisord, which looks for ends once a second, to see that it did not last.
startsecs=5
[program:early]
command=sh -c 'sleep 0.4 && exit 0'
startretries=0
startsecs=5
[program:ends]
command=sh -c 'sleep 4 && exit 0'
autorestart=false
[program:missing]
command=/no/such/program
startretries=0
[program:killed]
command=sh -c 'trap \"\" TERM && echo deaf && while true\n  do sleep 0.1\n  done'
startsecs=0
stopwaitsecs=1
stdout_logfile=%(here)s/killed.out
[fcgi-program:socket]
command=python3 -u %(here)s/socket.py
socket=unix://%(here)s/f.sock
socket_mode=0640
socket_backlog=5
autostart=false
startsecs=0
stdout_logfile=%(here)s/socket.out
",
    steps: &[
        File("ears.py", EARS),
        File("colours.py", COLOURS),
        File("socket.py", SOCKET),
        Ctl("start ears"),
        Ctl("start colours"),
        Until("colours", "EXITED"),
        Written("seen", "PROCESS_COMMUNICATION_STDOUT"),
        Written("seen", "what is no sequence"),
        Shown("colours.out"),
        Shown("colours.err"),
        Shown("seen"),
        Ctl("start socket"),
        Written("socket.out", "True"),
        Shown("socket.out"),
        Written("settings.out", "settings"),
        Shown("settings.out"),
        Written("supervisord.log", " DEBG 'settings' stdout output:\n0027\n"),
        Written("supervisord.log", " DEBG 'colours' stdout emitted a comm event\n"),
        Written("supervisord.log", " DEBG 'colours' stderr output:\ncomplaint\n"),
        Until("crashes", "FATAL"),
        Until("early", "FATAL"),
        Until("missing", "FATAL"),
        Until("ends", "EXITED"),
        Ctl("status crashes early missing"),
        Written("killed.out", "deaf"),
        Ctl("stop killed settings"),
        Written("supervisord.log", " INFO supervisord started with pid "),
        Written("supervisord.log", " INFO spawned: 'settings' with pid "),
        Written("supervisord.log", " INFO spawnerr: can't find command '/no/such/program'"),
        Written("supervisord.log", " INFO success: settings entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)"),
        Written("supervisord.log", " INFO success: ends entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)"),
        Written("supervisord.log", " WARN exited: crashes (exit status 3; not expected)"),
        Written("supervisord.log", " WARN exited: early (exit status 0; not expected)"),
        Written("supervisord.log", " INFO exited: ends (exit status 0; expected)"),
        Written("supervisord.log", " INFO gave up: crashes entered FATAL state, too many start retries too quickly"),
        Written("supervisord.log", " WARN stopped: settings (terminated by SIGTERM)"),
        Written("supervisord.log", " WARN killing 'killed' ("),
        Written("supervisord.log", " WARN stopped: killed (terminated by SIGKILL)"),
        Ctl("maintail -1 x y"),
    ],
};
