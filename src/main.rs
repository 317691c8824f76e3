//! The command line.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::TcpListener,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use belfry::{
    access::Actor,
    accounts::{self, Username},
    app::App,
    check::{self, CheckOptions},
    clock::Clock,
    db::{Database, PortalId, RobotId},
    delivery, demo,
    language::Language,
    log::{Escaping, Format},
    portals,
    sandbox::Sandbox,
    secrets::{KeyRing, Passwords},
    settings::{RawSettings, Settings, unknown_variable_warnings},
    stores::{open_existing_stores, open_stores},
};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// A page is many small strings, with which this allocator is quick.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A portal that decides which message channels ring whom, and rings them so that no alert is lost
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: RawSettings,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the portal and delivers messages (the default)
    Serve,
    /// Serves a throw-away deployment with tenants, members, alerts and sandbox robots, to try the whole product
    Demo,
    /// Serves only the sandbox: robots that answer like the real ones, and what each group heard
    Sandbox,
    /// Makes an account that is super administrator of the metadata warehouse tenant; the password is read from standard input
    CreateAdmin {
        /// The name it logs in with
        #[arg(long)]
        username: String,
    },
    /// Says everything that is wrong with the settings, the key file and the database
    Check {
        /// Recounts every delivery as well: receivers chosen = delivered + waiting + given up
        #[arg(long)]
        ledger: bool,
        /// Says what is unsafe in production as well
        #[arg(long)]
        deploy: bool,
    },
    /// Writes a consistent copy of a live SQLite database
    Backup {
        /// The file to write; it must not exist
        file: std::path::PathBuf,
    },
    /// Seals every stored secret with a new key; can be stopped and run again, beside running servers
    RotateKey,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logging(&cli.settings);
    if let Err(fault) = survive_file_size_limit() {
        tracing::warn!(%fault, "the signal of the file size limit cannot be caught");
    }
    if !matches!(cli.command, Some(Command::Check { .. })) {
        for unknown in unknown_variable_warnings(env::vars_os()) {
            tracing::warn!("{unknown}");
        }
        for unknown in cli.settings.unknown_log_parts() {
            tracing::warn!("{unknown}");
        }
        if let Some(ignored) = check::ignored_proxy(&cli.settings, |variable| env::var_os(variable).is_some()) {
            tracing::warn!("{ignored}");
        }
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tell(&format!("belfry: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// A filter that cannot be read is named by the check of the settings, which nothing but a sentence follows.
fn init_logging(settings: &RawSettings) {
    let filter = settings.log_filter().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::OFF));
    let log = tracing_subscriber::registry().with(filter);
    let format = if settings.log_format == "json" { Format::Json } else { Format::Text };
    let lines = fmt::layer().with_writer(move || Escaping::new(io::stderr(), format)).with_ansi(false);
    match format {
        Format::Json => log.with(lines.json()).init(),
        Format::Text => log.with(lines).init(),
    }
}

/// Has a write beyond the limit of file sizes (`ulimit -f`) fail like one on a full disk. Without a handler, SIGXFSZ ends the
/// process without a word.
fn survive_file_size_limit() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler stays when the stream of its signals is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

fn run(cli: &Cli) -> Result<(), String> {
    if let Some(Command::Check { ledger, deploy }) = cli.command {
        return run_check(&cli.settings, CheckOptions { ledger, deploy });
    }
    let settings = cli.settings.validate().map_err(|faults| faults.join(" "))?;
    let system = actix_web::rt::System::new();
    let ended = match &cli.command {
        None | Some(Command::Serve) => system.block_on(serve(settings, Signals::listen()?, |_| Ok(()))),
        Some(Command::Demo) => system.block_on(serve_demo(settings, Signals::listen()?)),
        Some(Command::Sandbox) => system.block_on(serve_sandbox(settings, Signals::listen()?)),
        Some(Command::CreateAdmin { username }) => system.block_on(create_admin(settings, username)),
        Some(Command::Backup { file }) => Database::backup(&settings.database, file),
        Some(Command::RotateKey) => system.block_on(rotate_key(settings)),
        Some(Command::Check { .. }) => Ok(()),
    };
    if ended.is_err() {
        // A runtime that is dropped waits for all its threads, and one of them may wait for a database that does not answer.
        // After the signal to end there is a bound on that.
        std::mem::forget(system);
    }
    ended
}

/// Serves, after what is to be said once the application stands.
async fn serve(
    settings: Settings,
    signals: Signals,
    on_ready: impl FnOnce(&App) -> Result<(), String>,
) -> Result<(), String> {
    let serves = settings.role.serves();
    let app = App::build(settings, Clock::default()).await?;
    on_ready(&app)?;
    if let Some(code) = app.set_up_code() {
        tell(&format!("There is no account yet. Open /setup and type this code: {code}"));
    }
    let shutdown = signals.into_shutdown();
    print_line(&match app.address() {
        Some(address) if serves => format!("listening on http://{address}"),
        _ => "delivering".to_owned(),
    })?;
    app.run(shutdown).await
}

async fn serve_demo(settings: Settings, signals: Signals) -> Result<(), String> {
    let clock = Clock::default();
    let demo = demo::make(settings, &clock).await?;
    tell(&format!("The groups of the sandbox: http://{}", demo.sandbox));
    for (who, username) in &demo.log_ins {
        tell(&format!("Log in as {username} ({who}), password {}", demo.password.expose()));
    }
    actix_web::rt::spawn(demo.robots);
    let result = serve(demo.settings, signals, |app| print_portals(&demo.portals, app, &clock)).await;
    std::fs::remove_dir_all(&demo.folder)
        .map_err(|fault| format!("The demo's folder {} could not be removed: {fault}", demo.folder.display()))?;
    result
}

fn print_portals(portals: &[demo::Portal], app: &App, clock: &Clock) -> Result<(), String> {
    let Some(address) = app.address() else { return Ok(()) };
    for portal in portals {
        let (id, name, tenant, token) = (portal.id, portal.name(), portal.tenant, portal.token().expose());
        let curl = portal.curl(&format!("http://{address}"), clock.now()).map_err(|fault| fault.to_string())?;
        tell(&format!("The portal {name} of {tenant} has the id {id} and the token {token}; it fires an alert by"));
        tell(&format!("  {curl}"));
    }
    Ok(())
}

async fn serve_sandbox(settings: Settings, signals: Signals) -> Result<(), String> {
    let listener = TcpListener::bind(settings.listen)
        .map_err(|fault| format!("The address {} (BELFRY_LISTEN) cannot be listened on: {fault}", settings.listen))?;
    let address = listener.local_addr().map_err(|fault| fault.to_string())?;
    let sandbox = Sandbox::new(Clock::default());
    sandbox.create_on_first_use(&settings.product_name);
    let server = sandbox.serve(listener).map_err(|fault| format!("The sandbox cannot start: {fault}"))?;
    let handle = server.handle();
    let end = signals.into_shutdown();
    actix_web::rt::spawn(async move {
        end.await;
        handle.stop(true).await;
    });
    print_line(&format!("listening on http://{address}"))?;
    server.await.map_err(|fault| format!("The sandbox ended: {fault}"))
}

async fn create_admin(settings: Settings, username: &str) -> Result<(), String> {
    let username =
        Username::parse(username).map_err(|_| "The username must be 1 to 64 letters, digits and . _ - @.")?;
    let mut password = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut password)
        .map_err(|fault| format!("Standard input cannot be read: {fault}"))?;
    let password =
        password.strip_suffix('\n').map_or(password.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    // Shells on Windows put it before what they hand on.
    let password = password.strip_prefix(belfry::text::BYTE_ORDER_MARK).unwrap_or(password);
    if password.chars().any(char::is_control) {
        return Err(
            "The password must be one line without control characters: no log-in page could take it.".to_owned()
        );
    }
    let passwords = Passwords::new(1).with_blocklist(settings.password_blocklist.clone());
    let context = [settings.product_name.as_str(), settings.portal_name.as_str(), username.as_str()];
    let weakness = passwords.check_strength(password, &context).await.map_err(|fault| fault.to_string())?;
    if let Some(weakness) = weakness {
        return Err(Language::English.text(weakness.key()).into_owned());
    }
    let (db, _) = open_stores(&settings).await?;
    let hash = passwords.hash(password).await.map_err(|fault| fault.to_string())?;
    let (name, now) = (username.as_str().to_owned(), Clock::default().now());
    let who = Actor { account: None, name: "create-admin".to_owned(), address: String::new() };
    let created = db
        .write(move |c| accounts::store::create_administrator(c, &username, &hash, Language::English, &who, now))
        .await;
    match created {
        Ok(_) => {
            tell(&format!("The account {name} was made; it administers the instance."));
            Ok(())
        }
        Err(belfry::error::Error::AlreadyExists) => Err(format!("There is an account {name} already.")),
        Err(fault) => Err(fault.to_string()),
    }
}

/// How many robots, portals or texts one transaction of a rotation seals: few, so that a running server is not kept waiting.
const RESEAL_BATCH_ROWS: i64 = 100;
const RESEAL_BATCH_BODIES: usize = 100;

async fn rotate_key(settings: Settings) -> Result<(), String> {
    let (db, _) = open_existing_stores(&settings).await?;
    let keys = KeyRing::add_key(&settings.key_file)?;
    let mut after = RobotId(0);
    loop {
        let ring = keys.clone();
        let last = db.write(move |c| delivery::reseal_robots(c, &ring, after, RESEAL_BATCH_ROWS)).await;
        match last.map_err(|fault| fault.to_string())? {
            Some(last) => after = last,
            None => break,
        }
    }
    let mut after = PortalId(0);
    loop {
        let ring = keys.clone();
        let last = db.write(move |c| portals::store::reseal(c, &ring, after, RESEAL_BATCH_ROWS)).await;
        match last.map_err(|fault| fault.to_string())? {
            Some(last) => after = last,
            None => break,
        }
    }
    let bodies = db.read(delivery::list_sealed_bodies).await.map_err(|fault| fault.to_string())?;
    for chunk in bodies.chunks(RESEAL_BATCH_BODIES) {
        let (ring, some) = (keys.clone(), chunk.to_vec());
        db.write(move |c| delivery::reseal_bodies(c, &ring, &some)).await.map_err(|fault| fault.to_string())?;
    }
    tell("Every stored secret is sealed with the new key. Keep the key file: backups need its older keys.");
    Ok(())
}

/// Tells every fault at once.
fn run_check(raw: &RawSettings, options: CheckOptions) -> Result<(), String> {
    let report = check::check_deployment(raw, options, Clock::default().now());
    if let Some(ledger) = &report.ledger {
        tell(ledger.to_string().trim_end());
    }
    for reminder in &report.reminders {
        tell(&format!("Remember: {reminder}"));
    }
    if !report.faults.is_empty() {
        return Err(report.faults.join("\nbelfry: "));
    }
    tell("Nothing is wrong.");
    Ok(())
}

/// A line for the operator on standard error. One that cannot be written, because the disk behind it is full or its reader has
/// gone, ends nothing.
fn tell(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// The one line on standard output.
fn print_line(line: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|fault| format!("Standard output is closed: {fault}"))
}

/// How long what is in flight may take after the signal to end. Then the process ends all the same.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(9_500);

/// SIGTERM, Ctrl-C and SIGHUP, listened for by a thread of its own, which waits for nothing else: neither a database that does
/// not answer nor a full thread pool keeps a process from ending.
struct Signals {
    started: Arc<AtomicBool>,
    shutdown: oneshot::Receiver<()>,
}

impl Signals {
    /// Listens from now on. Until [`Self::started`], SIGTERM and Ctrl-C end the process at once; SIGHUP, which a terminal sends
    /// when it is closed, never does.
    fn listen() -> Result<Self, String> {
        let cannot = |fault: io::Error| format!("Signals cannot be listened for: {fault}");
        let started = Arc::new(AtomicBool::new(false));
        let (shutdown_sender, shutdown) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let is_started = Arc::clone(&started);
        let listen = move || match SignalHandlers::install() {
            Ok((runtime, handlers)) => {
                drop(ready.send(Ok(())));
                runtime.block_on(handlers.run(shutdown_sender, &is_started));
            }
            Err(fault) => drop(ready.send(Err(fault))),
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(cannot)?;
        is_ready.recv().map_err(|_| "Signals cannot be listened for.".to_owned())?.map_err(cannot)?;
        Ok(Self { started, shutdown })
    }

    /// From now on the end is only asked for: it comes when what is in flight is finished, at the latest after ten seconds or
    /// with a second signal. Answers when it is asked for.
    fn into_shutdown(self) -> impl Future<Output = ()> {
        self.started.store(true, Ordering::SeqCst);
        async { drop(self.shutdown.await) }
    }
}

/// What is listened with.
struct SignalHandlers {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl SignalHandlers {
    fn install() -> io::Result<(Runtime, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let runtime_guard = runtime.enter();
        let handlers = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        drop(runtime_guard);
        Ok((runtime, handlers))
    }

    /// Waits for the next signal that asks for the end.
    async fn next_shutdown_signal(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {}
            }
        }
    }

    async fn run(mut self, shutdown_sender: oneshot::Sender<()>, is_started: &AtomicBool) {
        self.next_shutdown_signal().await;
        if is_started.load(Ordering::SeqCst) {
            let _nobody_waits = shutdown_sender.send(());
            drop(tokio::time::timeout(SHUTDOWN_GRACE, self.next_shutdown_signal()).await);
            tracing::warn!(
                "ended before everything in flight was finished; messages among it are sent again by their leases"
            );
        }
        std::process::exit(0);
    }
}
