//! Builds one runnable application out of settings: the database, the delivery worker, the server.

use std::{
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    pin::pin,
    thread::available_parallelism,
    time::Duration,
};

use actix_session::{
    SessionMiddleware,
    config::{BrowserSession, CookieContentSecurity},
};
use actix_web::{
    App as ActixApp, HttpServer,
    cookie::{Key, SameSite},
    dev::Server,
    middleware::{Compress, from_fn},
    web::{self as actix, Data},
};
use tokio::task::JoinHandle;

use crate::{
    access, accounts, alerts,
    clock::Clock,
    connections::{ConnectionLimiter, max_connections_per_address, max_connections_total, raise_descriptor_limit},
    db::{self, Database, Workload},
    delivery::{CallSettings, DeliveryWorker, Waker},
    error::Error,
    health::Health,
    members, portals,
    refusals::RefusalLog,
    retention, routes,
    secrets::{KeyRing, Passwords, one_time_code},
    settings::{ProcessRole, Settings},
    stores::open_stores,
    templates,
    web::{self, WebConfig},
};

/// How long requests in flight may take after the signal to stop, in seconds.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 9;
/// How many passwords are hashed at a time: each takes 19 MiB.
const MAX_CONCURRENT_HASHES: usize = 2;

/// How many plans that nobody refers to are removed at a time.
const PLAN_CLEANUP_BATCH: i64 = 100;

/// How often what has ended by age is removed.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);

/// How often the clock is compared with the one that all machines on the database go by.
const CLOCK_SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// A machine's clock that differs by more than this is worth a word to its operator, in seconds.
const CLOCK_SKEW_WARNING_SECONDS: i64 = 2;

/// An application that accepts connections and is ready to be run.
pub struct App {
    server: Option<(Server, SocketAddr)>,
    delivery_worker: Option<DeliveryWorker>,
    cleanup: JoinHandle<()>,
    fan_out: JoinHandle<()>,
    broken_robot_notifier: Option<JoinHandle<()>>,
    suppressed_notifier: Option<JoinHandle<()>>,
    clock_sync: Option<JoinHandle<()>>,
    set_up_code: Option<String>,
}

impl App {
    /// Opens everything that the settings name and binds the port.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub async fn build(settings: Settings, clock: Clock) -> Result<Self, String> {
        let (db, keys) = open_stores(&settings).await?;
        sync_clock(&db, &clock).await.map_err(|fault| format!("The database's clock cannot be read: {fault}"))?;
        let listener = bind_listener(&settings)?;
        let set_up_code = match settings.role.serves() {
            true => {
                create_set_up_code(&db).await.map_err(|fault| format!("The set-up code cannot be stored: {fault}"))?
            }
            false => None,
        };
        let waker = Waker::new(&db);
        let delivery_worker = settings
            .role
            .delivers()
            .then(|| {
                let (db, keys, origins) =
                    (db.for_workload(Workload::Delivery), keys.clone(), settings.robot_origins.clone());
                let speller =
                    templates::digest_renderer(settings.product_name.clone(), public_origin(&settings, &listener));
                let call_settings = CallSettings {
                    retry_schedule: settings.retry_schedule.clone(),
                    proxy: settings.robot_proxy.clone(),
                };
                DeliveryWorker::start_with_settings(
                    db,
                    keys,
                    origins,
                    clock.clone(),
                    waker.clone(),
                    speller,
                    call_settings,
                )
            })
            .transpose()
            .map_err(|fault| format!("The delivery worker cannot be started: {fault}"))?;
        let cleanup = tokio::spawn(clean_up_forever(db.clone(), clock.clone()));
        let snapshots = alerts::Snapshots::default();
        let tools = alerts::Tools { db: db.clone(), clock: clock.clone(), waker: waker.clone(), snapshots };
        let fan_out = tokio::spawn(alerts::run_fan_out(tools.clone()));
        let clock_sync = db.supports_notify().then(|| tokio::spawn(sync_clock_forever(db.clone(), clock.clone())));
        let health = Health::new(db.clone(), clock.clone(), delivery_worker.as_ref().map(DeliveryWorker::heartbeat));
        let broken_robot_notifier = settings.role.delivers().then(|| {
            let notifier = members::Teller {
                db: db.clone(),
                clock: clock.clone(),
                waker: waker.clone(),
                product: settings.product_name.clone(),
                public_url: settings.public_url.clone(),
            };
            tokio::spawn(members::look_after_broken_robots(notifier))
        });
        let suppressed_notifier = settings.role.delivers().then(|| {
            let notifier = alerts::SuppressedNotifier {
                db: db.clone(),
                clock: clock.clone(),
                waker: waker.clone(),
                product: settings.product_name.clone(),
            };
            tokio::spawn(notifier.run())
        });
        let server = listener
            .map(|(listener, address)| Ok((build_server(&settings, listener, keys, tools, health)?, address)))
            .transpose()
            .map_err(|fault: std::io::Error| format!("The server cannot be started: {fault}"))?;
        Ok(Self {
            server,
            delivery_worker,
            cleanup,
            fan_out,
            broken_robot_notifier,
            suppressed_notifier,
            clock_sync,
            set_up_code,
        })
    }

    /// The address that is really bound, when this process listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|(_, address)| *address)
    }

    /// The code that the first visitor types, while there is no account.
    #[must_use]
    pub fn set_up_code(&self) -> Option<&str> {
        self.set_up_code.as_deref()
    }

    /// Answers and delivers until the end is signalled, then finishes what is in flight.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), String> {
        let handle = self.server.as_ref().map(|(server, _)| server.handle());
        let delivery_worker = self.delivery_worker;
        // Requests and calls of robots are finished side by side, within the same ten seconds.
        let stop = async {
            shutdown.await;
            let requests = async {
                if let Some(handle) = handle {
                    handle.stop(true).await;
                }
            };
            let calls = async {
                if let Some(courier) = delivery_worker {
                    courier.stop().await;
                }
            };
            tokio::join!(requests, calls);
        };
        let ended = match self.server {
            Some((server, _)) => {
                // It ends by itself once it is stopped, and the calls may still go on then.
                let mut stop = pin!(stop);
                tokio::select! {
                    biased;
                    () = &mut stop => Ok(()),
                    ended = server => {
                        let ended = ended.map_err(|fault| format!("The server ended: {fault}"));
                        if ended.is_ok() {
                            stop.await;
                        }
                        ended
                    }
                }
            }
            None => {
                stop.await;
                Ok(())
            }
        };
        self.cleanup.abort();
        self.fan_out.abort();
        for task in [self.broken_robot_notifier, self.suppressed_notifier, self.clock_sync].into_iter().flatten() {
            task.abort();
        }
        ended
    }
}

/// The port, when this process has anything to say on one.
fn bind_listener(settings: &Settings) -> Result<Option<(TcpListener, SocketAddr)>, String> {
    if settings.role == (ProcessRole::DeliverOnly { listen: false }) {
        return Ok(None);
    }
    let bound = TcpListener::bind(settings.listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound
        .map_err(|fault| format!("The address {} (BELFRY_LISTEN) cannot be listened on: {fault}", settings.listen))?;
    Ok(Some((listener, address)))
}

/// Where people find the pages, for links in messages: what the operator says, or else the address really bound.
fn public_origin(settings: &Settings, listener: &Option<(TcpListener, SocketAddr)>) -> Option<String> {
    match (&settings.public_url, listener) {
        (Some(url), _) => Some(url.as_str().trim_end_matches('/').to_owned()),
        (None, Some((_, address))) if settings.role.serves() => Some(format!("http://{address}")),
        (None, _) => None,
    }
}

async fn sync_clock(db: &Database, clock: &Clock) -> Result<(), Error> {
    let clock = clock.clone();
    db.read(move |c| db::sync_clock(c, &clock)).await
}

/// Keeps the clock in step with the database's, and tells the operator when the machine's own is not.
async fn sync_clock_forever(db: Database, clock: Clock) {
    let mut was_skewed = false;
    loop {
        let skew = clock.machine_skew();
        let is_skewed = skew.num_seconds().abs() >= CLOCK_SKEW_WARNING_SECONDS;
        if is_skewed && !was_skewed {
            tracing::warn!(
                seconds = skew.num_seconds(),
                "this machine's clock is ahead of the database's, or behind it where the number is negative; Belfry goes by the database's"
            );
        }
        was_skewed = is_skewed;
        tokio::time::sleep(CLOCK_SYNC_INTERVAL).await;
        if let Err(fault) = sync_clock(&db, &clock).await {
            tracing::debug!(%fault, "the database's clock could not be read; it is tried again");
        }
    }
}

/// Removes sessions, failed log-ins, nonces and kept answers that have ended by age, now and then, and what is not kept any
/// longer by the settings.
async fn clean_up_forever(db: Database, clock: Clock) {
    loop {
        let now = clock.now();
        let cleaned = db.write(move |c| {
            access::AccountSession::delete_expired(c, now)?;
            portals::store::posts::sweep(c, now)?;
            alerts::store::fan_outs::delete_unused_plans(c, now, PLAN_CLEANUP_BATCH)?;
            accounts::store::delete_expired_lockouts(c, now)
        });
        if let Err(fault) = cleaned.await {
            tracing::warn!(%fault, "what has ended could not be removed");
        }
        tokio::time::sleep(CLEANUP_INTERVAL).await;
        // Not at the start: whoever starts with a wrong clock has a while to see it before anything is removed.
        if let Err(fault) = retention::clean(&db, clock.now()).await {
            tracing::warn!(%fault, "what is not kept any longer could not be removed; it is tried again");
        }
    }
}

async fn create_set_up_code(db: &Database) -> Result<Option<String>, Error> {
    let code = one_time_code()?;
    let text = code.expose().to_owned();
    let created = db
        .write(move |c| {
            if accounts::store::has_accounts(c)? {
                return Ok(false);
            }
            accounts::store::insert_set_up_code(c, &code)?;
            Ok(true)
        })
        .await?;
    Ok(created.then_some(text))
}

fn build_server(
    settings: &Settings,
    listener: TcpListener,
    keys: KeyRing,
    tools: alerts::Tools,
    health: Health,
) -> std::io::Result<Server> {
    let alert_tools = Data::new(tools.clone());
    let alerts::Tools { db, clock, waker, .. } = tools;
    let https = settings.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    let refusals = RefusalLog::new(db.metrics().clone());
    let descriptors = raise_descriptor_limit();
    let trusted_proxies = settings.trusted_proxies.clone();
    let connections =
        ConnectionLimiter::new(max_connections_per_address(descriptors), trusted_proxies, refusals.clone());
    let config = Data::new(WebConfig {
        product: settings.product_name.clone(),
        portal_name: settings.portal_name.clone(),
        https,
        refusals: refusals.clone(),
        public_host: settings.public_url.as_ref().map(|url| url.authority().to_owned()),
        keys: keys.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
    });
    let passwords = Passwords::new(MAX_CONCURRENT_HASHES).with_blocklist(settings.password_blocklist.clone());
    let tools = Data::new(accounts::Tools {
        db: db.clone(),
        clock: clock.clone(),
        keys: keys.clone(),
        passwords: passwords.clone(),
    });
    let store = access::DatabaseSessionStore::new(db.clone(), clock.clone());
    let member_tools = Data::new(members::Tools {
        db: db.clone(),
        clock: clock.clone(),
        keys: keys.clone(),
        passwords: passwords.clone(),
        origins: settings.robot_origins.clone(),
        waker: waker.clone(),
    });
    let refusals = Data::new(portals::Refusals::new(db.clone(), clock.clone(), refusals));
    let waker = Data::new(waker);
    let (health, metrics) = (Data::new(health), Data::new(db.metrics().clone()));
    let database = Data::new(db);
    let clock = Data::new(clock);
    let passwords = Data::new(passwords);
    let cookie_key = session_cookie_key(&keys);
    let serves = settings.role.serves();
    let workers = available_parallelism().map_or(1, NonZeroUsize::get);
    let server = HttpServer::new(move || {
        let session = SessionMiddleware::builder(store.clone(), cookie_key.clone())
            .cookie_name(access::cookie_name(https).to_owned())
            .cookie_secure(https)
            .cookie_http_only(true)
            .cookie_same_site(SameSite::Lax)
            .cookie_content_security(CookieContentSecurity::Signed)
            .session_lifecycle(BrowserSession::default())
            .build();
        // The first wrapped is the innermost: the guard sees a session, and its refusals become pages, and so does a session
        // that cannot be saved.
        let pages = actix::scope("")
            .wrap(from_fn(web::csrf_guard))
            .wrap(from_fn(web::host_guard))
            .wrap(from_fn(web::error_pages))
            .wrap(session)
            .wrap(from_fn(web::unsaved_session_pages))
            .configure(routes::pages);
        let pages = serves.then_some(pages);
        ActixApp::new()
            .app_data(config.clone())
            .app_data(database.clone())
            .app_data(clock.clone())
            .app_data(passwords.clone())
            .app_data(tools.clone())
            .app_data(member_tools.clone())
            .app_data(alert_tools.clone())
            .app_data(refusals.clone())
            .app_data(waker.clone())
            .app_data(health.clone())
            .app_data(metrics.clone())
            .configure(routes::public)
            .configure(|config| {
                if let Some(pages) = pages {
                    routes::intake(config);
                    config.service(pages);
                }
            })
            .wrap(from_fn(web::security_headers))
            .wrap(Compress::default())
            .wrap(from_fn(web::head_as_get))
            .wrap(from_fn(web::log_request))
    })
    .workers(workers)
    .max_connections(max_connections_total(descriptors) / workers)
    .on_connect(move |io, extensions| connections.accept(io, extensions))
    .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// The key that signs the session cookie.
fn session_cookie_key(keys: &KeyRing) -> Key {
    let halves = [keys.keyed_hash("cookie", b"1"), keys.keyed_hash("cookie", b"2")];
    Key::from(&halves.concat())
}
