//! What one tenant asks for does not keep the others waiting.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use belfry::db::{Lane, Workload};
use futures_util::{FutureExt as _, future::join_all};

use crate::harness::{Backend, TestApp, run};

const PATIENCE: Duration = Duration::from_secs(30);
/// How many writes of one tenant wait.
const BACKLOG: usize = 600;

/// On SQLite, whose one writer is busy: in which order it takes what came in meanwhile.
#[test]
fn an_alert_and_a_log_in_overtake_the_backlog_of_another_tenant() {
    run(Backend::Sqlite, async |app: &TestApp| {
        let (ours, theirs) = (app.tenant("ours", "sue").await, app.tenant("theirs", "theo").await);
        let (open, gate) = mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let write = |share, lane, name: &'static str| {
            let order = Arc::clone(&order);
            let db = app.db.for_workload(share).in_lane(lane);
            Box::pin(async move {
                let note = move |_: &mut _| {
                    order.lock().expect("the order").push(name);
                    Ok(())
                };
                db.write(note).await
            })
        };
        let held = app.db.write(move |_| {
            gate.recv_timeout(PATIENCE).expect("it is opened");
            Ok(())
        });
        let mut held = Box::pin(held);
        assert!(held.as_mut().now_or_never().is_none(), "the writer is busy");
        let mut waiting: Vec<_> =
            (0..BACKLOG).map(|_| write(Workload::Intake, Lane::for_tenant(theirs), "theirs")).collect();
        waiting.push(write(Workload::Intake, Lane::for_tenant(ours), "ours"));
        waiting.push(write(Workload::Pages, Lane::for_address("192.0.2.1"), "log-in"));
        // Each is in the queue once it was asked for the first time.
        assert!(waiting.iter_mut().all(|write| write.as_mut().now_or_never().is_none()));
        open.send(()).expect("the writer goes on");
        held.await.expect("it is written");
        assert!(join_all(waiting).await.iter().all(Result::is_ok));
        let order = order.lock().expect("the order");
        assert_eq!(order.len(), BACKLOG + 2);
        for name in ["ours", "log-in"] {
            assert!(order.iter().position(|done| *done == name).expect(name) < 5, "{:?}", order.get(..8));
        }
    });
}

/// On Postgres, where writes hold connections: those of a tenant that all hang leave others some.
#[test]
fn while_the_writes_of_a_tenant_hang_another_tenants_alert_and_log_in_are_answered() {
    run(Backend::Postgres, async |app: &TestApp| {
        app.settle().await;
        let theirs = Lane::for_tenant(app.tenant("flood", "flo").await);
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let hang = |share| {
            let (db, gate) = (app.db.for_workload(share).in_lane(theirs), Arc::clone(&gate));
            actix_web::rt::spawn(async move {
                let wait = move |_: &mut _| {
                    assert!(gate.lock().expect("the gate").recv_timeout(PATIENCE).is_err(), "nobody sends");
                    Ok(())
                };
                db.write(wait).await
            })
        };
        let hanging: Vec<_> = (0..10).flat_map(|_| [hang(Workload::Intake), hang(Workload::Pages)]).collect();
        tokio::task::yield_now().await;
        for (share, lane) in [
            (Workload::Intake, Lane::for_tenant(belfry::db::TenantId(1))),
            (Workload::Pages, Lane::for_address("192.0.2.1")),
        ] {
            let written = app.db.for_workload(share).in_lane(lane).write(|_| Ok(())).await;
            assert!(written.is_ok(), "{share:?}: {written:?}");
        }
        // Nobody sends: whoever waits goes on.
        drop(open);
        let ended = join_all(hanging).await;
        assert!(ended.iter().all(Result::is_ok));
    });
}
