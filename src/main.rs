//! The command line.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use belfry::{app::App, clock::Clock, settings};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// A portal that decides which message channels ring whom, and rings them so that no alert is lost
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: settings::Typed,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the portal and delivers messages (the default)
    Serve,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.settings);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("belfry: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(settings: &settings::Typed) {
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if settings.log_format == "json" { log.json().init() } else { log.init() }
}

fn run(cli: &Cli) -> Result<(), String> {
    let settings = cli.settings.check().map_err(|faults| faults.join(" "))?;
    match cli.command {
        None | Some(Command::Serve) => actix_web::rt::System::new().block_on(serve(settings)),
    }
}

async fn serve(settings: settings::Settings) -> Result<(), String> {
    let app = App::build(settings, Clock::default()).await?;
    if let Some(code) = app.set_up_code() {
        eprintln!("There is no account yet. Open /setup and type this code: {code}");
    }
    let handle = app.handle();
    let address = app.address();
    actix_web::rt::spawn(async move {
        end_signal().await;
        handle.stop(true).await;
    });
    say(&format!("listening on http://{address}"))?;
    app.run().await
}

/// The one line on standard output.
fn say(line: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|fault| format!("Standard output is closed: {fault}"))
}

async fn end_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
