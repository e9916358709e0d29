use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::engine::Engine;
use super::shim;
use crate::machine;
use crate::machine::event::Obstacle;
use crate::machine::phase::Phase;
use crate::spec::hold::{FIRST_DESCRIPTOR, Hold, Way};
use crate::spec::service::Service;
use crate::sys::handover::Handover;
use crate::sys::letterbox::{Letter, Letterbox};
use crate::sys::listen;
use crate::sys::process::Process;
use crate::vocab::credentials::Credentials;
use crate::vocab::listen::{Access, ListenAddress};
use crate::vocab::port::Endpoint;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// The listening sockets that are open for services, whether or not a run has them. They stay from run to run, and from
/// supervisor to supervisor: a copy of each lies in the guardian's letterbox. This process accepts nothing on them.
#[derive(Debug)]
pub struct Holdings {
    held: BTreeMap<ListenAddress, OwnedFd>,
    /// The socket to which services tell of themselves, and the inode of its path.
    ear: Option<(u64, OwnedFd)>,
    letterbox: Letterbox,
}

/// What the letter begins with that has the socket to which services tell of themselves; the inode follows.
const EAR: &str = "notify ";

/// A socket that cannot be held.
#[derive(Debug)]
pub(super) struct Unheld {
    address: ListenAddress,
    source: io::Error,
}

impl fmt::Display for Unheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot hold {}: ", self.address)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another process listens on it"),
            _ => self.source.fmt(f),
        }
    }
}

impl Engine {
    /// Opens what is to be held for a service and is not, and makes what is held as a new run expects it.
    pub(super) fn hold_sockets(&mut self, service: &Service) -> Result<(), Obstacle> {
        if service.has_shim() {
            shim::put(&self.paths.python).map_err(|error| Obstacle::Refused {
                why: format!("cannot write the Python shim to {}: {error}", self.paths.python.display()),
            })?;
        }
        let Some(hold) = &service.hold else { return Ok(()) };
        // A replica has them under a name of its own.
        let live = self.wardens.values().map(|warden| &warden.charge().tag.service);
        let live = live.filter_map(|name| self.fleet.services().get(name));
        let used = live.flat_map(|service| addresses(service.spec()));
        let shared = used.filter(|address| hold.addresses.contains(address)).cloned().collect();
        // Somebody may have come between the look at the ports and this.
        self.holdings.hold(service, hold, &shared).map_err(|unheld| {
            let why = unheld.to_string();
            self.taken(service).map_or(Obstacle::Refused { why }, Obstacle::PortTaken)
        })
    }

    /// Holds again what a run that was taken over has, if nobody left it for this supervisor.
    pub(super) fn take_back_sockets(&mut self, run: RunId, service: &Service) {
        if let Some(warden) = self.wardens.get(&run).filter(|_| service.hold.is_some()) {
            self.holdings.take_back(service, &warden.charge().tree());
        }
    }
}

impl Holdings {
    /// What the supervisor before this one held.
    pub fn recover(letterbox: Letterbox) -> Self {
        let letters = letterbox.read().unwrap_or_else(|error| {
            tracing::error!(%error, "cannot take over the sockets that are held for services");
            Vec::new()
        });
        let (mut held, mut ear) = (BTreeMap::new(), None);
        for letter in letters {
            for (line, socket) in letter.text.lines().zip(letter.descriptors) {
                if let Some(inode) = line.strip_prefix(EAR).and_then(|inode| inode.parse().ok()) {
                    ear = Some((inode, socket));
                    continue;
                }
                let address =
                    ListenAddress::parse(line).filter(|address| listen::listens_at(&socket, address));
                held.extend(address.map(|address| (address, socket)));
            }
        }
        Self { held, ear, letterbox }
    }

    /// The socket that services told the supervisor before this one of themselves by, and the inode of its path.
    pub(super) fn ear(&self) -> Option<(u64, OwnedFd)> {
        let (inode, socket) = self.ear.as_ref()?;
        Some((*inode, socket.try_clone().ok()?))
    }

    /// Leaves the socket to which services tell of themselves to the next supervisor.
    pub(super) fn keep_ear(&mut self, socket: BorrowedFd<'_>, inode: u64) {
        match socket.try_clone_to_owned() {
            Ok(socket) => self.ear = Some((inode, socket)),
            Err(error) => tracing::warn!(%error, "what services tell would not outlive this supervisor"),
        }
        self.leave_for_the_next();
    }

    /// Whether every socket of a service on one of its ports is held; none if it holds none.
    pub(super) fn keeps(&self, service: &Service, port: Endpoint) -> Option<bool> {
        let hold = service.hold.as_ref()?;
        Some(!self.missing(hold).filter_map(ListenAddress::endpoint).any(|missing| missing.overlaps(&port)))
    }

    /// What is to be held and is not.
    pub(super) fn missing<'h>(&self, hold: &'h Hold) -> impl Iterator<Item = &'h ListenAddress> {
        hold.addresses.iter().filter(|address| !self.held.contains_key(*address))
    }

    /// Opens what this service is to have and what is not held, and makes what is held as a new run expects it, unless
    /// another live run shares it.
    pub(super) fn hold(
        &mut self,
        service: &Service,
        hold: &Hold,
        shared: &BTreeSet<ListenAddress>,
    ) -> Result<(), Unheld> {
        let mut news = false;
        let access = access(service, hold);
        for address in &hold.addresses {
            match self.held.get(address).filter(|socket| listen::listens_at(socket, address)) {
                Some(socket) if !shared.contains(address) => {
                    listen::renew(socket, hold.backlog).map_err(unheld(address))?;
                }
                Some(_) => (),
                None => {
                    // One whose file was taken away is closed first.
                    self.held.remove(address);
                    let socket = listen::open(address, &access, hold.backlog).map_err(unheld(address))?;
                    self.held.insert(address.clone(), socket);
                    news = true;
                }
            }
        }
        if news {
            self.leave_for_the_next();
        }
        Ok(())
    }

    /// What a run of a service with these sockets is given.
    pub(super) fn handover(&self, hold: &Hold) -> Handover<'_> {
        let mut sockets = hold.addresses.iter().filter_map(|address| self.held.get(address)).map(AsFd::as_fd);
        match hold.way {
            Way::ListenFds => Handover::FromThreeWithPid(sockets.collect(), "LISTEN_PID"),
            Way::Stdin => sockets.next().map_or(Handover::Nothing, Handover::Stdin),
            Way::Python => Handover::FromThree(sockets.collect()),
        }
    }

    /// Closes what no service is to have that is up or on its way there: who connects to one that is down is refused.
    pub(super) fn keep_wanted(&mut self, fleet: &machine::fleet::Fleet) {
        if self.held.is_empty() {
            return;
        }
        let up = fleet.services().values().filter(|it| is_wanted(it)).map(|it| it.spec());
        let wanted: BTreeSet<&ListenAddress> = up.flat_map(|service| addresses(service)).collect();
        let before = self.held.len();
        self.held.retain(|address, _| {
            let stays = wanted.contains(address);
            if !stays {
                listen::remove_file(address);
            }
            stays
        });
        if self.held.len() < before {
            self.leave_for_the_next();
        }
    }

    /// Takes what is to be held from the processes of a run, when nothing else is left of whoever held it before.
    pub(super) fn take_back(&mut self, service: &Service, tree: &[Process]) {
        let Some(hold) = &service.hold else { return };
        let missing: Vec<&ListenAddress> = self.missing(hold).collect();
        for address in &missing {
            let mut copies = tree.iter().filter_map(|it| listen::copy_from(it.identity.pid, address));
            match copies.next() {
                Some(socket) => drop(self.held.insert((*address).clone(), socket)),
                None => {
                    tracing::warn!(service = %service.name, %address, "cannot be held again before the next run")
                }
            }
        }
        if !missing.is_empty() {
            self.leave_for_the_next();
        }
    }

    fn leave_for_the_next(&self) {
        let sockets: Vec<(&ListenAddress, &OwnedFd)> = self.held.iter().collect();
        let letters = sockets.chunks(Letter::DESCRIPTORS_MAX).map(|chunk| {
            let text: Vec<String> = chunk.iter().map(|(address, _)| address.to_string()).collect();
            (text.join("\n"), chunk.iter().map(|(_, socket)| socket.as_fd()).collect::<Vec<BorrowedFd<'_>>>())
        });
        let ear = self.ear.iter().map(|(inode, socket)| (format!("{EAR}{inode}"), vec![socket.as_fd()]));
        if let Err(error) = self.letterbox.replace(letters.chain(ear)) {
            tracing::warn!(%error, "held sockets would not outlive this supervisor");
        }
    }
}

fn addresses(service: &Service) -> impl Iterator<Item = &ListenAddress> {
    service.hold.iter().flat_map(|hold| &hold.addresses)
}

fn is_wanted(service: &machine::service::Service) -> bool {
    service.goal() != Goal::Down && !matches!(service.phase(), Phase::Resting(_))
}

fn unheld(address: &ListenAddress) -> impl FnOnce(io::Error) -> Unheld {
    let address = address.clone();
    |source| Unheld { address, source }
}

/// Tells a run by its environment what it is given.
pub(super) fn announce(hold: &Hold, python: &Path, environment: &mut BTreeMap<String, String>) {
    match hold.way {
        Way::ListenFds => {
            let names: Vec<String> = hold.addresses.iter().map(name).collect();
            environment.remove("LISTEN_PID");
            environment.insert("LISTEN_FDS".to_owned(), names.len().to_string());
            environment.insert("LISTEN_FDNAMES".to_owned(), names.join(":"));
        }
        Way::Stdin => (),
        Way::Python => {
            let numbered = (FIRST_DESCRIPTOR..).zip(&hold.addresses);
            let held: Vec<String> = numbered.map(|(number, address)| format!("{number}={address}")).collect();
            environment.insert(shim::VARIABLE.to_owned(), held.join(" "));
            shim::precede(python, environment);
        }
    }
}

/// What a socket is called in LISTEN_FDNAMES, which colons part: its port, or the name of its file.
fn name(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.port().to_string(),
        ListenAddress::Unix(path) => {
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().replace(':', "_"))
        }
    }
}

/// Who may connect to the unix sockets of a service: whose it is, unless it says otherwise.
fn access(service: &Service, hold: &Hold) -> Access {
    let own = service.credentials().filter(|_| hold.access.uid.is_none());
    let of = |id: fn(&Credentials) -> u32| own.as_ref().map(id);
    Access {
        mode: hold.access.mode,
        uid: hold.access.uid.or(of(|it| it.uid)),
        gid: hold.access.gid.or(of(|it| it.gid)),
    }
}
