//! Robots that answer as the real DingTalk, Lark and WeCom ones do, and a page that shows what each group heard.
//!
//! For tests, demonstrations and trying things out on one machine. It shares no code with the room that writes to
//! robots: it reads and checks every message in its own way, or a mistake would agree with itself.

use std::{
    collections::{HashMap, VecDeque},
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, dev::Server, web};
use tokio::sync::Notify;

use self::{
    answer::Answer,
    check::{Incoming, Visit},
    record::Ledger,
};
pub use self::{
    check::BANNED_TEXT,
    group::{Fault, Group, RobotKind, Standing, Wording},
    markdown::html as message_html,
    record::{Call, Heard, Message, Verdict},
};
use crate::clock::Clock;

mod answer;
mod check;
mod dingtalk;
mod group;
mod http;
mod lark;
mod markdown;
mod pace;
mod pages;
mod record;
#[cfg(test)]
mod tests;
mod wecom;

/// Most robots that are made on first use.
const MOST_ROBOTS: usize = 1000;
/// Most unknown tokens whose calls are remembered.
const MOST_STRANGERS: usize = 1000;

/// Pretended robots and their groups. Clones share the same ones.
#[derive(Clone)]
pub struct Sandbox {
    clock: Clock,
    room: Arc<Mutex<Room>>,
    changed: Arc<Notify>,
}

/// Everything that a sandbox knows.
#[derive(Default)]
struct Room {
    robots: Vec<Robot>,
    /// The place of each token in `robots`.
    places: HashMap<String, usize>,
    /// The calls of tokens that nobody knows: they count towards the rate limit too.
    strangers: HashMap<String, Ledger>,
    /// The keyword of the DingTalk robots that are made on first use; `None` makes none.
    first_use: Option<String>,
}

/// A pretended robot.
struct Robot {
    kind: RobotKind,
    token: String,
    group: Group,
    ledger: Ledger,
    faults: VecDeque<PlannedFault>,
}

/// A fault and how many more calls it is for; `None` is until cleared.
struct PlannedFault {
    fault: Fault,
    calls: Option<u32>,
}

impl Robot {
    fn new(kind: RobotKind, token: &str, group: Group) -> Self {
        Self { kind, token: token.to_owned(), group, ledger: Ledger::default(), faults: VecDeque::new() }
    }

    /// The fault for the call that has just come.
    fn next_fault(&mut self) -> Option<Fault> {
        let planned = self.faults.front_mut()?;
        let fault = planned.fault.clone();
        if let Some(calls) = &mut planned.calls {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.faults.pop_front();
            }
        }
        Some(fault)
    }
}

impl Room {
    fn robot(&self, token: &str) -> Option<&Robot> {
        self.places.get(token).and_then(|place| self.robots.get(*place))
    }

    fn robot_mut(&mut self, token: &str) -> Option<&mut Robot> {
        self.places.get(token).and_then(|place| self.robots.get_mut(*place))
    }

    fn ledger_mut(&mut self, token: &str) -> Option<&mut Ledger> {
        match self.places.get(token) {
            Some(place) => self.robots.get_mut(*place).map(|robot| &mut robot.ledger),
            None => self.strangers.get_mut(token),
        }
    }

    fn put(&mut self, robot: Robot) {
        match self.places.get(&robot.token).and_then(|place| self.robots.get_mut(*place)) {
            Some(old) => *old = robot,
            None => {
                self.places.insert(robot.token.clone(), self.robots.len());
                self.robots.push(robot);
            }
        }
    }

    /// Makes the robot of a token that is used for the first time, when that is switched on.
    fn welcome(&mut self, kind: RobotKind, token: &str) {
        let Some(keyword) = &self.first_use else { return };
        if token.is_empty() || self.places.contains_key(token) || self.robots.len() >= MOST_ROBOTS {
            return;
        }
        let group = match kind {
            RobotKind::DingTalk => Group::default().keyword(keyword),
            RobotKind::Lark | RobotKind::WeCom => Group::default(),
        };
        self.put(Robot::new(kind, token, group));
    }

    fn stranger(&mut self, token: &str) -> &mut Ledger {
        if self.strangers.len() >= MOST_STRANGERS && !self.strangers.contains_key(token) {
            self.strangers.clear();
        }
        self.strangers.entry(token.to_owned()).or_default()
    }
}

impl Sandbox {
    /// A sandbox without robots, whose rate limits and signatures go by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, room: Arc::default(), changed: Arc::default() }
    }

    /// Adds a robot, or puts a new one in place of the one with this token. Tokens are unique over all kinds.
    pub fn add(&self, kind: RobotKind, token: &str, group: Group) {
        self.room().put(Robot::new(kind, token, group));
    }

    /// From now on a robot is made for every unknown token at its first call; DingTalk ones with this keyword.
    pub fn accept_any(&self, keyword: &str) {
        self.room().first_use = Some(keyword.to_owned());
    }

    /// The webhook of a robot, when the sandbox is served at `base`, such as `http://127.0.0.1:9100`.
    #[must_use]
    pub fn url(&self, base: &str, token: &str) -> Option<String> {
        self.room().robot(token).map(|robot| robot.kind.url(base, token))
    }

    /// Changes the settings of a robot. Answers whether there is one.
    pub fn change(&self, token: &str, change: impl FnOnce(&mut Group)) -> bool {
        self.room().robot_mut(token).map(|robot| change(&mut robot.group)).is_some()
    }

    /// Plays a fault on the next so many calls of a robot (`None`: until cleared), after the faults already planned.
    /// Answers whether there is such a robot.
    pub fn fail(&self, token: &str, fault: Fault, calls: Option<u32>) -> bool {
        let planned = PlannedFault { fault, calls };
        self.room().robot_mut(token).map(|robot| robot.faults.push_back(planned)).is_some()
    }

    /// Forgets the planned faults of a robot. Answers whether there is such a robot.
    pub fn clear_faults(&self, token: &str) -> bool {
        self.room().robot_mut(token).map(|robot| robot.faults.clear()).is_some()
    }

    /// The remembered calls with this token, oldest first, unknown tokens included.
    #[must_use]
    pub fn calls(&self, token: &str) -> Vec<Call> {
        self.room().ledger_mut(token).map(|ledger| ledger.calls().to_vec()).unwrap_or_default()
    }

    /// The remembered messages that the group of this robot heard, oldest first, each once.
    #[must_use]
    pub fn heard(&self, token: &str) -> Vec<Heard> {
        self.room()
            .ledger_mut(token)
            .map(|ledger| ledger.calls().iter().filter_map(Call::heard).collect())
            .unwrap_or_default()
    }

    /// Waits until the calls with this token (oldest first) are as the predicate wants them, looking anew at every
    /// call that comes. Answers false when the time runs out first. The predicate must not use the sandbox.
    pub async fn wait_until(&self, token: &str, mut predicate: impl FnMut(&[Call]) -> bool, timeout: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let changed = self.changed.notified();
            if predicate(self.room().ledger_mut(token).map_or(&[], |ledger| ledger.calls())) {
                return true;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return false;
            }
        }
    }

    /// The robots' addresses and the pages, for an actix application of the sandbox's own.
    pub fn configure(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let sandbox = web::Data::new(self.clone());
        move |config| {
            config.app_data(sandbox);
            http::routes(config);
            pages::routes(config);
        }
    }

    /// Serves the sandbox on a bound socket. The server runs once it is awaited, and leaves signals alone.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub fn serve(self, listener: TcpListener) -> std::io::Result<Server> {
        let server = HttpServer::new(move || App::new().configure(self.configure()))
            .workers(1)
            .disable_signals()
            // Calls that a fault leaves hanging must not keep a test from ending.
            .shutdown_timeout(1);
        Ok(server.listen(listener)?.run())
    }

    /// Judges a call, remembers it, and says how to answer.
    fn receive(&self, kind: RobotKind, token: &str, incoming: Incoming) -> Answer {
        let mut room = self.room();
        if incoming.is_post() {
            room.welcome(kind, token);
        }
        let now = self.clock.now();
        let place = room.places.get(token).copied();
        let (fault, group, ledger) = match place.and_then(|place| room.robots.get_mut(place)) {
            Some(robot) if robot.kind == kind => (robot.next_fault(), Some(&robot.group), &mut robot.ledger),
            _ => (None, None, room.stranger(token)),
        };
        let (answer, verdict, message) = match &fault {
            Some(fault) if fault.is_before() => answer::stopped(kind, fault, &incoming),
            _ => {
                let unlimited = group.is_some_and(|group| group.unlimited);
                let in_pace = !incoming.is_post() || unlimited || ledger.pace.admit(kind, now);
                let judged = check::judge(kind, &Visit { incoming: &incoming, token, group, in_pace, now });
                let repeated = judged.as_ref().is_ok_and(|message| ledger.has_heard(message.msg_uuid.as_ref()));
                answer::judged(kind, group, judged, repeated, fault.as_ref())
            }
        };
        ledger.keep(Call {
            number: 0,
            at: now,
            instant: Instant::now(),
            method: incoming.method,
            query: incoming.query,
            headers: incoming.headers,
            body: incoming.body,
            verdict,
            fault,
            status: answer.status,
            message,
        });
        drop(room);
        self.changed.notify_waiters();
        answer
    }

    /// Locks the room. A test that panicked while holding it has broken nothing that matters here.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
