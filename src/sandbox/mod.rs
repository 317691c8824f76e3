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
    call_log::CallLog,
    check::{CheckInput, IncomingRequest},
    response::SimulatedResponse,
};
pub use self::{
    call_log::{CallVerdict, DeliveredMessage, ReceivedMessage, RecordedCall},
    check::BANNED_TEXT,
    group::{ApiGeneration, Group, InjectedFault, RobotKind, RobotStatus},
    markdown::to_html as message_html,
};
use crate::clock::Clock;

mod call_log;
mod check;
mod dingtalk;
mod group;
mod http;
mod lark;
mod markdown;
mod pages;
mod rate_limiter;
mod response;
#[cfg(test)]
mod tests;
mod wecom;

/// Most robots that are made on first use.
const MAX_CREATED_ROBOTS: usize = 1000;
/// Most unknown tokens whose calls are remembered.
const MAX_UNKNOWN_TOKENS: usize = 1000;

/// Pretended robots and their groups. Clones share the same ones.
#[derive(Clone)]
pub struct Sandbox {
    clock: Clock,
    state: Arc<Mutex<SandboxState>>,
    changed: Arc<Notify>,
}

/// Everything that a sandbox knows.
#[derive(Default)]
struct SandboxState {
    robots: Vec<SimulatedRobot>,
    /// The place of each token in `robots`.
    index_by_token: HashMap<String, usize>,
    /// The calls of tokens that nobody knows: they count towards the rate limit too.
    unknown_token_logs: HashMap<String, CallLog>,
    /// The keyword of the DingTalk robots that are made on first use; `None` makes none.
    auto_create_keyword: Option<String>,
}

/// A pretended robot.
struct SimulatedRobot {
    kind: RobotKind,
    token: String,
    group: Group,
    call_log: CallLog,
    faults: VecDeque<ScheduledFault>,
}

/// A fault and how many more calls it is for; `None` is until cleared.
struct ScheduledFault {
    fault: InjectedFault,
    remaining_calls: Option<u32>,
}

impl SimulatedRobot {
    fn new(kind: RobotKind, token: &str, group: Group) -> Self {
        Self { kind, token: token.to_owned(), group, call_log: CallLog::default(), faults: VecDeque::new() }
    }

    /// The fault for the call that has just come.
    fn next_fault(&mut self) -> Option<InjectedFault> {
        let scheduled = self.faults.front_mut()?;
        let fault = scheduled.fault.clone();
        if let Some(calls) = &mut scheduled.remaining_calls {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.faults.pop_front();
            }
        }
        Some(fault)
    }
}

impl SandboxState {
    fn robot(&self, token: &str) -> Option<&SimulatedRobot> {
        self.index_by_token.get(token).and_then(|index| self.robots.get(*index))
    }

    fn robot_mut(&mut self, token: &str) -> Option<&mut SimulatedRobot> {
        self.index_by_token.get(token).and_then(|index| self.robots.get_mut(*index))
    }

    fn call_log_mut(&mut self, token: &str) -> Option<&mut CallLog> {
        match self.index_by_token.get(token) {
            Some(index) => self.robots.get_mut(*index).map(|robot| &mut robot.call_log),
            None => self.unknown_token_logs.get_mut(token),
        }
    }

    fn insert_or_replace(&mut self, robot: SimulatedRobot) {
        match self.index_by_token.get(&robot.token).and_then(|index| self.robots.get_mut(*index)) {
            Some(old) => *old = robot,
            None => {
                self.index_by_token.insert(robot.token.clone(), self.robots.len());
                self.robots.push(robot);
            }
        }
    }

    /// Makes the robot of a token that is used for the first time, when that is switched on.
    fn create_on_first_use(&mut self, kind: RobotKind, token: &str) {
        let Some(keyword) = &self.auto_create_keyword else { return };
        if token.is_empty() || self.index_by_token.contains_key(token) || self.robots.len() >= MAX_CREATED_ROBOTS {
            return;
        }
        let group = match kind {
            RobotKind::DingTalk => Group::default().with_keyword(keyword),
            RobotKind::Lark | RobotKind::WeCom => Group::default(),
        };
        self.insert_or_replace(SimulatedRobot::new(kind, token, group));
    }

    fn unknown_token_log(&mut self, token: &str) -> &mut CallLog {
        if self.unknown_token_logs.len() >= MAX_UNKNOWN_TOKENS && !self.unknown_token_logs.contains_key(token) {
            self.unknown_token_logs.clear();
        }
        self.unknown_token_logs.entry(token.to_owned()).or_default()
    }
}

impl Sandbox {
    /// A sandbox without robots, whose rate limits and signatures go by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default(), changed: Arc::default() }
    }

    /// Adds a robot, or puts a new one in place of the one with this token. Tokens are unique over all kinds.
    pub fn add_robot(&self, kind: RobotKind, token: &str, group: Group) {
        self.lock_state().insert_or_replace(SimulatedRobot::new(kind, token, group));
    }

    /// From now on a robot is made for every unknown token at its first call; DingTalk ones with this keyword.
    pub fn create_on_first_use(&self, keyword: &str) {
        self.lock_state().auto_create_keyword = Some(keyword.to_owned());
    }

    /// The webhook of a robot, when the sandbox is served at `base`, such as `http://127.0.0.1:9100`.
    #[must_use]
    pub fn webhook_url(&self, base: &str, token: &str) -> Option<String> {
        self.lock_state().robot(token).map(|robot| robot.kind.webhook_url(base, token))
    }

    /// Changes the settings of a robot. Answers whether there is one.
    pub fn update_group(&self, token: &str, change: impl FnOnce(&mut Group)) -> bool {
        self.lock_state().robot_mut(token).map(|robot| change(&mut robot.group)).is_some()
    }

    /// Plays a fault on the next so many calls of a robot (`None`: until cleared), after the faults already planned.
    /// Answers whether there is such a robot.
    pub fn inject_fault(&self, token: &str, fault: InjectedFault, calls: Option<u32>) -> bool {
        let scheduled = ScheduledFault { fault, remaining_calls: calls };
        self.lock_state().robot_mut(token).map(|robot| robot.faults.push_back(scheduled)).is_some()
    }

    /// Forgets the planned faults of a robot. Answers whether there is such a robot.
    pub fn clear_faults(&self, token: &str) -> bool {
        self.lock_state().robot_mut(token).map(|robot| robot.faults.clear()).is_some()
    }

    /// The remembered calls with this token, oldest first, unknown tokens included.
    #[must_use]
    pub fn calls(&self, token: &str) -> Vec<RecordedCall> {
        self.lock_state().call_log_mut(token).map(|ledger| ledger.calls().to_vec()).unwrap_or_default()
    }

    /// The remembered messages that the group of this robot heard, oldest first, each once.
    #[must_use]
    pub fn delivered_messages(&self, token: &str) -> Vec<DeliveredMessage> {
        self.lock_state()
            .call_log_mut(token)
            .map(|ledger| ledger.calls().iter().filter_map(RecordedCall::delivered_message).collect())
            .unwrap_or_default()
    }

    /// Waits until the calls with this token (oldest first) are as the predicate wants them, looking anew at every
    /// call that comes. Answers false when the time runs out first. The predicate must not use the sandbox.
    pub async fn wait_for_calls(
        &self,
        token: &str,
        mut predicate: impl FnMut(&[RecordedCall]) -> bool,
        timeout: Duration,
    ) -> bool {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let changed = self.changed.notified();
            if predicate(self.lock_state().call_log_mut(token).map_or(&[], |ledger| ledger.calls())) {
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
            http::configure_routes(config);
            pages::configure_routes(config);
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
    fn handle_call(&self, kind: RobotKind, token: &str, incoming: IncomingRequest) -> SimulatedResponse {
        let mut state = self.lock_state();
        if incoming.is_post() {
            state.create_on_first_use(kind, token);
        }
        let now = self.clock.now();
        let index = state.index_by_token.get(token).copied();
        let (fault, group, call_log) = match index.and_then(|index| state.robots.get_mut(index)) {
            Some(robot) if robot.kind == kind => (robot.next_fault(), Some(&robot.group), &mut robot.call_log),
            _ => (None, None, state.unknown_token_log(token)),
        };
        let (answer, verdict, message) = match &fault {
            Some(fault) if fault.prevents_delivery() => response::intercepted_response(kind, fault, &incoming),
            _ => {
                let unlimited = group.is_some_and(|group| group.has_no_rate_limit);
                let is_within_rate_limit =
                    !incoming.is_post() || unlimited || call_log.rate_limiter.try_admit(kind, now);
                let checked = check::check_request(
                    kind,
                    &CheckInput { incoming: &incoming, token, group, is_within_rate_limit, now },
                );
                let is_duplicate =
                    checked.as_ref().is_ok_and(|message| call_log.has_delivered(message.msg_uuid.as_ref()));
                response::response_for(kind, group, checked, is_duplicate, fault.as_ref())
            }
        };
        call_log.record(RecordedCall {
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
        drop(state);
        self.changed.notify_waiters();
        answer
    }

    /// Locks the room. A test that panicked while holding it has broken nothing that matters here.
    fn lock_state(&self) -> MutexGuard<'_, SandboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
