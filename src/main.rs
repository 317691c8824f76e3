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
    // Listened for before anybody can know that we are here.
    let end_signal = end_signal().map_err(|fault| format!("Signals cannot be listened for: {fault}"))?;
    actix_web::rt::spawn(async move {
        end_signal.await;
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

/// Waits for SIGTERM or Ctrl-C, which from now on no longer end the process by themselves.
fn end_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
