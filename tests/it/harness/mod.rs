//! What every test stands on: an application with a database of its own, users, the sandbox as the robots, and the
//! real binary for what can only be seen from outside.

mod alertmanager;
mod answer;
mod app;
mod dump;
mod folder;
mod network;
mod pair;
mod postgres;
mod process;
mod town;
mod user;

pub use alertmanager::Alertmanager;
pub use answer::Answer;
pub use app::{Backend, PASSWORD, TestApp, Tweaks, password_hash, run, run_on, run_with};
pub use dump::{dump, lines};
pub use folder::folder;
pub use network::in_own_network;
pub use pair::PostgresPair;
pub use postgres::TestDatabase;
pub use process::{Process, Starting, refuses_to_start, refuses_to_start_through};
pub use town::Town;
pub use user::{User, unmasked};

/// Declares tests that run on both databases: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: $type:ty) $body:block)+) => {
        $(
            $(#[$meta])*
            async fn $name($app: $type) $body

            mod $name {
                use $crate::harness::{Backend, run};

                #[test]
                fn sqlite() {
                    run(Backend::Sqlite, super::$name);
                }

                #[test]
                fn postgres() {
                    run(Backend::Postgres, super::$name);
                }
            }
        )+
    };
}
