//! The listeners of superlance, unmodified.

use crate::Script;
use crate::world::Step::{Ctl, File, Shown, Until, Written};

/// Takes mails, one after another, and says in `port` where.
const POST_OFFICE: &str = r#"
import os, socket
office = socket.socket()
office.bind(("127.0.0.1", 0))
office.listen()
with open("port.fresh", "w") as port:
    port.write(str(office.getsockname()[1]))
os.rename("port.fresh", "port")
while True:
    client, _ = office.accept()
    say = lambda line: client.sendall(line + b"\r\n")
    say(b"220 here")
    body = False
    for line in client.makefile("r"):
        if body:
            with open("fatal.mail", "a") as mail:
                mail.write(line)
            body = line.strip() != "."
            if not body:
                say(b"250 taken")
        elif line.upper().startswith("DATA"):
            body = True
            say(b"354 go on")
        elif line.upper().startswith("QUIT"):
            say(b"221 bye")
            break
        else:
            say(b"250 well")
    client.close()
"#;

pub(crate) const SUPERLANCE: Script = Script {
    name: "superlance",
    config: "\
[eventlistener:crashmail]
command={bin}/crashmail -p crashes -m a@b.c -s \"cat >> %(here)s/crash.mail\"
events=PROCESS_STATE_EXITED
[eventlistener:memmon]
command={bin}/memmon -p large=1MB -m a@b.c -s \"cat >> %(here)s/memory.mail\"
events=TICK_5
[eventlistener:httpok]
command={bin}/httpok -p web -t 1 -m a@b.c -s \"cat >> %(here)s/http.mail\" http://127.0.0.1:1/
events=TICK_5
[eventlistener:fatalmailbatch]
command=sh -c 'until [ -s port ]; do sleep 0.1; done; exec {bin}/fatalmailbatch --interval 0.05 --tickEvent TICK_5 \
--toEmail a@b.c --fromEmail d@e.f --smtpHost 127.0.0.1:$(cat port)'
directory=%(here)s
events=PROCESS_STATE_FATAL,TICK_5
[program:office]
command=python3 %(here)s/office.py
directory=%(here)s
autostart=false
[program:crashes]
command=sh -c 'sleep 1; exit 3'
autostart=false
autorestart=false
startsecs=0
[program:large]
command=python3 -c 'import time; time.sleep(600)'
startsecs=0
[program:web]
command=sleep 600
startsecs=0
[program:missing]
command=/no/such/program
autostart=false
startretries=0
",
    steps: &[
        File("office.py", POST_OFFICE),
        Ctl("start office"),
        Until("crashmail", "RUNNING"),
        Until("fatalmailbatch", "RUNNING"),
        Ctl("start crashes"),
        Ctl("start missing"),
        Written("crash.mail", "exited unexpectedly"),
        Shown("crash.mail"),
        Written("memory.mail", "process large:large restarted"),
        Written("http.mail", "web restarted"),
        Written("fatal.mail", "Process missing:missing failed to start too many times"),
        Ctl("status crashmail memmon httpok fatalmailbatch"),
    ],
};
